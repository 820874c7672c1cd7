//! The next transformer's session is made while the stage before computes, if memory holds both.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::Path;

use wandeck::core::{
    Bytes, CancelToken, Draft, Event, Faults, GenRequest, Kind, PrecisionChoice, Provider, Result, Stage,
    WeightsChoice,
};
use wandeck::models;
use wandeck::pipeline::{
    ComponentId, ComponentNeeds, ComputePlan, DenoiseState, Footprint, InputImages, Inputs, Loras,
    MemoryNeeds, MemoryPlan, Pipeline, Reporter, RunContext, SessionCache, StepControl,
};
use wandeck::store::StoredTensors;
use wandeck::wan::VaeSplit;

use crate::common;

const MIB: u64 = 1 << 20;
const FIRST: &str = "The transformer is loaded while the inputs are encoded";
const SECOND: &str = "The low-noise expert is loaded during the last steps before it";

/// A plan for this much memory, in which each component takes 4 MiB and each session may be made ahead.
fn plan(available_mib: u64) -> MemoryPlan {
    let size = Bytes(4 * MIB);
    let footprint = Footprint { needed: size, kept: size, made: size, ..Footprint::default() };
    let component = |component| ComponentNeeds {
        component,
        weights: Bytes(1),
        num_stages: 1,
        packed: footprint,
        in_place: footprint,
        streamed: None,
    };
    use ComponentId::{TextEncoder, Transformer, Transformer2, VaeDecoder};
    MemoryPlan::choose(&MemoryNeeds {
        provider: Provider::Cpu,
        available: Some(Bytes(available_mib * MIB)),
        second: None,
        weights: WeightsChoice::Packed,
        quantisation: None,
        components: [TextEncoder, Transformer, Transformer2, VaeDecoder].map(component).into(),
        other: Bytes(0),
        vae: VaeSplit::Whole,
        keeps_sessions: false,
        ahead_from: Some(Bytes(0)),
    })
}

/// What happened in a run.
struct Ran {
    end: Result<StepControl>,
    /// After each step.
    states: Vec<DenoiseState>,
    /// Stages, steps and notes in order.
    events: Vec<String>,
    num_loaded: u32,
    num_made_ahead: u32,
    /// Whether no session was left.
    is_empty: bool,
}

/// Encodes the prompt and denoises a toy of two experts, with three steps each. `watch` sees what happens, and `control`
/// answers after each step.
fn run(
    model: &Path,
    memory: &MemoryPlan,
    watch: &dyn Fn(&str, &CancelToken),
    control: &dyn Fn(usize) -> StepControl,
) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    let (runtime, cancel) = (common::runtime(), CancelToken::new());
    let model = models::open(model).unwrap();
    let draft = Draft { steps: 6, boundary: Some(0.94), ..common::draft() };
    let request = GenRequest::parse(&draft, &model.limits()).unwrap();
    let pipeline = Pipeline {
        runtime: &runtime,
        checkpoint: &model,
        loras: &Loras::default(),
        compute: &ComputePlan::on(Provider::Cpu, None, PrecisionChoice::Auto, &model).unwrap(),
        memory,
        threads: 1,
        profile: None,
        may_use_cpu: false,
    };
    let images = InputImages::default();
    let inputs = Inputs { request: &request, images: &images, upcoming: &[] };
    let mut sessions = SessionCache::for_one_job();
    let mut events = Vec::new();
    let mut send = |event: Event| {
        let text = match event {
            Event::StageStarted { stage } => format!("{stage:?} begins"),
            Event::StageFinished { stage, .. } => format!("{stage:?} ends"),
            Event::Step { stage, step, .. } => format!("{stage:?} {step}"),
            Event::Note { message } => message,
            _ => return,
        };
        watch(&text, &cancel);
        events.push(text);
    };
    let mut context = RunContext {
        reporter: Reporter::new(&mut send),
        cancel: &cancel,
        cache: &mut StoredTensors::new(dir.path()),
        sessions: &mut sessions,
        faults: &Faults::default(),
    };
    let prepared = pipeline.prepare(inputs, false, &mut context).unwrap();
    let mut state = pipeline.start(&request).unwrap();
    let mut states = Vec::new();
    let mut hook = |state: &DenoiseState| {
        states.push(state.clone());
        Ok(control(state.solver.done()))
    };
    let end = pipeline.denoise(&prepared, inputs, &mut state, &mut hook, &mut context);
    let (num_loaded, num_made_ahead) = (sessions.num_loaded(), sessions.num_made_ahead());
    Ran { end, states, events, num_loaded, num_made_ahead, is_empty: sessions.is_empty() }
}

