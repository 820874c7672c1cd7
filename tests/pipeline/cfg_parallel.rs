//! CFG parallelism: both guidance passes at once, each in a session of its own. The second "device" is the CPU again.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::Path;

use wandeck::core::{CancelToken, DeviceId, Draft, Faults, GenRequest, Kind, PrecisionChoice, Provider};
use wandeck::models;
use wandeck::pipeline::{
    ComputePlan, DenoiseState, InputImages, Inputs, Loras, MemoryPlan, Pipeline, Reporter, RunContext,
    SecondDevice, SessionCache, StepControl,
};
use wandeck::store::StoredTensors;

use crate::common;

/// Denoises a toy, and returns the state after each step and the number of sessions that were loaded.
fn denoised(
    draft: &Draft,
    second: Option<DeviceId>,
    cancel: &CancelToken,
    after_step: &mut dyn FnMut(),
) -> wandeck::core::Result<(Vec<DenoiseState>, u32)> {
    let dir = tempfile::tempdir().unwrap();
    let runtime = common::runtime();
    let model = models::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B")).unwrap();
    let request = GenRequest::parse(draft, &model.limits()).unwrap();
    let plan = ComputePlan::on(Provider::Cpu, None, PrecisionChoice::Auto, &model).unwrap();
    let compute = ComputePlan { second: second.map(|id| SecondDevice { id, memory: None }), ..plan };
    let pipeline = Pipeline {
        runtime: &runtime,
        checkpoint: &model,
        loras: &Loras::default(),
        compute: &compute,
        memory: &MemoryPlan::default(),
        threads: 1,
        profile: None,
        may_use_cpu: false,
    };
    let images = InputImages::default();
    let inputs = Inputs { request: &request, images: &images, upcoming: &[] };
    let mut sessions = SessionCache::for_one_job();
    let mut send = |_| {};
    let context = &mut RunContext {
        reporter: Reporter::new(&mut send),
        cancel,
        cache: &mut StoredTensors::new(dir.path()),
        sessions: &mut sessions,
        faults: &Faults::default(),
    };
    let prepared = pipeline.prepare(inputs, false, context)?;
    let mut state = pipeline.start(&request)?;
    let mut states = Vec::new();
    let mut hook = |state: &DenoiseState| {
        states.push(state.clone());
        after_step();
        Ok(StepControl::Continue)
    };
    pipeline.denoise(&prepared, inputs, &mut state, &mut hook, context)?;
    Ok((states, sessions.num_loaded()))
}

#[test]
fn both_passes_at_once_compute_every_bit_of_both_in_sequence() {
    let toy = Draft { guidance: 4.0, guidance_low: Some(3.0), steps: 6, ..common::draft() };
    let run = |draft: &Draft, second| denoised(draft, second, &CancelToken::new(), &mut || {}).unwrap();
    let (sequence, loaded) = run(&toy, None);
    let (parallel, loaded_parallel) = run(&toy, Some(DeviceId::CPU));
    assert_eq!(sequence.len(), 6);
    assert!(sequence == parallel, "other numbers");
    assert_eq!(loaded_parallel, loaded + 2, "a second session of each expert");
    // without guidance in the low-noise expert there is no second pass
    let (_, loaded_high) = run(&Draft { guidance_low: Some(1.0), ..toy }, Some(DeviceId::CPU));
    assert_eq!(loaded_high, loaded + 1);
}

#[test]
fn a_cancelled_run_ends_in_both_passes() {
    let cancel = CancelToken::new();
    let draft = Draft { guidance: 4.0, steps: 6, ..common::draft() };
    let stopped = denoised(&draft, Some(DeviceId::CPU), &cancel, &mut || cancel.cancel());
    assert_eq!(stopped.err().unwrap().kind, Kind::Cancelled);
}
