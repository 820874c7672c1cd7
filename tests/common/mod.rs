//! What several integration tests need.

#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

pub(crate) mod gguf;
pub(crate) mod layouts;

use anyhow::Context as _;
use ndarray::ArrayD;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use wandeck::core::{
    CancelToken, ComponentFiles, DeviceChoices, Draft, Event, Outcome, PrecisionChoice, ProviderChoice,
    Resolution, Sampler, WeightsChoice,
};
use wandeck::engine::runtime::{self, Runtime};
use wandeck::jobs::{JobId, JobSpec};
use wandeck::media::Reader;
use wandeck::queue::Scope;
use wandeck::worker::{Worker, WorkerOptions};

/// How long a test waits for an event.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// The folder of the checkout where tests keep what is fetched once and not committed.
pub(crate) fn data_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-data")
}

/// The program on a data folder, with the models of the checkout.
pub(crate) fn program(data_dir: &Path) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_wandeck"));
    program
        .env("WANDECK_DATA_DIR", data_dir)
        .env("MODELS_ROOT", Path::new(env!("CARGO_MANIFEST_DIR")).join("models"));
    program
}

/// A program that heeds Ctrl+C and a closed terminal. A shell that starts the tests in the background has them ignore SIGINT,
/// and nohup SIGHUP, and so would the program.
pub(crate) fn with_signals_as_in_a_terminal(program: &Path) -> Command {
    if cfg!(target_os = "linux") {
        let mut env = Command::new("env");
        env.arg("--default-signal=INT,HUP").arg(program);
        env
    } else {
        Command::new(program)
    }
}

/// The request of `refs/pipeline_t2v.json`; a test that asks for something else changes its fields.
pub(crate) fn draft() -> Draft {
    Draft {
        prompt: "a red circle moves left on a white background".into(),
        negative_prompt: "a blurred grey square".into(),
        model: "tiny-t2v".into(),
        mode: None,
        start_image: None,
        end_image: None,
        continue_from: None,
        seed: 42,
        steps: 6,
        guidance: 4.0,
        guidance_low: Some(3.0),
        shift: 12.0,
        sampler: Sampler::UniPc,
        step_list: None,
        size: Resolution::new(96, 64),
        frames: 9,
        fps: 16,
        provider: ProviderChoice::Auto,
        precision: PrecisionChoice::Auto,
        loras: Vec::new(),
        vae_tile: None,
        weights: WeightsChoice::Auto,
        step_cache: None,
        boundary: None,
        components: ComponentFiles::default(),
        devices: DeviceChoices::default(),
        latents_in: None,
    }
}

/// The runtime of the checkout, fetched by the first test that asks and waited for by the others.
pub(crate) fn runtime() -> Runtime {
    runtime::ensure(&data_dir(), &CancelToken::new(), &mut |_| {}).unwrap()
}

/// Makes the half written files of a folder old enough that the next program takes them for leftovers.
pub(crate) fn make_old_if_half(folder: &Path) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let half =
        entries.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')));
    for path in half.filter(|path| path.is_file()) {
        let file = std::fs::File::options().append(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_mins(1)).unwrap();
    }
}

/// A tiny random model of tests/golden, as a diffusers folder.
pub(crate) fn golden_model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/models").join(name)
}

/// A tiny random model as a whole folder: the golden ones share tiny-t2v's text encoder and VAE.
pub(crate) fn whole_golden_model(name: &str, parent: &Path) -> PathBuf {
    let whole = parent.join(name);
    for part in ["text_encoder", "tokenizer", "vae"] {
        copy_all(&golden_model("tiny-t2v").join(part), &whole.join(part));
    }
    copy_all(&golden_model(name), &whole);
    whole
}

/// Copies a folder with all that is in it.
pub(crate) fn copy_all(from: &Path, to: &Path) {
    copy_folder(from, to).unwrap();
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("Cannot create {}", to.display()))?;
    for entry in std::fs::read_dir(from).with_context(|| format!("Cannot read {}", from.display()))? {
        let entry = entry?.path();
        let target = to.join(entry.file_name().context("A folder has entries with names")?);
        if entry.is_dir() {
            copy_folder(&entry, &target)?;
        } else {
            std::fs::copy(&entry, target).with_context(|| format!("Cannot copy {}", entry.display()))?;
        }
    }
    Ok(())
}

