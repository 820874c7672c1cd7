//! What a sweep costs beside plain jobs, as ratios of their times in one process.
//!
//! `ORT_DISABLE_TELEMETRY=1 cargo bench --bench sweep` measures the toy: six values of the low-noise guidance at the
//! official shift of T2V-A14B (12) beside six plain jobs, and nine seeds beside nine plain jobs.

#![expect(clippy::print_stdout, reason = "it is what it is for")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use wandeck::core::{CancelToken, Draft, Event};
use wandeck::engine::runtime;
use wandeck::jobs::{JobGroup, JobSpec};
use wandeck::presets;
use wandeck::queue::Scope;
use wandeck::worker::{Worker, WorkerOptions};

const ROUNDS: usize = 3;

fn main() -> anyhow::Result<()> {
    let base = Draft { seed: 1, ..presets::by_name("toy-t2v")?.draft("a red circle moves right") };
    let official = Draft { shift: 12.0, guidance: 4.0, ..base.clone() };
    let lows =
        [1.5, 2.0, 2.5, 3.0, 3.5, 4.0].map(|low| Draft { guidance_low: Some(low), ..official.clone() });
    compare("1x6 of low-noise guidance", &lows)?;
    let seeds: Vec<_> = (0..9).map(|seed| Draft { seed, ..base.clone() }).collect();
    compare("9 seeds", &seeds)
}

/// Alternates a sweep and as many plain jobs, and compares their videos.
fn compare(what: &str, drafts: &[Draft]) -> anyhow::Result<()> {
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        let (sweep, of_sweep) = run(drafts, true)?;
        let (plain, of_plain) = run(drafts, false)?;
        ensure!(of_sweep == of_plain, "the videos differ");
        let ratio = sweep.as_secs_f64() / plain.as_secs_f64();
        println!(
            "{what}, round {round}: sweep {sweep:?}, plain jobs {plain:?}, ratio {ratio:.3}, same bytes"
        );
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    println!("{what}: ratio {:.3} (median of {ROUNDS})", ratios[ratios.len() / 2]);
    Ok(())
}

/// Time of the jobs after the runtime is open, and the bytes of their videos.
fn run(drafts: &[Draft], is_sweep: bool) -> anyhow::Result<(Duration, Vec<Vec<u8>>)> {
    let data_dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-data");
    drop(runtime::ensure(&data_dir, &CancelToken::new(), &mut |_| {})?);
    let dir = tempfile::tempdir()?;
    #[cfg(unix)]
    std::os::unix::fs::symlink(data_dir.join("runtime"), dir.path().join("runtime"))?;
    let options = WorkerOptions::new("a bench", Scope::Everything);
    let worker = Worker::start(dir.path().into(), options, Arc::new(|| {}))?;
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B");
    let spec = |index: usize, draft: &Draft| {
        let group = JobGroup { id: "bench".into(), name: "bench".into(), cell: vec![index as u32] };
        let output = dir.path().join(format!("{index}.mp4"));
        JobSpec { group: is_sweep.then_some(group), ..JobSpec::new(draft.clone(), model.clone(), output) }
    };
    // the first job opens the runtime
    let warm = Draft { seed: 99, steps: 1, frames: 5, prompt: "another".into(), ..drafts[0].clone() };
    let began_after = |specs: Vec<JobSpec>| -> anyhow::Result<Duration> {
        let began = Instant::now();
        let mut left = worker.submit_all(specs)?.recv()??.len();
        while left > 0 {
            let (_, event) = worker.events().recv()?;
            if event.is_terminal() {
                ensure!(matches!(event, Event::Finished { .. }), "a job did not finish: {event:?}");
                left -= 1;
            }
        }
        Ok(began.elapsed())
    };
    began_after(vec![JobSpec { group: None, ..spec(1000, &warm) }])?;
    let time = began_after(drafts.iter().enumerate().map(|(index, draft)| spec(index, draft)).collect())?;
    let read = |index: usize| std::fs::read(dir.path().join(format!("{index}.mp4")));
    let videos = (0..drafts.len()).map(read).collect::<Result<_, _>>()?;
    Ok((time, videos))
}
