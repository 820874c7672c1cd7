//! Sessions of existing ONNX files.

use std::path::Path;
use std::time::Instant;

use ort::session::Session as OrtSession;
use ort::session::builder::SessionBuilder;

use super::file_fault::watched;
use super::half_io::HalfConversion;
use super::provider;
use super::runtime::Runtime;
use super::session::{Session, SessionOptions, with_profile};
use crate::core::{Bytes, CancelToken, Error, Kind, Result};

/// An ONNX file to open as a session.
#[derive(Clone, Copy, Debug)]
pub struct SessionFile<'a> {
    /// Name of the component in messages.
    pub name: &'static str,
    /// The file; its external data must be beside it.
    pub path: &'a Path,
    /// The only output that [`Session::run`] returns.
    pub output: &'a str,
}

impl Session {
    /// Makes a session of an ONNX file.
    ///
    /// Its fp16 and bf16 inputs and outputs are converted from and to fp32. A cancellation interrupts it with the
    /// cancelled error. Fails with [`Kind::CorruptModel`] if the file has no output of that name.
    pub fn open(
        runtime: &Runtime,
        file: &SessionFile<'_>,
        options: &SessionOptions,
        cancel: &CancelToken,
    ) -> Result<Self> {
        let SessionFile { name, path, output } = *file;
        let (library, settings, path) = (runtime.clone(), options.clone(), path.to_path_buf());
        let builder = move || -> ort::Result<SessionBuilder> {
            let mut builder = OrtSession::builder(library.environment())?.with_memory_pattern(false)?;
            builder = with_profile(builder, &settings, name)?;
            if settings.threads > 0 {
                builder = builder.with_intra_threads(settings.threads)?;
            }
            provider::into_session(builder, &settings, None, &library)
        };
        let commit = move |builder: &mut SessionBuilder| builder.commit_from_file(path);
        let profiled_since = options.profile.as_ref().map(|_| Instant::now());
        // how large the weights of somebody else's graph are is not known
        let inner =
            watched(name, || runtime.abandoned().commit(name, Bytes(u64::MAX), cancel, builder, commit))?;
        let names = |values: &[ort::value::Outlet]| -> Vec<String> {
            values.iter().map(|value| value.name().to_owned()).collect()
        };
        let (inputs, outputs) = (names(inner.inputs()), names(inner.outputs()));
        if !outputs.iter().any(|name| name == output) {
            return Err(Error::new(
                Kind::CorruptModel,
                format!("The {name} has no output {output}, its outputs are {}", outputs.join(", ")),
            ));
        }
        let half = HalfConversion::of(inner.inputs());
        let (outputs, device, runtime) = (vec![output.to_owned()], options.device.clone(), runtime.clone());
        let placement = provider::placement(&inner, device.provider).map(Box::new);
        Ok(Self { inner, name, inputs, outputs, half, device, runtime, profiled_since, placement })
    }

    /// Names of the inputs, in order.
    pub fn inputs(&self) -> &[String] {
        &self.inputs
    }

    /// Names of the outputs that a run returns, in order.
    pub fn outputs(&self) -> &[String] {
        &self.outputs
    }
}
