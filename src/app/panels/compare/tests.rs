//! Tests of the compare panel with real clips.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use eframe::egui::accesskit::Role;
use eframe::egui::{Ui, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use super::panel::CompareMode;
use super::{CompareAction, ComparePanel, CompareView};
use crate::app::background::comparison::comparison::{
    BlindItem, Comparison, DifferenceRequest, MeasureStatus, Preference,
};
use crate::app::theme;
use crate::compare::Votes;
use crate::core::{Frame, Resolution};
use crate::media::write_png;
use crate::store::HeldLock;

struct Bench {
    panel: ComparePanel,
    comparison: Comparison,
    actions: Vec<CompareAction>,
    dir: tempfile::TempDir,
}

fn clip(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/compare").join(name)
}

fn bench(clips: &[&str]) -> Harness<'static, Bench> {
    let dir = tempfile::tempdir().unwrap();
    let waker: crate::core::Waker = Arc::new(|| {});
    let mut comparison = Comparison::start(dir.path(), &waker).unwrap();
    if !clips.is_empty() {
        comparison.open(clips.iter().map(|name| clip(name)).collect());
    }
    let bench = Bench { panel: ComparePanel::default(), comparison, actions: Vec::new(), dir };
    let draw = |ui: &mut Ui, bench: &mut Bench| {
        bench.comparison.tick(ui.ctx(), Instant::now());
        let view = CompareView { comparison: &bench.comparison };
        let actions = bench.panel.ui(ui, view);
        for action in &actions {
            if let CompareAction::Subtract(difference) = action {
                bench.comparison.subtract(*difference);
            }
        }
        bench.actions.extend(actions);
    };
    Harness::builder()
        .with_size(vec2(900.0, 900.0))
        .with_context_setup(theme::install)
        .build_ui_state(draw, bench)
}

/// Draws until `done`.
fn wait(harness: &mut Harness<'_, Bench>, done: impl Fn(&Comparison) -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !done(&harness.state().comparison) {
        assert!(Instant::now() < deadline, "it never came");
        std::thread::park_timeout(Duration::from_millis(2));
        harness.step();
    }
    harness.step();
}

fn is_measured(comparison: &Comparison) -> bool {
    matches!(comparison.measured(), MeasureStatus::Done(_))
}

#[test]
fn an_empty_panel_says_how_to_choose_videos() {
    let mut harness = bench(&[]);
    harness.get_by_label("Show the gallery").click();
    harness.step();
    harness.step();
    assert_eq!(harness.state().actions, [CompareAction::ShowGallery]);
}

#[test]
fn differences_are_measured_named_and_drawn() {
    let mut harness = bench(&["reference", "changed"]);
    wait(&mut harness, is_measured);
    for label in ["A", "B", "Difference to reference", "PSNR", "MS-SSIM", "SSIMULACRA2", "Colour drift"] {
        assert!(harness.query_all_by_label(label).next().is_some(), "{label}");
    }
    harness.get_by_role_and_label(Role::ComboBox, "Curve");
    harness.get_by_label_contains("Difference to reference in small structures");
    harness.get_by_label_contains("24.6");
    harness.get_by_label("Pause all").click();
    harness.step();
    harness.get_by_role_and_label(Role::SpinButton, "Shift of B");
    harness.step();
    assert_eq!(harness.state().actions, [CompareAction::PlayPause]);
}

#[test]
fn each_way_to_show_them_is_a_button_and_the_difference_is_computed() {
    let mut harness = bench(&["reference", "changed", "reference"]);
    wait(&mut harness, |comparison| comparison.texture(1).is_some());
    for mode in ["Slider", "Flip", "Difference"] {
        harness.get_by_role_and_label(Role::Button, mode).click();
        harness.step();
        harness.step();
    }
    harness.get_by_role_and_label(Role::ComboBox, "Compared with");
    let request = DifferenceRequest { other: 1, gain: 4 };
    assert_eq!(harness.state().actions, [CompareAction::Subtract(Some(request))]);
    wait(&mut harness, |comparison| comparison.difference().is_some());
    // a clip has no entry in the history, so it cannot be ranked
    harness.get_by_role_and_label(Role::Button, "Rank blind").click();
    harness.step();
    assert_eq!(harness.state().actions.len(), 1);
}

