//! One graph made ready to run.

use std::sync::Arc;

use ort::session::builder::SessionBuilder;
use ort::session::{RunOptions, Session as OrtSession};
use ort::value::{TensorElementType, ValueType};

use super::border::Border;
use super::fault;
use super::interrupt;
use super::kernels::check_kernels;
use super::prepack::{Prepack, Scratch};
use super::provider::{self, Provider};
use super::runtime::Runtime;
use super::tensor::{Input, Tensor};
use crate::core::{CancelToken, Error, Kind, Result};
use crate::onnx::{Dim, Dtype, Graph, ValueSpec};

/// Options of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionOptions {
    /// Threads of one operation; 0 lets ONNX Runtime take all cores.
    pub threads: usize,
    /// Whether weights are packed.
    pub prepack: Prepack,
    /// Whether the memory of values is kept between operations.
    pub scratch: Scratch,
    /// The execution provider.
    pub provider: Provider,
    /// Whether fp32 must be exact; otherwise CUDA may round the inputs of products to 11 bits (TF32).
    pub exact: bool,
}

/// A graph with its weights, ready to run. One thread owns it.
pub struct Session {
    pub(super) inner: OrtSession,
    pub(super) name: &'static str,
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
    pub(super) border: Border,
}

impl Session {
    /// Loads `graph` and its weights. Fails if the weights do not fit the graph or the provider lacks an operation.
    ///
    /// A cancel interrupts the load; the result is then the cancelled error.
    pub fn load(
        runtime: &Runtime,
        graph: &Graph,
        options: SessionOptions,
        cancel: &CancelToken,
    ) -> Result<Self> {
        let root = graph.weights_root.to_str().ok_or_else(|| {
            Error::new(Kind::Unsupported, format!("The path {} is not UTF-8", graph.weights_root.display()))
                .remedy("Move the model to a folder whose name is plain text")
        })?;
        check_kernels(graph, options.provider)?;
        let bytes = graph.to_bytes();
        let builder = || -> ort::Result<SessionBuilder> {
            // memory pattern: with changing shapes every run would keep a full-size block of its own
            let mut builder = OrtSession::builder(runtime.environment())?.with_memory_pattern(false)?;
            if options.threads > 0 {
                builder = builder.with_intra_threads(options.threads)?;
            }
            if options.prepack == Prepack::InPlace {
                builder = builder.with_config_entry("session.disable_prepacking", "1")?;
            }
            Ok(provider::into_session(builder, options, runtime)?
                // fp8 weights are dequantised once, when the session is made, and not in every run
                .with_config_entry("session.disable_quant_qdq", "1")?
                .with_config_entry("session.model_external_initializers_file_folder_path", root)?)
        };
        let commit = |builder: &mut SessionBuilder| builder.commit_from_memory(&bytes);
        let inner = interrupt::make(graph.name, cancel, builder(), commit)?;
        let inputs = checked_names(graph, "input", &graph.spec.inputs, inner.inputs())?;
        let outputs = checked_names(graph, "output", &graph.spec.outputs, inner.outputs())?;
        Ok(Self { inner, name: graph.name, inputs, outputs, border: Border::default() })
    }

    /// Runs the graph once. Inputs are passed by name; outputs are in the graph's order.
    ///
    /// A cancel interrupts the run between two operations; the result is then the cancelled error.
    pub fn run(&mut self, inputs: Vec<(&str, Input<'_>)>, cancel: &CancelToken) -> Result<Vec<Tensor>> {
        cancel.check()?;
        if let Some(missing) = self.inputs.iter().find(|name| !inputs.iter().any(|(given, _)| given == name))
        {
            return Err(Error::new(
                Kind::Bug,
                format!("The {} was run without its input {missing}", self.name),
            ));
        }
        let options = Arc::new(RunOptions::new().map_err(|error| fault::in_run(&error))?);
        let stop = Arc::clone(&options);
        let _guard = cancel.on_cancel(move || {
            if let Err(error) = stop.terminate() {
                tracing::warn!("A running step could not be interrupted: {error}");
            }
        });
        let values = inputs
            .into_iter()
            .map(|(name, input)| Ok((name, self.border.give(name, input)?)))
            .collect::<ort::Result<Vec<_>>>()
            .map_err(|error| fault::in_run(&error))?;
        let mut results =
            self.inner.run_with_options(values, &options).map_err(|error| fault::in_run(&error))?;
        let take = |name: &String| {
            let value = results.remove(name).ok_or_else(|| {
                Error::new(Kind::Bug, format!("The {} returned fewer outputs than it declares", self.name))
            })?;
            self.border.take(value).map(Tensor).map_err(|error| fault::in_run(&error))
        };
        self.outputs.iter().map(take).collect()
    }
}

/// The names in order, if the session's values agree with the graph's. Otherwise one error lists every difference.
fn checked_names(
    graph: &Graph,
    what: &str,
    expected: &[ValueSpec],
    found: &[ort::value::Outlet],
) -> Result<Vec<String>> {
    let difference = |spec: &ValueSpec| match found.iter().find(|outlet| outlet.name() == spec.name) {
        None => Some(format!("{what} {} is missing", spec.name)),
        Some(outlet) if !fits(spec, outlet.dtype()) => Some(format!(
            "{what} {} is {:?} and should be {:?} {:?}",
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
        format!("The {} does not fit: {}", graph.name, differences.join("; ")),
    )
    .remedy("Verify the model's files"))
}

fn fits(spec: &ValueSpec, found: &ValueType) -> bool {
    let ValueType::Tensor { ty, shape, .. } = found else { return false };
    let same_type = match spec.dtype {
        Dtype::F32 => *ty == TensorElementType::Float32,
        Dtype::I64 => *ty == TensorElementType::Int64,
        _ => false,
    };
    // a size that either side leaves open (-1) fits anything
    let same_size = |(expected, &size): (&Dim, &i64)| match expected {
        Dim::Fixed(expected) => size < 0 || size == *expected as i64,
        Dim::Named(_) => true,
    };
    same_type && shape.len() == spec.dims.len() && spec.dims.iter().zip(shape.iter()).all(same_size)
}
