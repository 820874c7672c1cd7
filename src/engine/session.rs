//! Sessions of graphs built by this program.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ort::session::builder::SessionBuilder;
use ort::session::{RunOptions, Session as OrtSession};
use ort::value::{TensorElementType, ValueType};

use super::file_fault::watched;
use super::half_io::HalfConversion;
use super::kernels::check_kernels;
use super::memory::{Arena, Prepack};
use super::ort_error;
use super::placement::Placement;
use super::provider;
use super::runtime::Runtime;
use super::tensor::{Input, Tensor};
use crate::core::{Bytes, CancelToken, DeviceId, Error, Kind, Provider, Result};
use crate::onnx::{Dim, Dtype, Graph, SizeRanges, ValueSpec};

/// Number of profiles that this process began.
static PROFILES: AtomicU64 = AtomicU64::new(0);

/// Options of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionOptions {
    /// Threads of one operation; 0 for all cores.
    pub threads: usize,
    /// Whether the weights are packed.
    pub prepack: Prepack,
    /// Use of memory for intermediate values.
    pub arena: Arena,
    /// The device that runs the graph.
    pub device: DeviceId,
    /// Whether fp32 products are exact; otherwise CUDA may round their inputs to 11 bits (TF32).
    pub exact: bool,
    /// Bytes that weights may take on the device if `TensorRT` for RTX computes: it streams the others. `None` for all.
    pub weight_budget: Option<Bytes>,
    /// How large the graph's inputs become, if `TensorRT` for RTX computes: it builds its engine for these sizes.
    pub sizes: SizeRanges,
    /// Folder in which ONNX Runtime profiles the session; `None` for no profile.
    pub profile: Option<PathBuf>,
}

/// A graph loaded with its weights. Owned by one thread.
pub struct Session {
    pub(super) inner: OrtSession,
    pub(super) name: &'static str,
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
    pub(super) half: HalfConversion,
    /// What runs the graph.
    pub(super) device: DeviceId,
    /// The runtime, which knows the devices of plugins.
    pub(super) runtime: Runtime,
    /// When the profile began, if there is one.
    pub(super) profiled_since: Option<Instant>,
    /// Where its nodes run, if its provider may leave some to others.
    pub(super) placement: Option<Box<Placement>>,
}

/// ONNX Runtime's profile of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionProfile {
    /// The file, in Chrome's trace format.
    pub path: PathBuf,
    /// When its clock started.
    pub began: Instant,
}

impl Session {
    /// Makes a session of `graph`.
    ///
    /// A cancellation interrupts it with the cancelled error. Fails with [`Kind::CorruptModel`] if the weights do not
    /// match the graph, and with [`Kind::Unsupported`] if the provider lacks an operation.
    pub fn load(
        runtime: &Runtime,
        graph: &Graph,
        options: &SessionOptions,
        cancel: &CancelToken,
    ) -> Result<Self> {
        let root = graph.weights_root.to_str().ok_or_else(|| {
            Error::new(Kind::Unsupported, format!("The path is not UTF-8: {}", graph.weights_root.display()))
                .remedy("Move the model to a folder with a name in UTF-8")
        })?;
        check_kernels(graph, options.device.provider)?;
        let bytes = graph.to_bytes();
        let (name, library, root) = (graph.name, runtime.clone(), root.to_owned());
        let weight_budget = options.weight_budget.filter(|budget| graph.weight_bytes() > *budget);
        let profile = options.sizes.profile(&graph.spec.inputs).map_err(|dim| {
            Error::new(Kind::Bug, format!("The range of the dimension {dim} of the {name} is not known"))
        })?;
        let settings = SessionOptions { weight_budget, ..options.clone() };
        let builder = move || -> ort::Result<SessionBuilder> {
            // with memory patterns and changing shapes, every run would keep a full-size block of its own
            let mut builder = OrtSession::builder(library.environment())?.with_memory_pattern(false)?;
            builder = with_profile(builder, &settings, name)?;
            if settings.threads > 0 {
                builder = builder.with_intra_threads(settings.threads)?;
            }
            if settings.prepack != Prepack::Packed {
                builder = builder.with_config_entry("session.disable_prepacking", "1")?;
            }
            // the CPU dequantises fp8 weights once, when the session is made; on a GPU 8-bit weights stay what they are
            // and are dequantised for each product
            let dequantises_once = settings.device.provider == Provider::Cpu;
            Ok(provider::into_session(builder, &settings, profile, &library)?
                .with_config_entry("session.disable_quant_qdq", if dequantises_once { "1" } else { "0" })?
                .with_config_entry("session.model_external_initializers_file_folder_path", root)?)
        };
        let commit = move |builder: &mut SessionBuilder| builder.commit_from_memory(&bytes);
        let profiled_since = options.profile.as_ref().map(|_| Instant::now());
        let inner = watched(graph.name, || {
            runtime.abandoned().commit(graph.name, graph.weight_bytes(), cancel, builder, commit)
        })?;
        let inputs = checked_names(graph, "input", &graph.spec.inputs, inner.inputs())?;
        let outputs = checked_names(graph, "output", &graph.spec.outputs, inner.outputs())?;
        let half = HalfConversion::default();
        let device = options.device.clone();
        let (name, runtime) = (graph.name, runtime.clone());
        let placement = provider::placement(&inner, device.provider).map(Box::new);
        Ok(Self { inner, name, inputs, outputs, half, device, runtime, profiled_since, placement })
    }

    /// Where its nodes run, if its provider may leave some to others, and ONNX Runtime says so.
    pub fn placement(&self) -> Option<&Placement> {
        self.placement.as_deref()
    }

