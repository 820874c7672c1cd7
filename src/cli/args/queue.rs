//! The arguments of `wandeck queue`.

use clap::{Args, Subcommand};

use super::generate::Generate;
use super::value::named;
use crate::core::{Fix, Secs, StepCount};
use crate::jobs::Priority;

#[derive(Debug, Args)]
pub(in crate::cli) struct QueueArgs {
    #[command(subcommand)]
    pub(in crate::cli) verb: QueueVerb,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum QueueVerb {
    /// List jobs: queued in their order, running, paused and ended
    List,
    /// Add a job; takes the options of generate
    Add {
        #[command(flatten)]
        generate: Box<Generate>,
        /// low, normal or urgent; an urgent job interrupts a running one after its current step
        #[arg(long, value_parser = named::<Priority>, default_value = "normal")]
        priority: Priority,
    },
    /// Run queued jobs until none is left
    Run {
        /// Print events as JSON lines on standard output
        #[arg(long, conflicts_with = "json")]
        events: bool,
    },
    /// Cancel a job
    Cancel {
        /// Job number
        job: u64,
    },
    /// Pause a job; a running one stops after its current step and later continues from there
    Pause {
        /// Job number
        job: u64,
        /// Keep the memory of a running job, so that it can continue at once
        #[arg(long)]
        keep_memory: bool,
    },
    /// Resume a paused job
    Resume {
        /// Job number
        job: u64,
    },
    /// Pause the whole queue, until resume-all: no job starts, a running one stops after its current step
    PauseAll,
    /// Resume the whole queue; jobs that were paused one by one stay paused
    ResumeAll,
    /// Move a job before another one, or to the end
    Move {
        /// Job number
        job: u64,
        /// Job to move it before
        #[arg(long, value_name = "JOB")]
        before: Option<u64>,
    },
    /// Change the priority of a job
    Priority {
        /// Job number
        job: u64,
        /// low, normal or urgent
        #[arg(value_parser = named::<Priority>)]
        priority: Priority,
    },
    /// Add a copy of a job at the end
    Duplicate {
        /// Job number
        job: u64,
    },
    /// Change the given options of a queued or paused job and keep the rest
    Edit {
        /// Job number
        job: u64,
        #[command(flatten)]
        generate: Box<Generate>,
    },
    /// Add an ended job again; saved latents are reused where they would be the same
    Retry {
        /// Job number
        job: u64,
        #[command(flatten)]
        changes: Changes,
    },
    /// Remove ended jobs from the list (they stay in the history)
    Clear,
}

/// Changes to a job before it is retried.
#[derive(Debug, Args)]
pub(in crate::cli) struct Changes {
    /// VAE tile size in pixels
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..))]
    vae_tile: Option<u32>,
    /// Denoising steps
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    steps: Option<u32>,
    /// Read the weights from their files instead of copying them
    #[arg(long)]
    weights_in_place: bool,
    /// Run on whichever device is free, and both guidance passes on the same
    #[arg(long)]
    any_device: bool,
    /// Time limit in seconds, 0 for none
    #[arg(long, value_name = "SECS")]
    timeout: Option<u64>,
}

impl Changes {
    pub(in crate::cli) fn all(&self) -> Vec<Fix> {
        let tile = self.vae_tile.map(Fix::VaeTile);
        let steps = self.steps.map(|steps| Fix::Steps(StepCount(steps)));
        let weights = self.weights_in_place.then_some(Fix::WeightsInPlace);
        let limit = |seconds: u64| (seconds > 0).then_some(Secs(seconds as f64));
        let time_limit = self.timeout.map(|seconds| Fix::TimeLimit(limit(seconds)));
        let device = self.any_device.then_some(Fix::AnyDevice);
        tile.into_iter().chain(steps).chain(weights).chain(device).chain(time_limit).collect()
    }
}
