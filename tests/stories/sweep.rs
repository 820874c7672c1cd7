//! Sweeps in the window: nine cells survive a kill, the winner becomes a preset, drafts are finished, a sweep is exported.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use eframe::egui::accesskit::Role;
use wandeck::core::Faults;
use wandeck::jobs::{EndStatus, JobState};
use wandeck::queue::Queue;

use crate::common;
use crate::window::{Screen, Window};

/// The data folder of the window that is killed; set for the process that runs it.
const DATA_DIR: &str = "WANDECK_STORY_DATA_DIR";

/// A window in which every cell of the grid is seen without scrolling.
fn tall() -> Screen {
    Screen { points: eframe::egui::vec2(1600.0, 2400.0), scale: 1.0 }
}

/// Types the axes of a new sweep and waits until it can be started.
fn type_axes(window: &mut Window, values: &[&str], cells: usize) {
    window.command("Sweep");
    window.wait_for("New sweep");
    for (number, values) in (1..).zip(values) {
        window.click("Add an axis");
        // the row is drawn above the button
        window.step();
        window.set_text(&format!("Values of axis {number}"), values);
    }
    let start = format!("Start {cells} cells");
    window.wait(&start, |window| window.has_button(&start));
}

fn start(window: &mut Window, values: &[&str], cells: usize) {
    type_axes(window, values, cells);
    window.click(&format!("Start {cells} cells"));
    window.wait("the cells are in the queue", |window| window.jobs().len() >= cells);
}

/// Not a story of its own: the window that [`nine_cells_survive_a_kill_in_the_middle`] kills.
#[test]
#[ignore = "runs as the process that another story kills"]
fn window_that_is_killed() {
    let data_dir = std::env::var_os(DATA_DIR).unwrap();
    let mut window = Window::open(Path::new(&data_dir));
    window.set_number("Steps", "40");
    window.set_number("Frames", "5");
    start(&mut window, &["1, 2, 3", "1, 2, 3"], 9);
    window.rest(100_000);
}