fn toy() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B")
}

fn undisturbed(memory: &MemoryPlan) -> Ran {
    run(&toy(), memory, &|_, _| {}, &|_| StepControl::Continue)
}

/// The place of an event.
fn at(ran: &Ran, event: &str) -> usize {
    ran.events.iter().position(|known| known == event).unwrap()
}

#[test]
fn each_transformer_is_loaded_during_the_stage_before_and_computes_the_same_numbers() {
    let (ahead, alone) = (undisturbed(&plan(64)), undisturbed(&MemoryPlan::default()));
    let [text, high] = [Stage::Text, Stage::DenoiseHigh];
    let order =
        [format!("{text:?} begins"), FIRST.to_owned(), format!("{text:?} ends"), format!("{high:?} 1")];
    let places = order.map(|event| at(&ahead, &event));
    assert!(places.is_sorted(), "{:?}", ahead.events);
    // between the last steps of the high-noise expert
    let before = at(&ahead, SECOND) - 1;
    assert_eq!(ahead.events[before], format!("{high:?} 2"));
    assert_eq!(ahead.events[before + 2], format!("{high:?} 3"));
    assert_eq!((ahead.num_made_ahead, ahead.num_loaded), (2, 3), "and neither was made again");
    assert_eq!((alone.num_made_ahead, alone.num_loaded), (0, 3));
    assert_eq!(alone.states.len(), 6);
    assert!(ahead.states == alone.states, "other numbers");
    assert!(ahead.is_empty && alone.is_empty);
}

#[test]
fn no_session_is_made_ahead_where_memory_does_not_hold_both() {
    let ran = undisturbed(&plan(10));
    assert_eq!((ran.num_made_ahead, ran.num_loaded), (0, 3));
    let notes: Vec<_> = ran.events.iter().filter(|event| event.contains("may be used")).collect();
    let reason = "8.0 MiB needed for both, 7.5 MiB may be used";
    let expected = [
        format!("The transformer is not loaded while the inputs are encoded: {reason}"),
        format!("The low-noise expert is not loaded during the last steps before it: {reason}"),
    ];
    assert_eq!(notes, expected.iter().collect::<Vec<_>>());
    assert!(ran.states == undisturbed(&MemoryPlan::default()).states);
}

#[test]
fn a_job_that_ends_while_a_session_is_made_leaves_none() {
    for message in [FIRST, SECOND] {
        let cancel = |event: &str, token: &CancelToken| {
            if event == message {
                token.cancel();
            }
        };
        let ran = run(&toy(), &plan(64), &cancel, &|_| StepControl::Continue);
        assert_eq!(ran.end.unwrap_err().kind, Kind::Cancelled, "{message}");
        assert!(ran.is_empty, "{message}");
    }
    // after the last step of the high-noise expert, beside which the session was made
    let yields = |after| {
        let control = move |done| if done == after { StepControl::Yield } else { StepControl::Continue };
        run(&toy(), &plan(64), &|_, _| {}, &control)
    };
    let ran = yields(3);
    assert_eq!((ran.end.as_ref().unwrap(), ran.states.len()), (&StepControl::Yield, 3));
    assert!(ran.is_empty && ran.events.iter().any(|event| event == SECOND));
    // a job that yields before that step makes none
    let ran = yields(2);
    assert!(ran.is_empty && !ran.events.iter().any(|event| event == SECOND), "{:?}", ran.events);
}

#[test]
fn weights_that_change_while_a_session_is_made_of_them_end_the_job_before_its_step() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("toy");
    common::copy_all(&toy(), &model);
    let weights = model.join("transformer_2/diffusion_pytorch_model.safetensors");
    let replace = |event: &str, _: &CancelToken| {
        if event == SECOND {
            let mut other = std::fs::read(&weights).unwrap();
            *other.last_mut().unwrap() ^= 1;
            std::fs::write(weights.with_extension("new"), other).unwrap();
            std::fs::rename(weights.with_extension("new"), &weights).unwrap();
        }
    };
    let ran = run(&model, &plan(64), &replace, &|_| StepControl::Continue);
    let error = ran.end.unwrap_err();
    assert_eq!(error.kind, Kind::CorruptModel, "{error:#}");
    assert!(format!("{error:#}").contains("transformer_2"), "{error:#}");
    assert_eq!(ran.states.len(), 3, "the steps before are whole");
    assert!(ran.is_empty);
}
