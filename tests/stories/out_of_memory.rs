//! The system really refuses memory: the job says so, and its fix is a button that fixes it.

use std::path::Path;
use std::process::Command;

use wandeck::jobs::EndStatus;

use crate::common;
use crate::window::Window;

/// The data folder of the window with little memory; set for the process that runs it.
const DATA_DIR: &str = "WANDECK_STORY_DATA_DIR";
/// What that process prints if it lacked nothing.
const ENOUGH: &str = "there was enough memory";

/// Not a story of its own: the window of [`a_job_without_memory_is_made_with_its_fix`].
#[test]
#[ignore = "runs as a process with little memory"]
fn window_with_little_memory() {
    let data_dir = std::env::var_os(DATA_DIR).unwrap();
    let mut window = Window::open(Path::new(&data_dir));
    window.set_prompt("a red circle");
    for (field, number) in [("Width", "256"), ("Height", "256"), ("Frames", "5"), ("Steps", "2")] {
        window.set_number(field, number);
    }
    window.click_when_there("Generate");
    window.wait_for_ends(1);
    if window.ends() == [EndStatus::Done] {
        println!("{ENOUGH}");
        return;
    }
    assert_eq!(window.ends(), [EndStatus::Failed], "{:?}", window.notifications());
    let failure = window.jobs()[0].ended().unwrap().error.clone().unwrap();
    assert!(failure.message.contains("memory"), "{failure:?}");
    window.wait_for("VAE tile");
    window.click_containing("VAE tile");
    window.wait_for_ends(1);
    window.wait("it is made", |window| window.ends().contains(&EndStatus::Done));
}

#[test]
fn a_job_without_memory_is_made_with_its_fix() {
    let data_dir = common::fresh_data_dir();
    std::fs::write(data_dir.path().join("settings.ron"), "(generation: (retries: 0, preflight: false))")
        .unwrap();
    // how much a decode in one piece needs and one in tiles does not, in KiB of addresses, depends on the machine
    for limit in (450_000..=750_000).rev().step_by(50_000) {
        let run = Command::new("sh")
            .args(["-c", &format!("ulimit -v {limit} && exec \"$@\""), "sh"])
            .arg(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "out_of_memory::window_with_little_memory", "--nocapture"])
            .env(DATA_DIR, data_dir.path())
            .env("MALLOC_ARENA_MAX", "1")
            .output()
            .unwrap();
        let [out, errors] = [&run.stdout, &run.stderr].map(|text| String::from_utf8_lossy(text));
        assert!(run.status.success(), "{limit}: {out}{errors}");
        if !out.contains(ENOUGH) {
            return;
        }
        std::fs::remove_dir_all(data_dir.path().join("queue")).unwrap();
    }
    panic!("no limit was too small for a decode in one piece");
}
