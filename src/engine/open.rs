//! Sessions of files that others made.

use std::path::Path;

use ort::session::Session as OrtSession;
use ort::session::builder::SessionBuilder;

use super::border::Border;
use super::runtime::Runtime;
use super::session::{Session, SessionOptions};
use super::{interrupt, provider};
use crate::core::{CancelToken, Error, Kind, Result};

impl Session {
    /// Makes the ONNX file at `path`, called `name` in messages, ready; external data beside it is found.
    ///
    /// Its numbers may be of 16 bits: they are given and taken as fp32. Of its outputs only `output` is given by [`Session::run`].
    pub fn open(
        runtime: &Runtime,
        (name, path): (&'static str, &Path),
        output: &str,
        options: SessionOptions,
        cancel: &CancelToken,
    ) -> Result<Self> {
        let builder = || -> ort::Result<SessionBuilder> {
            let mut builder = OrtSession::builder(runtime.environment())?.with_memory_pattern(false)?;
            if options.threads > 0 {
                builder = builder.with_intra_threads(options.threads)?;
            }
            provider::into_session(builder, options, runtime)
        };
        let commit = |builder: &mut SessionBuilder| builder.commit_from_file(path);
        let inner = interrupt::make(name, cancel, builder(), commit)?;
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
        let border = Border::of(inner.inputs());
        Ok(Self { inner, name, inputs, outputs: vec![output.to_owned()], border })
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
