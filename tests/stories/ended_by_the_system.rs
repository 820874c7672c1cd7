//! The system ends the program, as at a shutdown: what was typed a moment before is there again.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::common;
use crate::window::Window;

/// The data folder of the window that is ended; set for the process that runs it.
const DATA_DIR: &str = "WANDECK_ENDED_DATA_DIR";
/// The file that says that the window was changed.
const CHANGED: &str = "changed";

/// Not a story of its own: the window that [`a_change_of_the_last_moment_is_saved_and_a_job_goes_on`] ends.
#[test]
#[ignore = "runs as the process that another story ends"]
fn window_that_is_ended() {
    let data_dir = std::env::var_os(DATA_DIR).unwrap();
    let data_dir = Path::new(&data_dir);
    let mut window = Window::open(data_dir);
    window.close_on_signals();
    window.add_job("a long one", "1000");
    window.wait_for("Running job 1 · high noise ");
    window.set_prompt("typed at the last moment");
    std::fs::write(data_dir.join(CHANGED), "").unwrap();
    // nobody is asked what should become of the job
    window.wait("the window closes", Window::closes);
    assert!(!window.shows("Job 1 is running"));
    window.close();
}

#[test]
fn a_change_of_the_last_moment_is_saved_and_a_job_goes_on() {
    for signal in ["-TERM", "-HUP", "-INT"] {
        let data_dir = common::fresh_data_dir();
        let program = std::env::current_exe().unwrap();
        let mut ended = common::with_signals_as_in_a_terminal(&program)
            .args(["--ignored", "--exact", "ended_by_the_system::window_that_is_ended"])
            .env(DATA_DIR, data_dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        while !data_dir.path().join(CHANGED).exists() {
            assert!(ended.try_wait().unwrap().is_none(), "the window ended by itself");
            std::thread::park_timeout(Duration::from_millis(2));
        }
        // twice in a moment, as by timeout and by a terminal that is closed
        let id = ended.id().to_string();
        assert!(Command::new("kill").args([signal, &id, &id]).status().unwrap().success());
        let ended = ended.wait_with_output().unwrap();
        assert!(ended.status.success(), "{signal} {ended:?}");
        let mut window = Window::open(data_dir.path());
        assert_eq!(window.prompt(), "typed at the last moment", "{signal}");
        // from the step at which it stopped
        window.wait_for("Running job 1");
        window.click_when_there("Cancel job 1");
        window.wait_for_ends(1);
    }
}
