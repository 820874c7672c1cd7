//! Tests of the gallery with a real data folder: history, files, thumbnails, ratings.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eframe::egui::accesskit::Role;
use eframe::egui::{Key, Modifiers, Theme, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use super::verb::GalleryVerb;
use super::{GalleryAction, GalleryPanel, GalleryView};
use crate::app::background::library::Library;
use crate::app::theme;
use crate::core::testing::draft;
use crate::core::{Draft, Frame, Mode, Resolution, Utc};
use crate::jobs::HistoryEntry;
use crate::library::{History, Ratings};
use crate::media::write_png;

const PROMPTS: [&str; 3] = ["a red circle", "a blue square", "a green triangle"];

struct State {
    panel: GalleryPanel,
    library: Library,
    actions: Vec<GalleryAction>,
}

/// A data folder with three finished images, the last prompt newest.
fn data_folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (history, _) = History::open(dir.path()).unwrap();
    for (number, prompt) in (1..).zip(PROMPTS) {
        record(dir.path(), &history, number, prompt);
    }
    dir
}

/// Adds a finished image.
fn record(dir: &Path, history: &History, number: u64, prompt: &str) {
    let output = dir.join(format!("{number}.png"));
    let frame = Frame { size: Resolution::new(32, 32), rgb: vec![number as u8 * 60; 32 * 32 * 3] };
    write_png(&output, &frame).unwrap();
    let made = Draft { prompt: prompt.to_owned(), seed: number, ..draft() };
    let entry = HistoryEntry {
        id: format!("id{number}"),
        job: number,
        prompt: prompt.to_owned(),
        mode: Some(Mode::T2V),
        model: "toy-t2v-A14B".to_owned(),
        ended: Utc(number as i64),
        request: serde_json::to_value(&made).unwrap(),
        output: Some(output),
        ..HistoryEntry::default()
    };
    history.record(&entry).unwrap();
}

/// Processes the library's answers until `done` returns true.
fn wait(harness: &mut Harness<'_, State>, done: impl Fn(&Library) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done(&harness.state().library) {
        assert!(Instant::now() < deadline, "the library never answered");
        std::thread::yield_now();
        let ctx = harness.ctx.clone();
        harness.state_mut().library.drain(&ctx);
    }
    harness.run();
}

fn gallery(data_dir: &Path) -> Harness<'static, State> {
    let library = Library::start(data_dir, Arc::new(|| {})).unwrap();
    let state = State { panel: GalleryPanel::default(), library, actions: Vec::new() };
    let mut harness =
        Harness::builder().with_size(vec2(1000.0, 360.0)).with_context_setup(theme::install).build_ui_state(
            |ui, state: &mut State| {
                let view = GalleryView { library: &state.library, num_deleted: 0 };
                state.actions.extend(state.panel.ui(ui, &view));
            },
            state,
        );
    wait(&mut harness, |library| library.items().len() == PROMPTS.len());
    harness
}

#[test]
fn a_search_narrows_and_can_be_cleared() {
    let dir = data_folder();
    let mut harness = gallery(dir.path());
    harness.get_by_role_and_label(Role::TextInput, "Search prompts").focus();
    harness.run();
    harness.get_by_role_and_label(Role::TextInput, "Search prompts").type_text("SQUARE");
    harness.run();
    assert!(harness.query_by_label("a blue square").is_some());
    assert!(harness.query_by_label("a red circle").is_none());
    harness.get_by_role_and_label(Role::TextInput, "Search prompts").type_text(" purple");
    harness.run();
    harness.get_by_label("Clear search and filters").click();
    harness.run();
    assert!(harness.query_by_label("a red circle").is_some());
}

#[test]
fn a_click_selects_and_keys_act_on_the_selection() {
    let dir = data_folder();
    let mut harness = gallery(dir.path());
    harness.get_by_label("a red circle").click();
    harness.run();
    harness.key_press(Key::Enter);
    harness.run();
    harness.key_press(Key::R);
    harness.run();
    harness.key_press_modifiers(Modifiers::NONE, Key::Num4);
    harness.run();
    let actions = std::mem::take(&mut harness.state_mut().actions);
    assert_eq!(actions[0], GalleryAction::Open(dir.path().join("1.png")));
    assert!(matches!(&actions[1], GalleryAction::Remix(draft) if draft.prompt == "a red circle"));
    let GalleryAction::Rate { id, stars } = &actions[2] else { panic!("{actions:?}") };
    harness.state().library.rate(id.clone(), *stars);
    wait(&mut harness, |library| library.items().iter().any(|item| item.rating == 4));
    assert_eq!(Ratings::load(dir.path()).unwrap().of("id1"), 4);
}

/// What Delete would move to the bin.
fn deleted(harness: &mut Harness<'_, State>) -> Vec<std::path::PathBuf> {
    harness.key_press(Key::Delete);
    harness.run();
    let actions = std::mem::take(&mut harness.state_mut().actions);
    let files = actions.into_iter().filter_map(|action| match action {
        GalleryAction::Delete(files) => Some(files),
        _ => None,
    });
    files.flatten().collect()
}

#[test]
fn what_was_taken_out_of_the_selection_is_not_deleted() {
    let dir = data_folder();
    let mut harness = gallery(dir.path());
    harness.get_by_label("a red circle").click();
    harness.run();
    for _ in 0..2 {
        harness.get_by_label("a blue square").click_modifiers(Modifiers::COMMAND);
        harness.run();
    }
    assert_eq!(deleted(&mut harness), [dir.path().join("1.png")]);
}