#[test]
fn the_difference_of_the_next_comparison_is_computed_without_a_click() {
    let mut harness = bench(&["reference", "changed", "reference"]);
    harness.state_mut().panel.mode = CompareMode::Difference;
    harness.state_mut().panel.other = 2;
    wait(&mut harness, |comparison| comparison.difference().is_some());
    harness.state_mut().comparison.open(vec![clip("reference"), clip("changed")]);
    wait(&mut harness, |comparison| comparison.difference().is_some());
    let request = DifferenceRequest { other: 1, gain: 4 };
    assert_eq!(harness.state().comparison.subtracted(), Some(request), "there is no third video");
}

#[test]
fn videos_of_different_sizes_are_named_instead_of_subtracted() {
    let mut harness = bench(&["reference"]);
    let other = harness.state().dir.path().join("other.png");
    write_png(&other, &Frame { size: Resolution::new(8, 4), rgb: vec![9; 8 * 4 * 3] }).unwrap();
    harness.state_mut().comparison.open(vec![clip("reference"), other]);
    wait(&mut harness, |comparison| comparison.texture(1).is_some());
    harness.get_by_role_and_label(Role::Button, "Difference").click();
    harness.step();
    harness.step();
    assert!(harness.state().comparison.subtracted().is_some());
    harness.get_by_label("The videos have different sizes");
}

#[test]
fn a_vote_that_waits_for_another_program_does_not_stop_the_window() {
    let mut harness = bench(&[]);
    let items = ["reference", "changed"].map(|name| BlindItem { id: name.to_owned(), path: clip(name) });
    harness.state_mut().comparison.open_blind(items.into());
    wait(&mut harness, |comparison| comparison.texture(1).is_some());
    // as another program holds it while it saves a vote
    let lock = HeldLock::wait(&harness.state().dir.path().join("votes.lock")).unwrap();
    harness.state_mut().comparison.vote(Preference::Left);
    harness.step();
    assert!(harness.state().comparison.videos().is_empty(), "nothing can be preferred twice");
    drop(lock);
    wait(&mut harness, |comparison| comparison.blind().is_some_and(|series| series.num_made() == 1));
    harness.get_by_label("1 pair compared in this session");
    assert_eq!(Votes::load(harness.state().dir.path()).unwrap().all().len(), 1);
}

#[test]
fn a_shift_is_measured_again_with_fewer_frames() {
    let mut harness = bench(&["reference", "reference"]);
    wait(&mut harness, is_measured);
    harness.get_by_label("identical");
    harness.state_mut().comparison.shift(1, 2);
    wait(&mut harness, is_measured);
    harness.get_by_label_contains("Frames compared with reference: 2");
    assert!(harness.query_all_by_label("identical").next().is_none());
    harness.state_mut().comparison.seek(3);
    wait(&mut harness, |comparison| comparison.texture(1).is_none());
    assert_eq!(harness.state().comparison.position(), [3, 4]);
}

#[test]
fn a_file_that_is_no_video_is_reported() {
    let mut harness = bench(&["reference", "missing"]);
    wait(&mut harness, |comparison| comparison.error().is_some());
    harness.get_by_label_contains("neither a video nor a job");
}

#[test]
fn snapshot_of_the_compare_panel() {
    let dir = tempfile::tempdir().unwrap();
    let waker: crate::core::Waker = Arc::new(|| {});
    // textures belong to the window that draws them, and each theme has its own
    let mut shown = None;
    let mut panel = ComparePanel::default();
    crate::app::snapshots::compare("compare", vec2(720.0, 860.0), |ui| {
        let theme = ui.ctx().theme();
        if shown.as_ref().is_none_or(|(of, _)| *of != theme) {
            let mut comparison = Comparison::start(dir.path(), &waker).unwrap();
            comparison.open(vec![clip("reference"), clip("changed")]);
            shown = Some((theme, comparison));
        }
        let (_, comparison) = shown.as_mut().unwrap();
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            comparison.tick(ui.ctx(), Instant::now());
            comparison.seek(0);
            let is_ready = is_measured(comparison) && comparison.texture(1).is_some();
            if is_ready || Instant::now() > deadline {
                break;
            }
            std::thread::park_timeout(Duration::from_millis(2));
        }
        drop(panel.ui(ui, CompareView { comparison }));
    });
}
