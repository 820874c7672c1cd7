//! What it saves that sessions stay loaded between jobs: the second of two jobs beside the first, in one worker.
//!
//! `ORT_DISABLE_TELEMETRY=1 cargo bench --bench resident` measures the toy. With `WANDECK_BENCH_MODEL` it measures the
//! model in that folder, for instance one of `wandeck models synth DIR --like ti2v-5B --layers 2`.

#![expect(clippy::print_stdout, reason = "it is what it is for")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use wandeck::core::{CancelToken, Draft, Event, Outcome, Resolution};
use wandeck::engine::runtime;
use wandeck::jobs::JobSpec;
use wandeck::presets;
use wandeck::queue::Scope;
use wandeck::worker::{Worker, WorkerOptions};

/// Environment variable with the folder of the model.
const MODEL: &str = "WANDECK_BENCH_MODEL";
const ROUNDS: usize = 5;

fn main() -> anyhow::Result<()> {
    let data_dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-data");
    drop(runtime::ensure(&data_dir, &CancelToken::new(), &mut |_| {})?);
    let own = std::env::var_os(MODEL).map(PathBuf::from);
    let toy = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B");
    let preset = if own.is_some() { "ti2v-5B" } else { "toy-t2v" };
    let model = own.unwrap_or(toy);
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        let dir = tempfile::tempdir()?;
        #[cfg(unix)]
        std::os::unix::fs::symlink(data_dir.join("runtime"), dir.path().join("runtime"))?;
        let options = WorkerOptions::new("a bench", Scope::Everything);
        let worker = Worker::start(dir.path().into(), options, Arc::new(|| {}))?;
        for (at, prompt) in ["a red circle moves right", "a blue square moves left"].into_iter().enumerate() {
            let draft = Draft {
                seed: 1,
                size: Resolution::new(64, 64),
                frames: 5,
                steps: 2,
                ..presets::by_name(preset)?.draft(prompt)
            };
            let job = JobSpec::new(draft, model.clone(), dir.path().join(format!("{at}.mp4")));
            let (time, outcome) = timed(&worker, job)?;
            println!(
                "round {round}, job {}: {time:?}, {} sessions loaded, peak {:.0} MiB",
                at + 1,
                outcome.sessions_loaded.unwrap_or_default(),
                outcome.peak_rss_mb.unwrap_or_default()
            );
            times[at].push(time);
        }
    }
    let [first, second] = times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    });
    let ratio = second.as_secs_f64() / first.as_secs_f64();
    println!("first job {first:?}, second job {second:?}, ratio {ratio:.2} (medians of {ROUNDS})");
    Ok(())
}

fn timed(worker: &Worker, job: JobSpec) -> anyhow::Result<(Duration, Outcome)> {
    let began = Instant::now();
    worker.submit(job)?.recv()??;
    loop {
        let (_, event) = worker.events().recv()?;
        if let Event::Finished { outcome } = event {
            return Ok((began.elapsed(), *outcome));
        }
        ensure!(!event.is_terminal(), "The job did not finish: {event:?}");
    }
}
