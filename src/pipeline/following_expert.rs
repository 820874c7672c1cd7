//! Gets the low-noise expert ready during the last steps of the high-noise expert.

use std::time::{Duration, Instant};

use super::context::RunContext;
use super::memory_plan::{ComponentId, MemoryPlan};
use super::networks::{Networks, Prefetch, PrefetchPlan};
use crate::core::{Bytes, Expert};

/// Weights that are read and packed in a second, at least: 0.55 GB were measured, and the steps compute beside.
const PACKED_PER_SECOND: Bytes = Bytes(256 << 20);

/// The low-noise expert while the high-noise expert computes.
pub(super) struct FollowingExpert<'a> {
    networks: &'a Networks<'a>,
    /// How long its session takes to be made, at most.
    needed: Duration,
    /// When the last step began.
    last: Option<Instant>,
    is_started: bool,
    reading: Option<Prefetch>,
}

impl<'a> FollowingExpert<'a> {
    /// The expert of `networks` that takes over after this one.
    pub(super) fn new(networks: &'a Networks<'a>, memory: &MemoryPlan) -> Self {
        let weights = memory.of(ComponentId::Transformer2).weights;
        let needed = Duration::from_secs_f64(weights.0 as f64 / PACKED_PER_SECOND.0 as f64);
        Self { networks, needed, last: None, is_started: false, reading: None }
    }

    /// Starts before the first of the `left` steps if they take no longer than it, at the latest before the last.
    pub(super) fn before_step(&mut self, left: usize, context: &mut RunContext<'_>) {
        let step = self.last.replace(Instant::now()).map(|last| last.elapsed());
        let is_time = left == 1 || step.is_some_and(|step| step * left as u32 <= self.needed);
        if self.is_started || !is_time {
            return;
        }
        self.is_started = true;
        let other = ComponentId::Transformer;
        let prefetch = self.networks.prefetch(Expert::Low, Some(other), context);
        self.reading = prefetch.and_then(PrefetchPlan::start);
        self.networks.make_ahead(Expert::Low, &[other], "during the last steps before it", context);
    }

    /// Its weights go on being read in advance until the result is dropped.
    pub(super) fn into_prefetch(self) -> Option<Prefetch> {
        self.reading
    }
}
