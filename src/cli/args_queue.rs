//! What can be written after `wandeck queue`.

use clap::{Args, Subcommand};

use super::args::{Generate, named};
use crate::core::{Fix, StepCount};
use crate::jobs::Priority;

#[derive(Debug, Args)]
pub(super) struct QueueArgs {
    #[command(subcommand)]
    pub(super) verb: QueueVerb,
}

#[derive(Debug, Subcommand)]
pub(super) enum QueueVerb {
    /// Every job: what waits in its order, what runs, what ended
    List,
    /// Let a job wait for its turn; takes the options of generate
    Add {
        #[command(flatten)]
        generate: Box<Generate>,
        /// low, normal or urgent; an urgent job makes others leave after their current step
        #[arg(long, value_parser = named::<Priority>, default_value = "normal")]
        priority: Priority,
    },
    /// Work on the queue until nothing waits
    Run {
        /// What happens, as JSON lines on standard output
        #[arg(long, conflicts_with = "json")]
        events: bool,
    },
    /// Stop a job for good
    Cancel {
        /// Its number
        job: u64,
    },
    /// Keep a job from running, or let it stop after its step; it goes on from there
    Pause {
        /// Its number
        job: u64,
        /// Only wait, so that it can go on at once
        #[arg(long)]
        keep_memory: bool,
    },
    /// Let a paused job go on
    Resume {
        /// Its number
        job: u64,
    },
    /// Put a job before another one, or at the end
    Move {
        /// Its number
        job: u64,
        /// The job that comes right after it
        #[arg(long, value_name = "JOB")]
        before: Option<u64>,
    },
    /// Let a job come before others
    Priority {
        /// Its number
        job: u64,
        /// low, normal or urgent
        #[arg(value_parser = named::<Priority>)]
        priority: Priority,
    },
    /// The same job again, at the end
    Duplicate {
        /// Its number
        job: u64,
    },
    /// Another form for a job that waits; takes the options of generate
    Edit {
        /// Its number
        job: u64,
        #[command(flatten)]
        generate: Box<Generate>,
    },
    /// An ended job again; latents that are there and would be the same are not denoised again
    Retry {
        /// Its number
        job: u64,
        #[command(flatten)]
        changes: Changes,
    },
    /// Take ended jobs out of sight; the history keeps them
    Clear,
}

/// What is changed before a job is tried again.
#[derive(Debug, Args)]
pub(super) struct Changes {
    /// Decode in tiles with this edge in pixels
    #[arg(long, value_name = "PIXELS")]
    vae_tile: Option<u32>,
    /// Denoising steps
    #[arg(long, value_name = "N")]
    steps: Option<u32>,
    /// Read the weights from their files in place
    #[arg(long)]
    weights_in_place: bool,
}

impl Changes {
    pub(super) fn all(&self) -> Vec<Fix> {
        let tile = self.vae_tile.map(Fix::VaeTile);
        let steps = self.steps.map(|steps| Fix::Steps(StepCount(steps)));
        let weights = self.weights_in_place.then_some(Fix::WeightsInPlace);
        tile.into_iter().chain(steps).chain(weights).collect()
    }
}
