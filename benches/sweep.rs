//! What a sweep costs beside plain jobs, as ratios of their times in one process.
//!
//! `ORT_DISABLE_TELEMETRY=1 cargo bench --bench sweep` measures the toy. Cells that differ in the low-noise guidance share
//! the steps of the high-noise expert and nothing else, so the ratio cannot fall below the part of a job that the other
//! stages take: with six cells `1 - 5/6 * high`. That part follows from the number of steps and from the decode. The
//! six values run with the official schedule of T2V-A14B (40 steps, shift 12), and once more with the 20 steps of the
//! toy's preset, where the decode of a toy video is a third of the job. Nine seeds share no step.

#![expect(clippy::print_stdout, reason = "it is what it is for")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use wandeck::core::{CancelToken, Draft, Event, Outcome, Stage};
use wandeck::engine::runtime;
use wandeck::jobs::{JobGroup, JobSpec};
use wandeck::presets;
use wandeck::queue::Scope;
use wandeck::worker::{Worker, WorkerOptions};

const ROUNDS: usize = 3;

fn main() -> anyhow::Result<()> {
    let base = Draft { seed: 1, ..presets::by_name("toy-t2v")?.draft("a red circle moves right") };
    for steps in [40, 20] {
        let lows = [1.5, 2.0, 2.5, 3.0, 3.5, 4.0].map(|low| Draft {
            steps,
            shift: 12.0,
            guidance: 4.0,
            guidance_low: Some(low),
            ..base.clone()
        });
        compare(&format!("1x6 of low-noise guidance, {steps} steps"), &lows)?;
    }
    let seeds: Vec<_> = (0..9).map(|seed| Draft { seed, ..base.clone() }).collect();
    compare("9 seeds", &seeds)
}

/// Alternates a sweep and as many plain jobs, and compares their videos.
fn compare(what: &str, drafts: &[Draft]) -> anyhow::Result<()> {
    let mut fastest: Option<[Measured; 2]> = None;
    for round in 0..ROUNDS {
        let sweep = run(drafts, true)?;
        let plain = run(drafts, false)?;
        ensure!(sweep.videos == plain.videos, "the videos differ");
        let ratio = sweep.time.as_secs_f64() / plain.time.as_secs_f64();
        println!(
            "{what}, round {round}: sweep {:?}, plain jobs {:?}, ratio {ratio:.3}, same bytes",
            sweep.time, plain.time
        );
        fastest = Some(match fastest {
            Some([a, b]) => [a.or_faster(sweep), b.or_faster(plain)],
            None => [sweep, plain],
        });
    }
    let Some([sweep, plain]) = fastest else { return Ok(()) };
    for (name, jobs) in [("sweep", &sweep), ("plain", &plain)] {
        println!("    fastest {name}: {}", jobs.stage_words());
    }
    let ratio = sweep.time.as_secs_f64() / plain.time.as_secs_f64();
    println!("{what}: ratio {ratio:.3} of the fastest rounds");
    if drafts.iter().all(|draft| draft.seed == drafts[0].seed) {
        // the first cell runs the steps of the high-noise expert for all of them
        let shared = plain.seconds_in(Stage::DenoiseHigh) * (1.0 - 1.0 / drafts.len() as f64);
        let least = 1.0 - shared / plain.time.as_secs_f64();
        println!("{what}: {least:.3} is the least that sharing the high-noise steps allows");
    }
    Ok(())
}

/// What some jobs took and made.
struct Measured {
    /// Time of all jobs after the runtime is open.
    time: Duration,
    /// Seconds in each stage, all jobs together.
    stages: Vec<(Stage, f64)>,
    /// The bytes of the videos.
    videos: Vec<Vec<u8>>,
}

impl Measured {
    fn or_faster(self, other: Self) -> Self {
        if other.time < self.time { other } else { self }
    }

    fn seconds_in(&self, wanted: Stage) -> f64 {
        self.stages.iter().filter(|(stage, _)| *stage == wanted).map(|(_, seconds)| seconds).sum()
    }

    fn stage_words(&self) -> String {
        let whole = self.time.as_secs_f64();
        let words = self
            .stages
            .iter()
            .map(|(stage, seconds)| format!("{stage} {seconds:.2} s ({:.0} %)", 100.0 * seconds / whole));
        words.collect::<Vec<_>>().join(", ")
    }

    fn add_stages(&mut self, outcome: &Outcome) {
        for time in &outcome.stages {
            match self.stages.iter_mut().find(|(stage, _)| *stage == time.name) {
                Some((_, seconds)) => *seconds += time.seconds.0,
                None => self.stages.push((time.name, time.seconds.0)),
            }
        }
    }
}

/// Runs the jobs of `drafts` as the cells of a sweep or as plain jobs.
fn run(drafts: &[Draft], is_sweep: bool) -> anyhow::Result<Measured> {
    let data_dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-data");
    drop(runtime::ensure(&data_dir, &CancelToken::new(), &mut |_| {})?);
    let dir = tempfile::tempdir()?;
    #[cfg(unix)]
    std::os::unix::fs::symlink(data_dir.join("runtime"), dir.path().join("runtime"))?;
    let options = WorkerOptions::new("a bench", Scope::Everything);
    let worker = Worker::start(dir.path().into(), options, Arc::new(|| {}))?;
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B");
    let spec = |index: usize, draft: &Draft| {
        let group = JobGroup {
            id: "bench".into(),
            name: "bench".into(),
            cell: vec![index as u32],
            is_timed: false,
            boundaries: Vec::new(),
        };
        let output = dir.path().join(format!("{index}.mp4"));
        JobSpec { group: is_sweep.then_some(group), ..JobSpec::new(draft.clone(), model.clone(), output) }
    };
    // the first job opens the runtime
    let warm = Draft { seed: 99, steps: 1, frames: 5, prompt: "another".into(), ..drafts[0].clone() };
    let measure = |specs: Vec<JobSpec>| -> anyhow::Result<Measured> {
        let began = Instant::now();
        let mut left = worker.submit_all(specs)?.recv()??.len();
        let mut measured = Measured { time: Duration::ZERO, stages: Vec::new(), videos: Vec::new() };
        while left > 0 {
            let (_, event) = worker.events().recv()?;
            if let Event::Finished { outcome } = &event {
                measured.add_stages(outcome);
            }
            if event.is_terminal() {
                ensure!(matches!(event, Event::Finished { .. }), "a job did not finish: {event:?}");
                left -= 1;
            }
        }
        Ok(Measured { time: began.elapsed(), ..measured })
    };
    measure(vec![JobSpec { group: None, ..spec(1000, &warm) }])?;
    let measured = measure(drafts.iter().enumerate().map(|(index, draft)| spec(index, draft)).collect())?;
    let read = |index: usize| std::fs::read(dir.path().join(format!("{index}.mp4")));
    let videos = (0..drafts.len()).map(read).collect::<Result<_, _>>()?;
    Ok(Measured { videos, ..measured })
}
