//! A video that the command line made is found in the gallery and made again with another seed.

use crate::common;
use crate::window::Window;

#[test]
fn yesterdays_video_is_found_and_remixed() {
    let data_dir = common::fresh_data_dir();
    let make = |prompt: &str| {
        let made = common::program(data_dir.path())
            .args(["generate", prompt, "--model", "toy-t2v-A14B", "--seed", "11", "--steps", "3"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    make("a blue square moves left on a white background");
    make("a red circle moves right on a black background");
    let mut window = Window::open(data_dir.path());
    window.command("Gallery");
    window.wait("both are in the gallery", |window| {
        window.has_button("a blue square moves left on a white background")
            && window.has_button("a red circle moves right on a black background")
    });
    window.search_gallery("square");
    window.wait("only one is left", |window| {
        !window.has_button("a red circle moves right on a black background")
    });
    window.choose("a blue square moves left on a white background", "Remix (all but the seed)");
    window.wait("the prompt is back", |window| window.prompt().contains("blue square"));
    assert_eq!(window.number("Steps"), "3");
    assert_ne!(window.seed(), "11");
    window.click_when_there("Generate");
    window.wait("the job is in the queue", |window| window.jobs().len() == 3);
    window.wait_for_ends(3);
    let again = window.outcome().draft().unwrap();
    assert!(again.prompt.contains("blue square") && again.steps == 3 && again.seed != 11);
}
