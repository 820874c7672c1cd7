//! What the history is asked, over ten thousand tasks.
//!
//!     cargo bench --bench history

#![expect(clippy::expect_used, reason = "a bench that cannot go on should stop")]

use std::path::Path;
use std::sync::LazyLock;

use divan::Bencher;
use serde_json::json;
use tempfile::TempDir;
use wandeck::core::{Error, Kind, Mode, Secs, Stage, StageTime, Utc};
use wandeck::jobs::{EndStatus, FailureRecord, HistoryEntry};
use wandeck::library::{History, SimilarRuns};

const TASKS: i64 = 10_000;
/// Tasks end a minute apart.
const MINUTE: i64 = 60;

static FULL: LazyLock<TempDir> = LazyLock::new(|| {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let history = open(dir.path());
    history.rebuild((0..TASKS).map(task)).expect("the tasks are written");
    dir
});

fn main() {
    LazyLock::force(&FULL);
    divan::main();
}

fn open(dir: &Path) -> History {
    History::open(dir).expect("the history opens").0
}

/// A task as the program writes it, every tenth failed; four models.
fn task(index: i64) -> HistoryEntry {
    let failed = index % 10 == 9;
    let stage = |name| StageTime { name, seconds: Secs(1.25) };
    let error = Error::new(Kind::OutOfMemory, "The decoder needs 9.1 GiB, 7.9 GiB are free");
    HistoryEntry {
        id: format!("{index:x}-0123456789abcdef"),
        job: index as u64,
        status: if failed { EndStatus::Failed } else { EndStatus::Done },
        created: Utc(index * MINUTE),
        started: Some(Utc(index * MINUTE)),
        ended: Utc(index * MINUTE),
        prompt: "a red circle moves right on a black background, cinematic, detailed, slow".repeat(4),
        mode: Some(Mode::T2V),
        model: "t2v-A14B".to_owned(),
        model_fingerprint: Some(format!("{:064}", index % 4)),
        request: json!({
            "prompt": "a red circle moves right on a black background, cinematic, detailed, slow".repeat(4),
            "negative_prompt": "overexposed, static, blurred, subtitles, painting, still, grey, worst quality".repeat(4),
            "model": "t2v-A14B", "mode": "t2v", "seed": index, "steps": 40, "guidance": 4.0, "guidance_low": 3.0,
            "shift": 12.0, "sampler": "unipc", "size": {"width": 1280, "height": 720}, "frames": 81, "fps": 16,
            "provider": "auto", "precision": "auto", "loras": [], "weights": "auto",
        }),
        output: (!failed).then(|| format!("/home/someone/.local/share/wandeck/outputs/{index}.mp4").into()),
        error: failed.then(|| FailureRecord::from(&error)),
        generation_time_s: (!failed).then_some(Secs(12.5)),
        stages: [
            Stage::Preflight,
            Stage::Prepare,
            Stage::Text,
            Stage::DenoiseHigh,
            Stage::DenoiseLow,
            Stage::Decode,
        ]
        .map(stage)
        .to_vec(),
        steps: vec![Secs(12.345_678_9); 40],
        peak_rss_mb: Some(30_000.5),
        provider: Some("cpu".to_owned()),
        precision: Some("fp32".to_owned()),
        ..HistoryEntry::default()
    }
}

#[divan::bench]
fn opening() -> History {
    open(FULL.path())
}

#[divan::bench]
fn recording(bencher: Bencher<'_, '_>) {
    let history = open(FULL.path());
    let again = task(5000);
    bencher.bench_local(|| history.record(&again).expect("the task is written"));
}

#[divan::bench]
fn the_last_20(bencher: Bencher<'_, '_>) {
    let history = open(FULL.path());
    bencher.bench_local(|| history.recent(20));
}

#[divan::bench]
fn the_last_20_like_one(bencher: Bencher<'_, '_>) {
    let history = open(FULL.path());
    let fingerprint = format!("{:064}", 2);
    let like =
        SimilarRuns { model_fingerprint: &fingerprint, mode: Mode::T2V, provider: "cpu", precision: "fp32" };
    bencher.bench_local(|| history.like_runs(&like, 20));
}

#[divan::bench]
fn counting_all(bencher: Bencher<'_, '_>) {
    let history = open(FULL.path());
    bencher.bench_local(|| history.counts(Utc(0)));
}

/// A day has 1440 of them here, all have 10,000.
#[divan::bench(args = [1440, TASKS])]
fn since(bencher: Bencher<'_, '_>, tasks: i64) {
    let history = open(FULL.path());
    bencher.bench_local(|| history.since(Utc((TASKS - tasks) * MINUTE)));
}

#[divan::bench]
fn analysing_all(bencher: Bencher<'_, '_>) {
    let history = open(FULL.path());
    bencher.bench_local(|| history.analysis(Utc(0)));
}

#[divan::bench(sample_count = 5)]
fn checking_every_page(bencher: Bencher<'_, '_>) {
    let history = open(FULL.path());
    bencher.bench_local(|| history.problems());
}
