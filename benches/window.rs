//! What the window costs: a frame of its thread while a job runs, and start, memory and rest of the whole program.
//!
//!     cargo bench --bench window
//!
//! The data folder has 10,000 ended jobs, 2,000 of them with a video. A frame is layout and tessellation of the whole
//! window at 1600x1000 with gallery, plots and queue open; painting is the renderer's. The whole program is started
//! only where a display is set, for instance under `xvfb-run -a`, with the glow renderer.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on should stop")]
#![expect(clippy::print_stdout, reason = "it is what it is for")]
#![cfg(unix)]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use eframe::egui::accesskit::Role;
use eframe::egui::{Event, Key, Modifiers, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use tempfile::TempDir;
use wandeck::app::App;
use wandeck::core::{CancelToken, Draft, Mode, Resolution, Secs, Utc};
use wandeck::engine::runtime;
use wandeck::jobs::{EndStatus, HistoryEntry, JobSpec};
use wandeck::library::History;
use wandeck::presets;
use wandeck::queue::Scope;
use wandeck::worker::{Worker, WorkerOptions};

const ENDED: i64 = 10_000;
const WITH_VIDEO: i64 = 2_000;
/// Frames that are measured.
const FRAMES: usize = 600;
/// How long the idle program is watched.
const REST: Duration = Duration::from_secs(5);
/// After this time without a movement of the pointer the plots stand still.
const UNWATCHED: Duration = Duration::from_secs(65);

fn main() {
    let dir = data_folder();
    let bare = TempDir::new().unwrap();
    link_runtime(bare.path());
    frames("nothing runs, empty data folder", bare.path(), false);
    frames("nothing runs, 10,000 ended jobs", dir.path(), false);
    frames("a job runs, 10,000 ended jobs", dir.path(), true);
    if std::env::var_os("DISPLAY").is_some() || std::env::var_os("WAYLAND_DISPLAY").is_some() {
        for round in 1..=3 {
            whole_program(round, dir.path());
        }
    } else {
        println!("the whole program is not started: no display");
    }
}

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
}

fn link_runtime(dir: &Path) {
    let data_dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-data");
    drop(runtime::ensure(&data_dir, &CancelToken::new(), &mut |_| {}).unwrap());
    std::os::unix::fs::symlink(data_dir.join("runtime"), dir.join("runtime")).unwrap();
}

/// A data folder with [`ENDED`] jobs in its history, of which the last [`WITH_VIDEO`] have a real video.
fn data_folder() -> TempDir {
    let dir = TempDir::new().unwrap();
    link_runtime(dir.path());
    let outputs = dir.path().join("outputs");
    fs::create_dir(&outputs).unwrap();
    let made = outputs.join("made.mp4");
    make(dir.path(), &made);
    let (history, _) = History::open(dir.path()).unwrap();
    let template = history.recent(1).unwrap().remove(0);
    let entry = |index: i64| {
        let output = (index >= ENDED - WITH_VIDEO).then(|| outputs.join(format!("{index}.mp4")));
        if let Some(output) = &output {
            fs::hard_link(&made, output).unwrap();
        }
        HistoryEntry {
            id: format!("{index:x}-0123456789abcdef"),
            job: index as u64 + 2,
            status: if output.is_some() { EndStatus::Done } else { EndStatus::Cancelled },
            created: Utc(template.created.0 - (ENDED - index) * 60),
            ended: Utc(template.ended.0 - (ENDED - index) * 60),
            prompt: format!(
                "number {index}: a red circle moves right on a black background, slow, cinematic"
            ),
            mode: Some(Mode::T2V),
            generation_time_s: Some(Secs(1.5)),
            output,
            ..template.clone()
        }
    };
    history.rebuild((0..ENDED).map(entry)).unwrap();
    dir
}

/// Makes one small video.
fn make(data_dir: &Path, output: &Path) {
    let options = WorkerOptions::new("a bench", Scope::Everything);
    let worker = Worker::start(data_dir.into(), options, Arc::new(|| {})).unwrap();
    let draft = Draft {
        size: Resolution::new(64, 64),
        frames: 5,
        steps: 2,
        ..presets::by_name("toy-t2v").unwrap().draft("a red circle moves right")
    };
    worker
        .submit(JobSpec::new(draft, models().join("toy-t2v-A14B"), output.into()))
        .unwrap()
        .recv()
        .unwrap()
        .unwrap();
    while !worker.events().recv().unwrap().1.is_terminal() {}
}

/// Draws frames and prints how long the window's thread took for them.
fn frames(what: &str, data_dir: &Path, runs: bool) {
    let data_dir = data_dir.to_path_buf();
    let began = Instant::now();
    let mut harness = Harness::builder()
        .with_size(vec2(1600.0, 1000.0))
        .build_eframe(move |cc| App::new(&cc.egui_ctx, data_dir, Some(models())).unwrap());
    let opened = began.elapsed();
    while harness.query_all_by_label_contains("Looking for models").next().is_some() {
        harness.step();
    }
    if runs {
        harness.get_by_role_and_label(Role::SpinButton, "Steps").focus();
        harness.step();
        harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
        harness.event(Event::Text("1000".to_owned()));
        harness.key_press(Key::Enter);
        harness.step();
        harness.key_press_modifiers(Modifiers::COMMAND, Key::Enter);
        while harness.query_all_by_label_contains("Running job").next().is_none() {
            harness.step();
        }
    }
    let mut times = Vec::new();
    for index in 0..FRAMES {
        // something moves: the gallery scrolls, the pointer wanders over the plots
        let at = eframe::egui::pos2(500.0 + (index % 300) as f32, 300.0 + (index % 600) as f32);
        harness.hover_at(at);
        let began = Instant::now();
        harness.step();
        let shapes = harness.output().shapes.clone();
        let meshes = harness.ctx.tessellate(shapes, 1.0);
        times.push(began.elapsed());
        assert!(!meshes.is_empty(), "a frame shows something");
        std::thread::park_timeout(Duration::from_millis(8));
    }
    if runs {
        harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::ALT, Key::Enter);
        harness.step();
    }
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "{what}: opened in {opened:?}; a frame p50 {:?}, p90 {:?}, p99 {:?}, longest {:?}",
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0)
    );
}

/// Starts the program with its window: time to the first frame, then memory and processor time at rest.
fn whole_program(round: usize, data_dir: &Path) {
    let began = Instant::now();
    let mut program = Command::new(env!("CARGO_BIN_EXE_wandeck"))
        .args(["-v", "--renderer", "glow", "--data-dir"])
        .arg(data_dir)
        .arg("--models-dir")
        .arg(models())
        .env_remove("RUST_LOG")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.is_ok_and(|line| line.contains("The first frame"))), "the window opens");
    let shown = began.elapsed();
    let reader = std::thread::Builder::new().spawn(move || lines.for_each(drop)).unwrap();
    std::thread::park_timeout(UNWATCHED);
    let before = processor_ticks(program.id());
    std::thread::park_timeout(REST);
    let ticks = processor_ticks(program.id()) - before;
    let status = fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap();
    let memory = status.lines().find(|line| line.starts_with("VmRSS")).unwrap().to_owned();
    program.kill().unwrap();
    program.wait().unwrap();
    reader.join().unwrap();
    println!(
        "program {round}: first frame after {shown:?}; at rest {ticks} ticks of 10 ms in {REST:?}, {memory}"
    );
}

/// Processor time of a process so far, user and system.
fn processor_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(')').unwrap();
    rest.split_whitespace().skip(11).take(2).map(|text| text.parse::<u64>().unwrap()).sum()
}
