//! What another program does on the data folder appears in the window.

use std::path::Path;
use std::sync::Arc;

use wandeck::core::Draft;
use wandeck::jobs::JobSpec;
use wandeck::presets;
use wandeck::queue::{QueueCommand, Scope};
use wandeck::worker::{Worker, WorkerOptions};

use crate::common;
use crate::window::Window;

#[test]
fn its_job_shows_progress_and_preview_and_is_cancelled_from_here() {
    let data_dir = common::fresh_data_dir();
    let options = WorkerOptions {
        faults: "slow@step=300 x400".parse().unwrap(),
        ..WorkerOptions::new("another program", Scope::Everything)
    };
    let other = Worker::start(data_dir.path().into(), options, Arc::new(|| {})).unwrap();
    let mut window = Window::open(data_dir.path());
    let draft =
        Draft { steps: 400, ..presets::by_name("toy-t2v").unwrap().draft("a red circle moves right") };
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B");
    let spec = JobSpec { preview: true, ..JobSpec::new(draft, model, data_dir.path().join("a.mp4")) };
    other.submit(spec).unwrap().recv().unwrap().unwrap();
    // as "high noise 3 of 20"; no job runs in this window
    window.wait("a step of the job", |window| window.shows("high noise ") && window.shows("Ready"));
    window.wait_for("Live preview · job 1");
    other.command(QueueCommand::PauseAll).unwrap();
    window.wait_for("The queue is paused");
    window.wait("the job waits", |window| !window.shows("high noise "));
    other.command(QueueCommand::ResumeAll).unwrap();
    window.wait_for("high noise ");
    window.click_when_there("Cancel job 1");
    window.wait_for_ends(1);
    window.wait("the preview ends", |window| !window.shows("Live preview"));
}
