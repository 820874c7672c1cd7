//! Two results are compared: what differs is read, measured and ranked without names.

use std::path::Path;

use wandeck::compare::Votes;

use crate::common;
use crate::window::Window;

const FIRST: &str = "a red circle moves left";
const SECOND: &str = "a blue square moves left";

fn make(data_dir: &Path, prompt: &str, more: &[&str]) {
    let made = common::program(data_dir)
        .args(["generate", prompt, "--model", "toy-t2v-A14B", "--seed", "11", "--frames", "5"])
        .args(more)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn with_two(data_dir: &Path) -> Window {
    make(data_dir, FIRST, &["--steps", "10"]);
    make(data_dir, SECOND, &["--steps", "12", "--step-cache", "0.5"]);
    let mut window = Window::open(data_dir);
    window.command("Gallery");
    window.wait("both are in the gallery", |window| window.has_button(FIRST) && window.has_button(SECOND));
    window.click(FIRST);
    window.add_to_selection(SECOND);
    window
}

#[test]
fn two_results_are_compared_and_only_what_differs_is_listed() {
    let data_dir = common::fresh_data_dir();
    let mut window = with_two(data_dir.path());
    window.choose(FIRST, "Compare videos");
    window.wait_for("SSIMULACRA2");
    for differs in ["Prompt", "Steps", "Step cache", "Skipped steps", "Difference to reference", "Motion"] {
        assert!(window.shows(differs), "{differs}");
    }
    // the name of a row only, unlike that of a field of the form
    assert!(!window.shows("Continues"), "the same in both");
    window.click("Difference");
    window.click("Flip");
    window.click("Slider");
    window.click("Side by side");
    window.click("Pause all");
    window.wait("it is paused", |window| window.has_button("Play all"));
    let shown = (1..=5).find(|number| window.shows(&format!("Frame {number} of 5"))).unwrap();
    window.click("Next frame of all");
    window.wait_for(&format!("Frame {} of 5", shown % 5 + 1));
}

#[test]
fn blind_comparisons_give_a_ranking_that_is_kept() {
    let data_dir = common::fresh_data_dir();
    let mut window = with_two(data_dir.path());
    window.choose(FIRST, "Rank blind");
    for made in 1..=3 {
        window.click_when_there("A is better");
        let plural = if made == 1 { "" } else { "s" };
        window.wait_for(&format!("{made} pair{plural} compared in this session"));
    }
    window.click_when_there("No preference");
    window.wait_for("4 pairs compared in this session");
    assert!(!window.shows("Bradley-Terry"), "the ranking shows names and is folded");
    window.click_label("Ranking (shows the names)");
    window.wait_for("Bradley-Terry points");
    window.close();
    let votes = Votes::load(data_dir.path()).unwrap();
    assert_eq!(votes.all().len(), 4);
    assert!(votes.all()[3].is_tie && !votes.all()[0].is_tie);
}
