//! What the machine can do at most: the speed of a large matrix product, and the bandwidth of its memory.

use std::time::{Duration, Instant};

use ndarray::ArrayD;
use serde::{Deserialize, Serialize};

use crate::core::{CancelToken, Provider, Result};
use crate::engine::{Input, ProviderSelection, Runtime, Session, SessionOptions};
use crate::library::MachinePeak;
use crate::monitor::Machine;
use crate::onnx::{Attr, Dim, Dtype, Graph, GraphBuilder, ValueSpec, Weights};

/// Rows and columns of the values that are read and written: 128 MiB, more than a processor's caches hold.
const SIZE: [usize; 2] = [4096, 8192];
/// Bytes of these values.
const BYTES: f64 = (SIZE[0] * SIZE[1] * size_of::<f32>()) as f64;
/// Time spent on the measurement of the bandwidth after the first run.
const MEASURED: Duration = Duration::from_secs(1);

/// The measured limits of a device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ceilings {
    /// Multiplications and additions per second of a large matrix product.
    pub flops: f64,
    /// What the product was computed in, for instance "fp32".
    pub compute: String,
    /// Bytes per second that are read and written together.
    pub bandwidth: f64,
}

impl Ceilings {
    /// Measures the device of `selection`. Takes a few seconds of all of it.
    pub(super) fn measure(
        runtime: &Runtime,
        selection: &ProviderSelection,
        machine: &Machine,
        cancel: &CancelToken,
    ) -> Result<Self> {
        let peak = MachinePeak::on(runtime, selection, machine, cancel)?;
        let bandwidth = bandwidth(runtime, selection, cancel)?;
        Ok(Self { flops: peak.flops, compute: peak.compute, bandwidth })
    }
}

/// Multiplies large values by a number again and again.
fn graph(weights: &Weights, passes: usize) -> Graph {
    let mut g = GraphBuilder::new("memory bandwidth", weights);
    let spec = |name: &str, dims: [usize; 2]| ValueSpec::new(name, Dtype::F32, dims.map(Dim::Fixed));
    let value = g.input(spec("value", [1, 1]));
    let dims = g.ints(&SIZE.map(|side| side as i64));
    let values = g.op("Expand", &[&value, &dims], &[]);
    let factor = g.scalar(0.999);
    let values = (0..passes).fold(values, |values, _| g.op("Mul", &[&values, &factor], &[]));
    let (from, to, axes) = (g.ints(&[0, 0]), g.ints(&[1, 1]), g.ints(&[0, 1]));
    let one = g.op("Slice", &[&values, &from, &to, &axes], &[] as &[(&'static str, Attr)]);
    g.output(&one, spec("one", [1, 1]));
    g.finish()
}

/// Bytes per second of the fastest run; the difference between many passes and few leaves out what is not a pass.
fn bandwidth(runtime: &Runtime, selection: &ProviderSelection, cancel: &CancelToken) -> Result<f64> {
    let passes = if selection.id.provider == Provider::Cpu { [2, 10] } else { [16, 272] };
    let mut fastest = [f64::INFINITY; 2];
    for (passes, fastest) in passes.into_iter().zip(&mut fastest) {
        let options = SessionOptions { device: selection.id.clone(), ..SessionOptions::default() };
        let mut session = Session::load(runtime, &graph(&Weights::none(), passes), &options, cancel)?;
        let value = ArrayD::from_elem(vec![1, 1], 1.0_f32);
        let mut run = || {
            let began = Instant::now();
            session.run(vec![("value", Input::F32(value.view()))], cancel).map(|_| began.elapsed())
        };
        run()?;
        let began = Instant::now();
        while began.elapsed() < MEASURED {
            *fastest = fastest.min(run()?.as_secs_f64());
        }
    }
    let [few, many] = fastest;
    let moved = 2.0 * BYTES * (passes[1] - passes[0]) as f64;
    Ok(moved / (many - few).max(1e-9))
}