#[test]
fn a_result_that_comes_in_front_does_not_join_the_selection() {
    let dir = data_folder();
    let mut harness = gallery(dir.path());
    // the newest, at the first place
    harness.get_by_label("a green triangle").click();
    harness.run();
    let (history, _) = History::open(dir.path()).unwrap();
    record(dir.path(), &history, 4, "a white circle");
    wait(&mut harness, |library| library.items().len() == PROMPTS.len() + 1);
    assert_eq!(deleted(&mut harness), [dir.path().join("3.png")]);
}

#[test]
fn keys_are_for_the_result_whose_menu_was_closed() {
    let dir = data_folder();
    let mut harness = gallery(dir.path());
    harness.get_by_label("a blue square").click_secondary();
    harness.run();
    harness.get_by_label_contains("Move to the bin");
    harness.key_press(Key::Escape);
    harness.run();
    assert!(harness.query_by_label_contains("Move to the bin").is_none());
    assert_eq!(deleted(&mut harness), [dir.path().join("2.png")]);
}

#[test]
fn a_deleted_file_leaves_the_gallery_and_comes_back() {
    let dir = data_folder();
    let mut harness = gallery(dir.path());
    let output = dir.path().join("2.png");
    harness.state().library.delete(vec![output.clone()]);
    wait(&mut harness, |library| library.items().iter().filter(|item| item.exists).count() == 2);
    assert!(harness.query_by_label("a blue square").is_none() && !output.exists());
    harness.state().library.restore(vec![output.clone()]);
    wait(&mut harness, |library| library.items().iter().all(|item| item.exists));
    assert!(harness.query_by_label("a blue square").is_some() && output.exists());
}

#[test]
fn old_results_are_filtered_by_date_and_presets_by_name() {
    let dir = data_folder();
    let mut harness = gallery(dir.path());
    harness.get_by_role_and_label(Role::ComboBox, "Date filter").click();
    harness.run();
    // they were made in 1970
    harness.get_by_label("Last 30 days").click();
    harness.run();
    assert!(harness.query_by_label("a red circle").is_none());
    harness.get_by_label("Clear search and filters").click();
    harness.run();
    assert!(harness.query_by_label("a red circle").is_some());
    harness.get_by_role_and_label(Role::ComboBox, "Preset filter");
    assert!(harness.get_by_role_and_label(Role::Button, "Undo delete").accesskit_node().is_disabled());
}

#[test]
fn a_video_is_exported_in_the_formats_that_it_does_not_have() {
    let item = |name: &str| {
        let entry = HistoryEntry { output: Some(name.into()), ..HistoryEntry::default() };
        crate::library::GalleryItem::new(&entry, 0, true)
    };
    let exports = |name: &str| {
        let verbs = [GalleryVerb::ExportMp4, GalleryVerb::ExportGif, GalleryVerb::ExportFrames];
        verbs.map(|verb| verb.action(&[&item(name)]).is_some())
    };
    assert_eq!(exports("a.mp4"), [false, true, true]);
    assert_eq!(exports("a.gif"), [true, false, true]);
    assert_eq!(exports("frames"), [true, true, false]);
    assert_eq!(exports("a.png"), [false; 3], "a still");
}

#[test]
fn snapshot_of_the_gallery() {
    let dir = data_folder();
    // textures belong to one window, so each theme has a library of its own
    let mut shown: Option<(Theme, Library, GalleryPanel)> = None;
    crate::app::snapshots::compare("gallery", vec2(900.0, 480.0), |ui| {
        let theme = ui.ctx().theme();
        if shown.as_ref().is_none_or(|(of, ..)| *of != theme) {
            let library = Library::start(dir.path(), Arc::new(|| {})).unwrap();
            shown = Some((theme, library, GalleryPanel::default()));
        }
        let Some((_, library, panel)) = &mut shown else { unreachable!() };
        let deadline = Instant::now() + Duration::from_secs(20);
        let is_whole = |library: &Library| {
            library.items().len() == PROMPTS.len()
                && (1..=PROMPTS.len())
                    .all(|number| library.thumbnail(&dir.path().join(format!("{number}.png"))).is_some())
        };
        while !is_whole(library) {
            assert!(Instant::now() < deadline, "the library never answered");
            std::thread::yield_now();
            library.drain(ui.ctx());
        }
        drop(panel.ui(ui, &GalleryView { library, num_deleted: 0 }));
    });
}

#[test]
fn two_to_fifty_videos_are_ranked() {
    let dir = data_folder();
    let harness = gallery(dir.path());
    let item = &harness.state().library.items()[0];
    let can_rank = |count| GalleryVerb::RankBlind.action(&vec![item; count]).is_some();
    assert_eq!([1, 2, 50, 51].map(can_rank), [false, true, true, false]);
}

#[test]
fn in_a_narrow_panel_the_filters_fold_into_one_button() {
    let dir = data_folder();
    let mut harness = gallery(dir.path());
    harness.get_by_role_and_label(Role::ComboBox, "Order");
    harness.set_size(vec2(600.0, 360.0));
    harness.run();
    assert!(harness.query_by_role_and_label(Role::ComboBox, "Order").is_none());
    harness.get_by_role_and_label(Role::Button, "Filters").click();
    harness.run();
    harness.get_by_role_and_label(Role::Button, "Failed").click();
    harness.run();
    harness.get_by_role_and_label(Role::ComboBox, "Order");
    harness.get_by_role_and_label(Role::Button, "Filters (1)").click();
    harness.run();
    assert!(harness.query_by_role_and_label(Role::ComboBox, "Order").is_none());
}