#[test]
fn nine_cells_survive_a_kill_in_the_middle() {
    let data_dir = common::fresh_data_dir();
    let mut killed = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "sweep::window_that_is_killed"])
        .env(DATA_DIR, data_dir.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let num_done = || {
        let videos = std::fs::read_dir(data_dir.path().join("outputs")).into_iter().flatten().flatten();
        let of = |folder: std::fs::DirEntry| std::fs::read_dir(folder.path()).map_or(0, Iterator::count);
        videos.map(of).sum::<usize>()
    };
    let began = Instant::now();
    while num_done() < 3 {
        assert!(began.elapsed() < common::PATIENCE, "three cells are not done");
        assert!(killed.try_wait().unwrap().is_none(), "the window ended by itself");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let queue = Queue::open(data_dir.path(), "a test", &Faults::default()).unwrap();
    let ended = queue.jobs().iter().filter(|job| job.ended().is_some()).count();
    assert!((1..9).contains(&ended), "in the middle: {ended}");
    drop(queue);

    let mut window = Window::open_on(data_dir.path(), &tall());
    window.wait_for_ends(9);
    assert_eq!(window.ends(), [EndStatus::Done; 9]);
    window.command("Sweep");
    window.wait_for("9 of 9 done");
    window.wait_for("guidance_low 3 ");
}

#[test]
fn the_winner_of_a_sweep_becomes_a_preset_and_the_sweep_is_exported() {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open_on(data_dir.path(), &tall());
    window.set_number("Steps", "2");
    window.set_number("Frames", "5");
    start(&mut window, &["7, 8"], 2);
    window.wait_for_ends(2);
    window.wait_for("2 of 2 done");
    window.click_when_there("Save seed 8 as preset");
    window.click_when_there("Save as preset");
    window.wait_for("saved as the preset seed 8");
    window.command("Presets");
    window.wait("the preset", |window| window.has_button("Apply seed 8"));
    window.set_number("Steps", "9");
    window.set_text("Search presets", "seed 8");
    window.click_when_there("Apply seed 8");
    window.wait("its steps", |window| window.number("Steps") == "2");
    window.command("Sweep");
    window.click_when_there("Export sweep");
    window.wait_for("The sweep is exported");
    let outputs = data_dir.path().join("outputs");
    let folders = std::fs::read_dir(outputs).unwrap().map(|entry| entry.unwrap().path());
    let page = folders.map(|folder| folder.join("index.html")).find(|page| page.is_file()).unwrap();
    let html = std::fs::read_to_string(&page).unwrap();
    let videos: Vec<_> =
        html.split("<video src=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(videos.len(), 2);
    assert!(videos.iter().all(|video| page.with_file_name(video).is_file()), "{videos:?}");
}

#[test]
fn six_drafts_are_made_and_two_finished() {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open_on(data_dir.path(), &tall());
    window.set_number("Steps", "4");
    window.set_number("Frames", "5");
    window.command("Sweep");
    window.wait_for("New sweep");
    window.control(Role::CheckBox, "Drafts only").click();
    window.step();
    start(&mut window, &["1, .., 6"], 6);
    let is_paused = |window: &Window| window.jobs().iter().all(|job| job.state == JobState::Paused);
    window.wait("all drafts pause", is_paused);
    for seed in [2, 5] {
        let label = format!("Choose seed {seed}");
        window.wait(&label, |window| window.shows(&label));
        window.control(Role::CheckBox, &label).click();
        window.step();
    }
    window.click_when_there("Finish 2 drafts");
    window.wait_for_ends(6);
    let done: Vec<_> =
        window.jobs().iter().filter(|job| job.ended().unwrap().status == EndStatus::Done).collect();
    assert_eq!(done.iter().map(|job| job.spec.draft.seed).collect::<Vec<_>>(), [2, 5]);
    assert_eq!(done[0].ended().unwrap().steps.len(), 3, "the draft's step is not computed again");
}

#[test]
fn the_drafts_preview_is_seen_after_a_restart() {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open_on(data_dir.path(), &tall());
    window.set_number("Steps", "4");
    window.set_number("Frames", "5");
    window.command("Sweep");
    window.wait_for("New sweep");
    window.control(Role::CheckBox, "Drafts only").click();
    window.step();
    start(&mut window, &["1, 2"], 2);
    let is_paused = |window: &Window| window.jobs().iter().all(|job| job.state == JobState::Paused);
    window.wait("both drafts pause", is_paused);
    drop(window);
    let mut window = Window::open_on(data_dir.path(), &tall());
    window.command("Sweep");
    window.wait_for("Choose seed 2");
    let without = "Preview of seed 1";
    window.wait("the previews of both drafts", |window| {
        window.shows(without) && window.shows("Preview of seed 2")
    });
    // nothing was computed for that
    assert!(window.jobs().iter().all(|job| job.state == JobState::Paused));
}

#[test]
fn a_search_started_in_the_window_is_continued_after_a_restart() {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open_on(data_dir.path(), &tall());
    window.set_number("Steps", "30");
    window.set_number("Frames", "5");
    window.command("Sweep");
    window.wait_for("New sweep");
    window.control(Role::ComboBox, "Which cells").click();
    window.wait_for("Search: fastest");
    window.click_label("Search: fastest");
    window.set_number("Trials", "4");
    window.set_number("At least", "0");
    window.click("Add an axis");
    window.step();
    window.set_text("Values of axis 1", "1, 2, 3, 4, 5, 6");
    // planned and estimated, so that it can be started
    window.wait_for(" on disk");
    window.click("Start search");
    window.wait("the reference and a trial are done", |window| {
        window.jobs().iter().filter(|job| job.ended().is_some()).count() >= 2
    });
    drop(window);
    let mut window = Window::open_on(data_dir.path(), &tall());
    window.wait_for_ends(5);
    assert_eq!(window.ends(), [EndStatus::Done; 5]);
    let seeds: std::collections::BTreeSet<_> =
        window.jobs().iter().skip(1).map(|job| job.spec.draft.seed).collect();
    assert_eq!(seeds.len(), 4, "no trial runs twice");
    window.command("Sweep");
    window.wait_for("The search has ended: all its trials are done");
    window.wait_for("Best: trial ");
    window.wait_for("Importance");
}