    /// Completes the profile, if the session has one.
    pub fn end_profile(&mut self) -> Result<Option<SessionProfile>> {
        let Some(began) = self.profiled_since.take() else { return Ok(None) };
        let path = self.inner.end_profiling().map_err(|error| ort_error::run_error(&error))?;
        Ok(Some(SessionProfile { path: PathBuf::from(path), began }))
    }

    /// Runs the graph once. Inputs are passed by name, outputs are returned in the graph's order.
    ///
    /// A cancellation interrupts it between two operations with the cancelled error.
    pub fn run(&mut self, inputs: Vec<(&str, Input<'_>)>, cancel: &CancelToken) -> Result<Vec<Tensor>> {
        cancel.check()?;
        if let Some(missing) = self.inputs.iter().find(|name| !inputs.iter().any(|(given, _)| given == name))
        {
            return Err(Error::new(
                Kind::Bug,
                format!("The {} was run without its input {missing}", self.name),
            ));
        }
        let options = run_options(None)?;
        let _guard = cancel.on_cancel(terminate(&options));
        let values = inputs
            .into_iter()
            .map(|(name, input)| Ok((name, self.half.input(name, input)?)))
            .collect::<ort::Result<Vec<_>>>()
            .map_err(|error| ort_error::run_error(&error))?;
        let mut results = watched(self.name, || {
            self.inner.run_with_options(values, &options).map_err(|error| ort_error::run_error(&error))
        })?;
        let take = |name: &String| {
            let value = results.remove(name).ok_or_else(|| missing_output(self.name, name))?;
            self.half.output(value).map(Tensor).map_err(|error| ort_error::run_error(&error))
        };
        self.outputs.iter().map(take).collect()
    }
}

/// The options of one run. At its end, the GPU `returning` gets back the memory that the run does not use any more.
pub(super) fn run_options(returning: Option<u32>) -> Result<Arc<RunOptions>> {
    let options = || -> ort::Result<RunOptions> {
        let mut options = RunOptions::new()?;
        if let Some(ordinal) = returning {
            options.set("memory.enable_memory_arena_shrinkage", format!("gpu:{ordinal}"))?;
        }
        Ok(options)
    };
    options().map(Arc::new).map_err(|error| ort_error::run_error(&error))
}

/// The error of a run of the component `component` that did not return `output`.
pub(super) fn missing_output(component: &str, output: &str) -> Error {
    Error::new(Kind::Bug, format!("The {component} did not return its output {output}"))
}

/// What interrupts the run with these options between two operations.
pub(super) fn terminate(options: &Arc<RunOptions>) -> impl Fn() + Send + Sync + 'static {
    let stop = Arc::clone(options);
    move || {
        if let Err(error) = stop.terminate() {
            tracing::warn!("Cannot interrupt a running step: {error}");
        }
    }
}

/// `builder` with a profile, if one is asked for; ONNX Runtime appends the time to the file's name.
pub(super) fn with_profile(
    builder: SessionBuilder,
    options: &SessionOptions,
    name: &str,
) -> ort::Result<SessionBuilder> {
    match &options.profile {
        Some(folder) => {
            // the time in the file's name has seconds only
            let number = PROFILES.fetch_add(1, Ordering::Relaxed);
            Ok(builder.with_profiling(folder.join(format!("{name}-{number}")))?)
        }
        None => Ok(builder),
    }
}

/// The expected names in order; fails with all differences if the session's values differ from the graph's.
fn checked_names(
    graph: &Graph,
    what: &str,
    expected: &[ValueSpec],
    found: &[ort::value::Outlet],
) -> Result<Vec<String>> {
    let difference = |spec: &ValueSpec| match found.iter().find(|outlet| outlet.name() == spec.name) {
        None => Some(format!("{what} {} is missing", spec.name)),
        Some(outlet) if !fits(spec, outlet.dtype()) => Some(format!(
            "{what} {} is {:?}, expected {:?} {:?}",
            spec.name,
            outlet.dtype(),
            spec.dtype,
            spec.dims
        )),
        Some(_) => None,
    };
    let differences: Vec<_> = expected.iter().filter_map(difference).collect();
    if differences.is_empty() {
        return Ok(expected.iter().map(|spec| spec.name.clone()).collect());
    }
    Err(Error::new(
        Kind::CorruptModel,
        format!("The {} differs from its graph: {}", graph.name, differences.join("; ")),
    )
    .remedy("Verify the model's files"))
}

/// ONNX Runtime's name of an element type.
pub(super) fn element_type(dtype: Dtype) -> TensorElementType {
    match dtype {
        Dtype::F32 => TensorElementType::Float32,
        Dtype::U8 => TensorElementType::Uint8,
        Dtype::I8 => TensorElementType::Int8,
        Dtype::I32 => TensorElementType::Int32,
        Dtype::I64 => TensorElementType::Int64,
        Dtype::Bool => TensorElementType::Bool,
        Dtype::F16 => TensorElementType::Float16,
        Dtype::Bf16 => TensorElementType::Bfloat16,
        Dtype::F8E4M3 => TensorElementType::Float8E4M3FN,
        Dtype::F8E5M2 => TensorElementType::Float8E5M2,
    }
}

fn fits(spec: &ValueSpec, found: &ValueType) -> bool {
    let ValueType::Tensor { ty, shape, .. } = found else { return false };
    let same_type = *ty == element_type(spec.dtype);
    // -1 is a dynamic size
    let same_size = |(expected, &size): (&Dim, &i64)| match expected {
        Dim::Fixed(expected) => size < 0 || size == *expected as i64,
        Dim::Named(_) => true,
    };
    same_type && shape.len() == spec.dims.len() && spec.dims.iter().zip(shape.iter()).all(same_size)
}
