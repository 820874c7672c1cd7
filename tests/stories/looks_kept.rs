//! Theme, layout and form survive a restart, and the window fits screens of every density.

use eframe::egui::accesskit::Role;
use eframe::egui::{Key, Modifiers, vec2};
use wandeck::core::{Frame, Resolution, Utc};
use wandeck::jobs::{EndStatus, HistoryEntry};
use wandeck::library::History;
use wandeck::media::write_png;

use crate::common;
use crate::window::{Screen, Window};

#[test]
fn theme_layout_and_form_survive_a_restart() {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open(data_dir.path());
    assert!(window.is_dark());
    window.command("Light theme");
    window.wait("the theme is light", |window| !window.is_dark());
    window.command("Monitor as one line");
    window.set_prompt("a blue triangle");
    window.set_number("Steps", "7");
    let layout = data_dir.path().join("layout.ron");
    let is_kept =
        |_: &Window| std::fs::read_to_string(&layout).is_ok_and(|text| text.contains("monitor_is_line:true"));
    window.wait("the layout is kept", is_kept);
    window.close();

    let window = Window::open(data_dir.path());
    assert_eq!(window.prompt(), "a blue triangle");
    assert_eq!(window.number("Steps"), "7");
    assert!(is_kept(&window));
    // the harness sets a theme of its own after the window was made, so the file is what can be asked
    window.close();
    let kept = std::fs::read_to_string(data_dir.path().join("window.ron")).unwrap();
    assert!(kept.contains("theme:Light"), "{kept}");
}

#[test]
fn what_is_selected_survives_a_restart() {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open(data_dir.path());
    for prompt in ["a first one", "a second one"] {
        window.add_job(prompt, "2");
    }
    window.wait_for_ends(2);
    window.wait("the gallery has them", |window| window.has_button("a first one"));
    window.click("a first one");
    window.command("Pause or resume the queue");
    for prompt in ["a third one", "a fourth one"] {
        window.add_job(prompt, "2");
    }
    window.click_containing("Job 3, ");
    window.step();
    window.close();

    let mut window = Window::open(data_dir.path());
    window.wait("the gallery has them", |window| window.has_button("a first one"));
    assert!(window.is_selected("a first one") && !window.is_selected("a second one"));
    assert!(window.is_selected("Job 3, ") && !window.is_selected("Job 4, "));
}

/// The first of these buttons that is drawn, and how far down it is.
fn first_shown(window: &Window, mut labels: impl Iterator<Item = String>) -> Option<(String, f32)> {
    let label = labels.find(|label| window.has_button(label))?;
    let top = window.rect_of_button(&label).top();
    Some((label, top))
}

#[test]
fn gallery_and_queue_are_as_far_scrolled_as_before_the_restart() {
    let data_dir = common::fresh_data_dir();
    let (history, _) = History::open(data_dir.path()).unwrap();
    for number in 1..=60 {
        let output = data_dir.path().join(format!("{number}.png"));
        write_png(&output, &Frame { size: Resolution::new(8, 8), rgb: vec![90; 192] }).unwrap();
        let entry = HistoryEntry {
            id: format!("result {number}"),
            job: number,
            prompt: format!("result {number}"),
            ended: Utc(number as i64),
            output: Some(output),
            ..HistoryEntry::default()
        };
        history.record(&entry).unwrap();
    }
    let screen = Screen::default();
    let mut window = Window::open_on(data_dir.path(), &screen);
    window.command("Pause or resume the queue");
    for number in 1..=30 {
        window.add_job(&format!("waiting {number}"), "2");
    }
    window.wait("the gallery has them", |window| window.has_button("result 60"));
    window.scroll_at("result 60", 400.0);
    window.scroll_at("Job 1, queued, waiting 1", 300.0);
    let shown = |window: &Window| {
        let results = (1..=60).rev().map(|number| format!("result {number}"));
        let jobs = (1..=30).map(|number| format!("Job {number}, queued, waiting {number}"));
        [first_shown(window, results), first_shown(window, jobs)]
    };
    let before = shown(&window);
    assert!(!window.has_button("result 60") && !window.has_button("Job 1, queued, waiting 1"), "{before:?}");
    let view = window.view();
    window.close();

    let mut window = Window::open_with_view(data_dir.path(), &screen, &view);
    window.wait("the gallery is as before", |window| shown(window)[0] == before[0]);
    window.wait("the queue is as before", |window| shown(window)[1] == before[1]);
}

#[test]
fn at_twice_the_density_everything_is_within_reach() {
    for points in [vec2(960.0, 540.0), vec2(1024.0, 600.0), vec2(1920.0, 1080.0)] {
        let data_dir = common::fresh_data_dir();
        let mut window = Window::open_on(data_dir.path(), &Screen { points, scale: 2.0 });
        let generate = window.rect_of_button("Generate");
        assert!(generate.max.x <= points.x && generate.max.y <= points.y, "{points:?}: {generate:?}");
        window.click("Generate");
        window.wait_for_ends(1);
        assert_eq!(window.ends(), [EndStatus::Done]);
    }
}

#[test]
fn a_shortcut_of_ones_own_survives_a_restart() {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open(data_dir.path());
    let press = |window: &mut Window| window.press(Modifiers::COMMAND | Modifiers::ALT, Key::F9);
    window.command("Keyboard shortcuts");
    window.click_when_there("Change the shortcut of Undo");
    press(&mut window);
    window.wait("it is changed", |window| window.has_button("Reset the shortcut of Undo"));
    let kept = data_dir.path().join("shortcuts.ron");
    window.wait("the shortcut is kept", |_| {
        std::fs::read_to_string(&kept).is_ok_and(|text| text.contains("F9"))
    });
    window.close();

    let mut window = Window::open(data_dir.path());
    let before = window.number("Steps");
    window.set_number("Steps", "7");
    assert_ne!(window.number("Steps"), before);
    press(&mut window);
    window.wait("the change is taken back", |window| window.number("Steps") == before);
}

#[test]
fn the_rows_of_the_monitor_survive_a_restart() {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open(data_dir.path());
    window.click_when_there("Rows");
    window.wait("the menu", |window| window.has_control(Role::CheckBox, "Page faults"));
    window.control(Role::CheckBox, "Page faults").click();
    window.wait_for("Page faults 0 /s");
    let kept = data_dir.path().join("window.ron");
    window.wait("the rows are kept", |_| {
        std::fs::read_to_string(&kept).is_ok_and(|text| text.contains("page_faults"))
    });
    window.close();
    let mut window = Window::open(data_dir.path());
    window.wait_for("Page faults 0 /s");
}
