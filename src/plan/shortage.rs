//! Why no attempt at a job can succeed with the memory that is free now.

use std::path::Path;

use super::memory_sample::MemorySample;
use super::run_limits::RunLimits;
use crate::core::{DeviceId, Error, GenRequest};
use crate::engine::Runtime;
use crate::jobs::JobSpec;
use crate::monitor::{CardHolder, card_holders, free_card_memory};
use crate::pipeline::ComputePlan;
use crate::preflight::MemoryShortage;

/// Most programs that are named.
const MAX_NAMED: usize = 3;

/// A job that cannot fit into the memory that is free now, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JobShortage {
    device: DeviceId,
    memory: MemoryShortage,
}

impl JobShortage {
    /// `error`, with why no further attempt is made and what would help.
    pub(crate) fn explain(&self, error: Error) -> Error {
        error.remedy(self.sentence(&card_holders(&self.device)))
    }

    fn sentence(&self, holders: &[CardHolder]) -> String {
        let MemoryShortage { needed, free, total } = self.memory;
        let (of_what, of_total) = match total {
            Some(total) => ("GPU memory", format!(" of {total}")),
            None => ("memory", String::new()),
        };
        let mut largest = holders.to_vec();
        largest.sort_by_key(|holder| std::cmp::Reverse(holder.memory));
        let named: Vec<_> = largest.iter().take(MAX_NAMED).map(ToString::to_string).collect();
        let others = match named.as_slice() {
            [] => "Close other programs that use it".to_owned(),
            [one] => format!("It is held by {one}; close that program"),
            [first @ .., last] => format!("It is held by {} and {last}; close them", first.join(", ")),
        };
        format!(
            "No further attempt is made, because about {needed} of {of_what} are needed and {free}{of_total} are free. {others} and retry the job, or use a smaller size or fewer frames"
        )
    }
}

/// Why no attempt at `spec` by the runner of the device `ordinal` can fit into the memory that is free now; `None` if one
/// may fit, or if that is unknown.
pub(crate) fn shortage(
    spec: &JobSpec,
    data_dir: &Path,
    runtime: &Runtime,
    ordinal: u32,
    limits: RunLimits,
) -> Option<JobShortage> {
    let model = spec.open_model(Some(data_dir)).ok()?;
    let request = GenRequest::parse(&spec.draft, &model.limits()).ok()?;
    let compute = ComputePlan::choose(runtime, ordinal, &model, &request, free_card_memory).ok()?;
    let memory = MemorySample::now(&compute, false, limits).shortage(&request, &model, &compute)?;
    Some(JobShortage { device: compute.device, memory })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Bytes, Kind};

    const GIB: u64 = 1 << 30;

    fn short(total: Option<Bytes>) -> JobShortage {
        let memory = MemoryShortage { needed: Bytes(14 * GIB), free: Bytes(3 * GIB), total };
        JobShortage { device: DeviceId::CPU, memory }
    }

    #[test]
    fn the_programs_that_hold_a_card_are_named_the_largest_first() {
        let holder = |name: &str, pid, gib: u64| CardHolder {
            name: Some(name.to_owned()),
            pid,
            memory: Some(Bytes(gib * GIB)),
        };
        let holders = [holder("firefox", 7, 1), holder("python3", 42, 20)];
        assert_eq!(
            short(Some(Bytes(24 * GIB))).sentence(&holders),
            "No further attempt is made, because about 14.0 GiB of GPU memory are needed and 3.0 GiB of 24.0 GiB are free. It is held by python3 (process 42, 20.0 GiB) and firefox (process 7, 1.0 GiB); close them and retry the job, or use a smaller size or fewer frames"
        );
    }

    #[test]
    fn unknown_holders_are_not_named() {
        let error = short(None).explain(Error::new(Kind::OutOfMemory, "Out of memory"));
        assert_eq!(
            format!("{error:#}"),
            "Out of memory. No further attempt is made, because about 14.0 GiB of memory are needed and 3.0 GiB are free. Close other programs that use it and retry the job, or use a smaller size or fewer frames"
        );
    }
}
