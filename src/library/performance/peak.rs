//! Peak speed of this machine, measured on request with ONNX Runtime's matrix product.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ndarray::ArrayD;
use serde::{Deserialize, Serialize};

use crate::core::{CancelToken, DeviceId, Error, FIRST_DEVICE, Kind, Provider, ProviderChoice, Result, Utc};
use crate::engine::{
    Input, ProviderSelection, Runtime, Session, SessionOptions, candidates, runtime, select_provider,
};
use crate::monitor::Machine;
use crate::onnx::{ComputeType, Dim, Dtype, Graph, GraphBuilder, ValueSpec, Weights};
use crate::store::write_whole;

const FILE: &str = "peak.json";
/// Time spent on the measurement after the first run.
const MEASURED: Duration = Duration::from_secs(2);
/// Fewest runs of which the fastest counts.
const FEWEST: usize = 3;

/// The peak speed of a machine, and the machine it is of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MachinePeak {
    /// Multiplications and additions per second of a large matrix product.
    pub flops: f64,
    /// Execution provider, for instance "cpu".
    pub provider: String,
    /// What was computed in, for instance "fp32".
    pub compute: String,
    /// Version of ONNX Runtime.
    pub onnxruntime: String,
    /// Logical cores.
    pub cores: usize,
    /// UUIDs of the devices that the driver reported.
    pub devices: Vec<String>,
    /// Date and time.
    pub measured: Utc,
}

impl MachinePeak {
    /// Measures this machine on the provider that jobs use by default. Takes a few seconds of all cores or of the
    /// device, so it should not run beside a job.
    ///
    /// Fails if no ONNX Runtime is installed.
    pub fn measure(data_dir: &Path, machine: &Machine, cancel: &CancelToken) -> Result<Self> {
        let (installed, _) = runtime::open_installed(data_dir)?;
        let runtime = installed.ok_or_else(|| {
            Error::new(Kind::Runtime, "The peak speed needs ONNX Runtime, which is not installed yet")
                .remedy("Make a video first: that installs it")
        })?;
        let auto = ProviderChoice::Auto;
        let selection = select_provider(auto, &candidates(&runtime, auto, FIRST_DEVICE))?;
        Self::on(&runtime, &selection, machine, cancel)
    }

    /// Measures the provider of `selection` on this machine.
    pub fn on(
        runtime: &Runtime,
        selection: &ProviderSelection,
        machine: &Machine,
        cancel: &CancelToken,
    ) -> Result<Self> {
        let product = Product::on(selection);
        Ok(Self {
            flops: product.measure(runtime, selection.id.clone(), cancel)?,
            provider: selection.id.provider.word().to_owned(),
            compute: product.compute.word().to_owned(),
            onnxruntime: runtime.info().version.clone(),
            cores: machine.cores,
            devices: machine.devices.iter().map(|device| device.uuid.clone()).collect(),
            measured: Utc::now(),
        })
    }

    /// The measurement kept in `data_dir`; `None` if there is none, or if it is of another machine.
    pub fn load(data_dir: &Path, machine: &Machine) -> Result<Option<Self>> {
        let path = path_in(data_dir);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(&path).because(error)),
        };
        let peak: Self = serde_json::from_slice(&bytes).map_err(|error| unreadable(&path).because(error))?;
        Ok(Some(peak).filter(|peak| peak.is_of(machine)))
    }

    /// Keeps the measurement in `data_dir`.
    pub fn save(&self, data_dir: &Path) -> Result<()> {
        let bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::new(Kind::Bug, "Cannot write the peak speed").because(error))?;
        write_whole(&path_in(data_dir), &bytes)
    }

    fn is_of(&self, machine: &Machine) -> bool {
        let devices = machine.devices.iter().map(|device| &device.uuid);
        self.flops > 0.0 && self.cores == machine.cores && self.devices.iter().eq(devices)
    }
}

fn path_in(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE)
}

fn unreadable(path: &Path) -> Error {
    Error::new(Kind::Io, format!("Cannot read the peak speed in {}", path.display()))
        .remedy("Delete the file and measure again")
}

/// A chain of products of square matrices.
struct Product {
    size: usize,
    count: usize,
    compute: ComputeType,
}

impl Product {
    /// Large enough that nothing else takes time.
    fn on(selection: &ProviderSelection) -> Self {
        if selection.id.provider == Provider::Cpu {
            Self { size: 1024, count: 4, compute: ComputeType::Fp32 }
        } else {
            Self { size: 4096, count: 128, compute: ComputeType::Bf16 }
        }
    }

    fn graph(&self, weights: &Weights) -> Graph {
        let mut graph = GraphBuilder::new("matrix product", weights).with_compute(self.compute);
        let spec =
            |name: &str| ValueSpec::new(name, Dtype::F32, [Dim::Fixed(self.size), Dim::Fixed(self.size)]);
        let [first, factor] = ["first", "factor"].map(|name| {
            let input = graph.input(spec(name));
            graph.narrow(&input)
        });
        let product = (0..self.count).fold(first, |left, _| graph.op("MatMul", &[&left, &factor], &[]));
        let product = graph.widen(&product);
        graph.output(&product, spec("product"));
        graph.finish()
    }

    /// Operations per second of the fastest run.
    fn measure(&self, runtime: &Runtime, device: DeviceId, cancel: &CancelToken) -> Result<f64> {
        let options = SessionOptions { device, ..SessionOptions::default() };
        let mut session = Session::load(runtime, &self.graph(&Weights::none()), &options, cancel)?;
        // every product is this matrix again
        let matrix = ArrayD::from_elem(vec![self.size, self.size], 1.0 / self.size as f32);
        let mut run = || {
            let began = Instant::now();
            let inputs = vec![("first", Input::F32(matrix.view())), ("factor", Input::F32(matrix.view()))];
            session.run(inputs, cancel).map(|_| began.elapsed())
        };
        run()?;
        let began = Instant::now();
        let mut times = Vec::new();
        while times.len() < FEWEST || began.elapsed() < MEASURED {
            times.push(run()?);
        }
        let fastest = times.iter().min().copied().unwrap_or(MEASURED);
        let operations = 2.0 * (self.size as f64).powi(3) * self.count as f64;
        Ok(operations / fastest.as_secs_f64().max(1e-9))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_counts_for_its_own_machine_only() {
        let dir = tempfile::tempdir().unwrap();
        let machine = Machine { cores: 8, ..Machine::default() };
        assert_eq!(MachinePeak::load(dir.path(), &machine).unwrap(), None);
        let peak = MachinePeak { flops: 2e11, provider: "cpu".into(), cores: 8, ..MachinePeak::default() };
        peak.save(dir.path()).unwrap();
        assert_eq!(MachinePeak::load(dir.path(), &machine).unwrap(), Some(peak));
        assert_eq!(MachinePeak::load(dir.path(), &Machine { cores: 4, ..machine.clone() }).unwrap(), None);
        fs::write(dir.path().join(FILE), "{").unwrap();
        assert!(MachinePeak::load(dir.path(), &machine).is_err());
    }
}
