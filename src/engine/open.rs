//! Sessions of files that others made.

use std::path::Path;

use ort::session::Session as OrtSession;

use super::fault;
use super::provider;
use super::runtime::Runtime;
use super::session::{Session, SessionOptions};
use crate::core::{Error, Kind, Result};

impl Session {
    /// Makes the ONNX file at `path`, called `name` in messages, ready; external data beside it is found.
    ///
    /// Of its outputs only `output` is given by [`Session::run`].
    pub fn open(
        runtime: &Runtime,
        (name, path): (&'static str, &Path),
        output: &str,
        options: SessionOptions,
    ) -> Result<Self> {
        let build = || -> ort::Result<OrtSession> {
            let mut builder = OrtSession::builder(runtime.environment())?.with_memory_pattern(false)?;
            if options.threads > 0 {
                builder = builder.with_intra_threads(options.threads)?;
            }
            provider::into_session(builder, options, runtime)?.commit_from_file(path)
        };
        let inner = build().map_err(|error| fault::in_load(name, &error))?;
        let names = |values: &[ort::value::Outlet]| -> Vec<String> {
            values.iter().map(|value| value.name().to_owned()).collect()
        };
        let (inputs, outputs) = (names(inner.inputs()), names(inner.outputs()));
        if !outputs.iter().any(|name| name == output) {
            return Err(Error::new(
                Kind::CorruptModel,
                format!("The {name} has no output {output} but {}", outputs.join(", ")),
            ));
        }
        Ok(Self { inner, name, inputs, outputs: vec![output.to_owned()] })
    }

    /// Names of its inputs, in order.
    pub fn inputs(&self) -> &[String] {
        &self.inputs
    }

    /// Names of the outputs that a run gives, in order.
    pub fn outputs(&self) -> &[String] {
        &self.outputs
    }
}