/// `config.json` of a component.
pub(crate) fn config<C: serde::de::DeserializeOwned>(dir: &Path) -> C {
    read_json(&dir.join("config.json")).unwrap()
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let json = std::fs::read(path).with_context(|| format!("Cannot read {}", path.display()))?;
    serde_json::from_slice(&json).with_context(|| format!("Cannot parse {}", path.display()))
}

/// The tensors that diffusers computed, in a file of tests/golden/refs.
pub(crate) fn golden(name: &str) -> TensorFile {
    let refs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/refs");
    tensors(&refs.join(format!("{name}.safetensors")))
}

/// The tensors of a safetensors file.
pub(crate) fn tensors(path: &Path) -> TensorFile {
    TensorFile(std::fs::read(path).with_context(|| format!("Cannot read {}", path.display())).unwrap())
}

/// The bytes of a safetensors file.
pub(crate) struct TensorFile(Vec<u8>);

impl TensorFile {
    /// fp32 elements of `name`.
    pub(crate) fn f32(&self, name: &str) -> ArrayD<f32> {
        self.read(name, |bytes: [u8; 4]| f32::from_le_bytes(bytes))
    }

    /// Integers of `name`.
    pub(crate) fn i64(&self, name: &str) -> ArrayD<i64> {
        self.read(name, |bytes: [u8; 8]| i64::from_le_bytes(bytes))
    }

    /// Bytes of `name`.
    pub(crate) fn u8(&self, name: &str) -> ArrayD<u8> {
        self.read(name, |[byte]: [u8; 1]| byte)
    }

    fn read<T, const N: usize>(&self, name: &str, element: impl Fn([u8; N]) -> T) -> ArrayD<T> {
        let file = safetensors::SafeTensors::deserialize(&self.0).unwrap();
        let view = file.tensor(name).unwrap();
        let values = view.data().chunks_exact(N).map(|bytes| element(bytes.try_into().unwrap())).collect();
        ArrayD::from_shape_vec(view.shape().to_vec(), values).unwrap()
    }
}

/// All events of a job, the terminal one last.
pub(crate) fn events_of(worker: &Worker, id: JobId) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let (from, event) = worker.events().recv_timeout(PATIENCE).unwrap();
        assert_eq!(from, id);
        let last = event.is_terminal();
        events.push(event);
        if last {
            return events;
        }
    }
}

/// The outcome of a job that must have finished.
pub(crate) fn finished(events: &[Event]) -> &Outcome {
    match events.last() {
        Some(Event::Finished { outcome }) => outcome,
        other => panic!("not finished: {other:?}"),
    }
}

/// All pixels of a video or folder of frames.
pub(crate) fn frames(path: &Path) -> Vec<u8> {
    let mut reader = Reader::open(path).unwrap();
    let mut bytes = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        bytes.extend(frame.rgb);
    }
    bytes
}

/// An engine on the checkout's runtime, with a queue of its own.
pub(crate) struct TestWorker {
    worker: Worker,
    _dir: TempDir,
}

impl TestWorker {
    /// Hands over work and waits until it is taken.
    pub(crate) fn submit(&self, work: JobSpec) -> JobId {
        self.worker.submit(work).unwrap().recv().unwrap().unwrap()
    }
}

impl std::ops::Deref for TestWorker {
    type Target = Worker;

    fn deref(&self) -> &Worker {
        &self.worker
    }
}

/// An engine on the checkout's runtime, with a queue of its own.
pub(crate) fn worker() -> TestWorker {
    let dir = fresh_data_dir();
    let service = WorkerOptions {
        back_off: Duration::from_millis(1),
        ..WorkerOptions::new("a test", Scope::Everything)
    };
    let worker = Worker::start(dir.path().into(), service, Arc::new(|| {})).unwrap();
    TestWorker { worker, _dir: dir }
}

/// An empty data folder that has the checkout's runtime.
pub(crate) fn fresh_data_dir() -> TempDir {
    runtime();
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(data_dir().join("runtime"), dir.path().join("runtime")).unwrap();
    dir
}

/// The bar for frames: 99.9 % equal, and never off by more than 1.
pub(crate) fn assert_same_frames(what: &str, found: &[u8], expected: &ArrayD<u8>) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let differences: Vec<_> = found.iter().zip(expected).map(|(a, b)| a.abs_diff(*b)).collect();
    let same = differences.iter().filter(|&&difference| difference < 1).count();
    let equal = same as f64 / differences.len() as f64;
    let most = differences.iter().max().unwrap();
    assert!(equal >= 0.999 && *most <= 1, "{what}: {equal} equal, at most {most} off");
}
