//! What an attempt settles before anything is loaded: its inputs, what its numbers are computed in, and its preflight.

use std::path::Path;

use super::record::MadeBy;
use super::state_file::{StateHeader, StateKey};
use crate::core::{FaultPoint, GenRequest, Result, counted};
use crate::engine::Runtime;
use crate::jobs::JobSpec;
use crate::media::OutputTarget;
use crate::pipeline::{ComputePlan, RepackedModel, RunContext};
use crate::plan::{MemorySample, PreparedJob, ResolvedInputs, RunLimits, report_preflight, resolve_inputs};
use crate::wan::Checkpoint;

/// What a plan is made of.
#[derive(Clone, Copy)]
pub(super) struct Planning<'a> {
    pub(super) runtime: &'a Runtime,
    pub(super) work: &'a JobSpec,
    pub(super) request: &'a GenRequest,
    pub(super) model: &'a Checkpoint,
    pub(super) fingerprint: &'a str,
    pub(super) target: &'a OutputTarget,
    pub(super) memory: MemorySample,
    pub(super) limits: RunLimits,
    pub(super) data_dir: Option<&'a Path>,
    /// Where repacked weights are.
    pub(super) weights_dir: &'a Path,
}

/// What is settled.
pub(super) struct Planned {
    pub(super) given: ResolvedInputs,
    pub(super) compute: ComputePlan,
    pub(super) repacked: RepackedModel,
}

impl Planning<'_> {
    /// Reads the inputs, goes on with the plan of the `saved` steps where they are the job's and it fits, instead of
    /// `compute`, and reports the preflight.
    pub(super) fn plan(
        self,
        compute: ComputePlan,
        saved: &[StateHeader],
        context: &mut RunContext<'_>,
    ) -> Result<Planned> {
        let Self { request, model, data_dir, memory, limits, .. } = self;
        context.faults.inject(FaultPoint::Preflight, context.cancel)?;
        let reporter = &mut context.reporter;
        let given = resolve_inputs(self.target, request, model, data_dir, reporter, context.cancel)?;
        limits.check_prompts(request, model)?;
        let key = |compute: &ComputePlan| self.key(&given, compute);
        let fits = |compute: &ComputePlan| {
            let repacked = RepackedModel::plan(model, compute, self.weights_dir)?;
            Ok(memory.shortage(request, repacked.checkpoint(), compute).is_none())
        };
        let (compute, warning) = resumed_plan(compute, saved, key, fits)?;
        if let Some(warning) = warning {
            reporter.warn(warning);
        }
        let repacked = RepackedModel::plan(model, &compute, self.weights_dir)?;
        let job =
            PreparedJob { spec: self.work, request, model: &repacked, compute: &compute, memory, limits };
        report_preflight(job, data_dir, reporter)?;
        Ok(Planned { given, compute, repacked })
    }

    fn key(self, given: &ResolvedInputs, compute: &ComputePlan) -> Result<StateKey> {
        let Self { model, fingerprint, runtime, .. } = self;
        MadeBy { model, fingerprint, given, runtime, compute, retries: &[] }.key(self.request)
    }
}

/// The plan that computed one of the `saved` states of the job, if it fits, else `planned` and what that costs.
///
/// Plans differ in the weights that are rounded for the device's free memory. `key` is what a plan's states have as key,
/// and `fits` says whether there is memory for a plan now.
fn resumed_plan(
    planned: ComputePlan,
    saved: &[StateHeader],
    key: impl Fn(&ComputePlan) -> Result<StateKey>,
    fits: impl Fn(&ComputePlan) -> Result<bool>,
) -> Result<(ComputePlan, Option<String>)> {
    let others = saved.iter().filter(|header| header.key.rounded != planned.rounded_parts());
    let mut warning = None;
    for header in others {
        let earlier = planned.with_rounded_parts(header.key.rounded);
        if key(&earlier)? != header.key {
            continue;
        }
        if fits(&earlier)? {
            return Ok((earlier, None));
        }
        let steps = header.steps;
        warning.get_or_insert_with(|| {
            format!(
                "The weights of its {} do not fit into the free memory of {} any more: the job starts again with \
                 weights rounded to int8",
                counted(steps as u64, "saved step"),
                planned.device
            )
        });
    }
    Ok((planned, warning))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{PrecisionChoice, Provider};
    use crate::models;
    use crate::pipeline::RoundedParts;

    const ROUNDED: RoundedParts = RoundedParts { text_encoder: false, transformer: true };

    fn key(compute: &ComputePlan) -> StateKey {
        StateKey { hash: "of this job".to_owned(), rounded: compute.rounded_parts() }
    }

    #[test]
    fn a_job_goes_on_with_the_weights_of_its_saved_steps_while_they_fit() {
        let toy = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B");
        let checkpoint = models::open(&toy).unwrap();
        let wide = ComputePlan::on(Provider::Cuda, None, PrecisionChoice::Auto, &checkpoint).unwrap();
        let rounded = wide.with_rounded_parts(ROUNDED);
        assert_eq!((wide.rounded_parts(), rounded.rounded_parts()), (RoundedParts::default(), ROUNDED));
        let saved = |compute| StateHeader { key: key(compute), steps: 7 };
        let resumed = |planned: &ComputePlan, saved: &[StateHeader], fits| {
            let (plan, warning) =
                resumed_plan(planned.clone(), saved, |plan| Ok(key(plan)), |_| Ok(fits)).unwrap();
            (plan.rounded_parts(), warning)
        };
        // more is free than at the start, and less
        assert_eq!(resumed(&wide, &[saved(&rounded)], true), (ROUNDED, None));
        assert_eq!(resumed(&rounded, &[saved(&wide)], true), (RoundedParts::default(), None));
        // so little that it starts again, and says so
        let (parts, warning) = resumed(&rounded, &[saved(&wide)], false);
        assert_eq!(parts, ROUNDED);
        assert!(warning.is_some_and(|warning| warning.starts_with("The weights of its 7 saved steps")));
        // nothing is saved, or it is of other settings
        assert_eq!(resumed(&rounded, &[], true), (ROUNDED, None));
        let mut other = saved(&wide);
        other.key.hash = "of other settings".to_owned();
        assert_eq!(resumed(&rounded, &[other], true), (ROUNDED, None));
    }
}
