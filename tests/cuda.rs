//! The program on the CUDA provider under the recording libraries of `tests/cuda_recorder`: where it computes, with which
//! kernels, what it copies, how much device memory it takes, and how it fails. Nothing is computed, so videos are noise.
//!
//! Run with `tests/cuda_recorder/run.sh`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

#[path = "cuda/copies.rs"]
mod copies;
#[path = "cuda/devices.rs"]
mod devices;
#[path = "cuda/fp32.rs"]
mod fp32;
#[path = "cuda/speed.rs"]
mod speed;
#[path = "cuda/streamed.rs"]
mod streamed;

const MIB: u64 = 1 << 20;
const PAGE: u64 = 4096;

/// A data folder and the settings of the recorder.
struct Card {
    dir: tempfile::TempDir,
    settings: BTreeMap<&'static str, String>,
}

impl Card {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), settings: BTreeMap::new() }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.settings.insert(name, value.into());
        self
    }

    /// Runs the program under the recorder.
    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn command(&self, args: &[&str]) -> Command {
        let recorder = PathBuf::from(
            std::env::var_os("CUDA_RECORDER").unwrap_or_else(|| panic!("run tests/cuda_recorder/run.sh")),
        );
        let mut command = Command::new(env!("CARGO_BIN_EXE_wandeck"));
        command
            .args(args)
            .env("WANDECK_DATA_DIR", self.dir.path().join("data"))
            .env("MODELS_ROOT", Path::new(env!("CARGO_MANIFEST_DIR")).join("models"))
            .env("LD_LIBRARY_PATH", recorder.join("lib"))
            .env("ORT_DYLIB_PATH", recorder.join("site-packages/onnxruntime/capi/libonnxruntime.so.1.31.1"))
            .env("ORT_DISABLE_TELEMETRY", "1")
            .env("RECORDER_LOG", self.log())
            .envs(&self.settings);
        command
    }

    fn generate(&self, args: &[&str]) -> Output {
        self.generation(args).output().unwrap()
    }

    fn generation(&self, args: &[&str]) -> Command {
        let output = self.dir.path().join("out.mp4");
        let always = ["generate", "a red circle", "--provider", "cuda", "--events", "-o"];
        self.command(&[&always[..], &[output.to_str().unwrap()], args].concat())
    }

    /// The events of a job that is interrupted when its decode begins, which takes longest under the recorder.
    fn generate_until_decode(&self, args: &[&str]) -> Vec<Value> {
        let mut job = self.generation(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut events = Vec::new();
        for line in BufReader::new(job.stdout.take().unwrap()).lines() {
            let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
            if event["event"] == "stage_started" && event["stage"] == "decode" {
                let ended = Command::new("kill").args(["-TERM", &job.id().to_string()]).status();
                assert!(ended.unwrap().success());
            }
            events.push(event);
        }
        job.wait().unwrap();
        assert!(of(&events, "stage_started").any(|event| event["stage"] == "decode"), "{args:?}: {events:?}");
        events
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("record")
    }

    fn record(&self) -> Record {
        Record(std::fs::read_to_string(self.log()).unwrap_or_default())
    }
}

/// What the libraries wrote.
struct Record(String);

impl Record {
    /// The words after `event` of every line that begins with it.
    fn of<'a>(&'a self, event: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.0.lines().filter_map(move |line| line.strip_prefix(event)?.strip_prefix(' '))
    }

    /// Bytes of the copies between two places, for instance "pageable-device".
    fn copies(&self, between: &str) -> Vec<u64> {
        let bytes = self.of("copy").filter_map(|copy| copy.strip_prefix(between)?.trim().parse().ok());
        bytes.collect()
    }

    /// Copies of more than 1 MiB between memory of the host that is not page-locked and the device.
    fn large_pageable_copies(&self) -> usize {
        let both = ["pageable-device", "device-pageable"];
        both.iter().flat_map(|between| self.copies(between)).filter(|&bytes| bytes > MIB).count()
    }

    /// Launches after each copy of `bytes` bytes to the host until the next.
    fn launches_between_copies_of(&self, bytes: u64) -> Vec<usize> {
        let is_copy = |line: &str| {
            let copy = line.strip_prefix("copy device-p");
            copy.is_some_and(|copy| copy.split(' ').nth(1) == Some(&bytes.to_string()))
        };
        let lines: Vec<_> = self.0.lines().skip_while(|line| !is_copy(line)).collect();
        let between = lines.split(|line| is_copy(line));
        let mut counts: Vec<_> =
            between.map(|lines| lines.iter().filter(|line| line.starts_with("launch")).count()).collect();
        // what follows the last is the decoder's
        counts.pop();
        counts
    }

    /// Launches on the first device, and on the second.
    fn launches_on_two(&self) -> [usize; 2] {
        let second = self.of("launch").filter(|launch| launch.ends_with(" on 1")).count();
        [self.of("launch").count() - second, second]
    }

    /// How often a launch follows one on another device.
    fn switches(&self) -> usize {
        let launches: Vec<_> = self.of("launch").map(|launch| launch.ends_with(" on 1")).collect();
        launches.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }

    /// Peak of one device; the end of its lines is "" for the first, " on 1" for the second.
    fn peak_on(&self, end: &str) -> u64 {
        let peaks =
            self.of("end").filter_map(|line| line.strip_prefix("peak ")?.strip_suffix(end)?.parse().ok());
        peaks.max().unwrap_or_default()
    }

    fn peak(&self) -> u64 {
        self.of("end").filter_map(|end| end.strip_prefix("peak ")?.parse().ok()).max().unwrap_or_default()
    }
}

fn events(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of<'a>(events: &'a [Value], word: &'a str) -> impl Iterator<Item = &'a Value> + 'a {
    events.iter().filter(move |event| event["event"] == word)
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A model with official names and widths, one block, and weights that take no disk space.
fn synthetic(card: &Card, like: &str) -> PathBuf {
    synthetic_in(card, like, "bf16", "1")
}

/// Such a model in another type and with more blocks.
fn synthetic_in(card: &Card, like: &str, dtype: &str, layers: &str) -> PathBuf {
    let dir = card.dir.path().join(format!("{like}-{dtype}-{layers}"));
    // the one that has fp8
    let layout = if dtype == "fp8_scaled" { "comfy" } else { "diffusers" };
    let args = [
        "--layers",
        layers,
        "--text-layers",
        "1",
        "--vocab",
        "1000",
        "--dtype",
        dtype,
        "--layout",
        layout,
        "--sparse",
    ];
    let made = card.run(&[&["models", "synth", dir.to_str().unwrap(), "--like", like][..], &args].concat());
    assert!(made.status.success(), "{}", errors(&made));
    dir
}

#[test]
#[ignore = "needs the recorder: tests/cuda_recorder/run.sh"]
fn every_toy_runs_to_the_end_on_the_device_and_gives_all_memory_back() {
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/refs/input.png");
    let image = image.to_str().unwrap();
    for (model, more) in [
        ("toy-t2v-A14B", &[][..]),
        ("toy-i2v-A14B", &["--image", image][..]),
        ("toy-ti2v-5B", &["--image", image][..]),
        ("toy-t2v-A14B", &["--precision", "fp16"][..]),
        ("toy-t2v-A14B", &["--precision", "fp32"][..]),
    ] {
        let card = Card::new();
        let run = card.generate(&[&["--model", model, "--steps", "4"][..], more].concat());
        assert!(run.status.success(), "{model} {more:?}: {}", errors(&run));
        let events = events(&run);
        let outcome = &of(&events, "finished").next().unwrap()["outcome"];
        assert_eq!(outcome["provider"], "cuda");
        let record = card.record();
        assert!(record.of("gemm").count() > 100, "{model}: the device computes");
        for wrong in ["invalid", "unexpected", "refused"] {
            assert_eq!(record.of(wrong).next(), None, "{model} {more:?}");
        }
        assert_eq!(record.of("malloc").count(), record.of("free").count(), "{model} {more:?}");
        let last = record.of("free").last().unwrap();
        assert!(last.ends_with(" now 0"), "{model} {more:?}: {last}");
    }
}

/// The transformer of real width attends in cuDNN on every generation that has tensor cores for bf16; Turing, which cuDNN's
/// attention leaves out, in the memory-efficient kernel. None computes the whole matrix of scores.
#[test]
#[ignore = "needs the recorder: tests/cuda_recorder/run.sh"]
fn attention_runs_in_the_fast_kernel_of_each_generation() {
    let maker = Card::new();
    let model = synthetic(&maker, "ti2v-5B");
    let args = ["--model", model.to_str().unwrap(), "--size", "64x64", "--frames", "1", "--steps", "1"];
    let cudnn = |capability: u32| {
        let card = Card::new().with("RECORDER_CAPABILITY", capability.to_string());
        let run = card.generate(&[&args[..], &["--guidance", "1"]].concat());
        assert!(run.status.success(), "{capability}: {}", errors(&run));
        let record = card.record();
        let half = ["cutlass10bfloat16_t", "cutlass6half_t"].map(|name| {
            let attention = |launch: &&str| launch.contains("AttentionKernel") && launch.contains(name);
            record.of("launch").filter(attention).count()
        });
        (record.of("cudnn").filter(|call| *call == "execute").count(), half)
    };
    // the decoder's convolutions are calls of cuDNN too, and the same everywhere
    let (turing, half) = cudnn(75);
    assert_eq!(half, [0, 2], "own and cross attention of the block");
    for capability in [80, 86, 89, 90, 120] {
        assert_eq!(cudnn(capability), (turing + 2, [0, 0]), "compute capability {capability}");
    }
}

/// Between the steps only latents, time and text travel, each once a forward. In the middle the host waits for each block,
/// and for nothing else: a device that was given a whole forward could not be stopped before its end.
#[test]
#[ignore = "needs the recorder: tests/cuda_recorder/run.sh"]
fn a_step_copies_no_weights_and_waits_once_in_a_block() {
    /// Bytes of the shape that is read back.
    const SHAPE: u64 = 8;
    let copies = |steps: &str| {
        let card = Card::new();
        let run = card.generate(&["--model", "toy-t2v-A14B", "--steps", steps, "--guidance", "1"]);
        assert!(run.status.success(), "{}", errors(&run));
        let record = card.record();
        let to: u64 =
            ["pageable-device", "pinned-device"].iter().flat_map(|place| record.copies(place)).sum();
        let back = [record.copies("device-pageable"), record.copies("device-pinned")].concat();
        let shapes = back.iter().filter(|&&bytes| bytes == SHAPE).count();
        (to, back.len() - shapes, shapes, record)
    };
    let (few_bytes, few_back, few_shapes, _) = copies("4");
    let (many_bytes, many_back, many_shapes, record) = copies("12");
    assert!(many_bytes - few_bytes < 8 * MIB, "{} bytes in 8 steps", many_bytes - few_bytes);
    assert_eq!(many_back - few_back, 8, "one result a step comes back");
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B/transformer/config.json");
    let config: Value = serde_json::from_str(&std::fs::read_to_string(config).unwrap()).unwrap();
    let blocks = config["num_layers"].as_u64().unwrap() as usize;
    assert_eq!(many_shapes - few_shapes, 8 * blocks, "one shape a block");
    // between two of them, no more is launched than a block and the ends of a forward have
    let waits = record.0.lines().filter(|line| line.starts_with("wait event")).count();
    assert!(waits >= many_shapes, "{waits} waits for {many_shapes} shapes");
    let at_once = record.launches_between_copies_of(SHAPE).into_iter().max().unwrap();
    assert!((10..100).contains(&at_once), "{at_once} launches");
}

/// The transformer for a card has no convolution, so that nothing of it but attention is up to cuDNN.
#[test]
#[ignore = "needs the recorder: tests/cuda_recorder/run.sh"]
fn a_step_has_no_convolution() {
    let convolutions = |steps: &str| {
        // fp32 has no attention in cuDNN
        let card = Card::new();
        let args = ["--model", "toy-t2v-A14B", "--precision", "fp32", "--guidance", "1", "--steps", steps];
        let run = card.generate(&args);
        assert!(run.status.success(), "{}", errors(&run));
        card.record().of("cudnn").filter(|call| *call == "execute").count()
    };
    let few = convolutions("4");
    assert!(few > 0, "the decoder has some");
    assert_eq!(convolutions("12"), few);
}

#[test]
#[ignore = "needs the recorder: tests/cuda_recorder/run.sh"]
fn a_job_for_the_card_that_does_not_fit_fails_and_never_runs_on_the_cpu() {
    let whole = Card::new();
    assert!(whole.generate(&["--model", "toy-t2v-A14B", "--steps", "2"]).status.success());
    let needed = whole.record().peak();
    assert!(needed > MIB);
    for (name, value) in [
        ("RECORDER_MEMORY_MIB", (needed / MIB / 2).to_string()),
        ("RECORDER_FAIL_ALLOCATION", "40".to_owned()),
    ] {
        let card = Card::new().with(name, value);
        let run = card.generate(&["--model", "toy-t2v-A14B", "--steps", "2"]);
        assert!(!run.status.success(), "{name}: {}", errors(&run));
        let events = events(&run);
        let failed = of(&events, "failed").next().unwrap_or_else(|| panic!("{name}: {events:?}"));
        assert_eq!(failed["error"]["category"], "vram_memory", "{name}: {failed}");
        let on_cpu = of(&events, "runs_on").filter(|event| event["provider"] == "cpu").count();
        assert_eq!(on_cpu, 0, "{name}");
    }
}

#[test]
#[ignore = "needs the recorder: tests/cuda_recorder/run.sh"]
fn a_lost_device_ends_the_job_with_a_sentence_and_never_runs_on_the_cpu() {
    let card = Card::new().with("RECORDER_FAIL_LAUNCH", "900");
    let run = card.generate(&["--model", "toy-t2v-A14B", "--steps", "4"]);
    assert!(!run.status.success());
    let events = events(&run);
    assert_eq!(of(&events, "runs_on").filter(|event| event["provider"] == "cpu").count(), 0);
    let failed = of(&events, "failed").next().unwrap();
    let error = &failed["error"];
    assert_eq!(error["kind"], "device_lost");
    assert!(error["message"].as_str().unwrap().contains("cudaErrorLaunchFailure"), "{error}");
    assert!(error["remedy"].as_str().unwrap().contains("Restart Wandeck"), "{error}");
    assert!(error["remedy"].as_str().unwrap().contains("Xid"), "{error}");
    assert_eq!(of(&events, "retrying").count(), 0, "no retry in this process can succeed");
    let tasks: Value = serde_json::from_slice(&card.run(&["tasks", "--json"]).stdout).unwrap();
    assert_eq!(tasks[0]["error"]["suggestions"][0], "Run on the CPU", "{tasks}");
}

/// Every job behind the first would fail in the same way: they stay queued, and the next program makes them.
#[test]
#[ignore = "needs the recorder: tests/cuda_recorder/run.sh"]
fn a_lost_device_leaves_the_jobs_in_the_queue_for_the_next_program() {
    let card = Card::new().with("RECORDER_FAIL_LAUNCH", "900");
    for seed in ["1", "2"] {
        let add = ["queue", "add", "a red circle", "--model", "toy-t2v-A14B", "--steps", "4"];
        assert!(card.run(&[&add[..], &["--provider", "cuda", "--seed", seed]].concat()).status.success());
    }
    let run = card.run(&["queue", "run"]);
    let said = errors(&run);
    assert!(
        !run.status.success() && said.contains("This program lost the CUDA device; start it again"),
        "{said}"
    );
    let states = |card: &Card| {
        let list = card.run(&["queue", "list", "--json"]);
        let list: Value = serde_json::from_slice(&list.stdout).unwrap();
        let jobs = list["jobs"].as_array().unwrap().clone();
        jobs.iter().map(|job| job["status"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(states(&card), ["queued", "queued"]);
    let whole = Card { settings: BTreeMap::new(), ..card };
    let run = whole.run(&["queue", "run"]);
    assert!(run.status.success(), "{}", errors(&run));
    assert_eq!(states(&whole), ["done", "done"]);
}

/// The decoder takes the whole image where the device has the memory, else tiles; the forecast covers what it takes.
#[test]
#[ignore = "needs the recorder: tests/cuda_recorder/run.sh"]
fn the_image_is_decoded_whole_where_the_memory_of_the_device_suffices() {
    let maker = Card::new();
    let model = synthetic(&maker, "t2v-A14B");
    let clip = ["--model", model.to_str().unwrap(), "--size", "832x480", "--frames", "9", "--steps", "1"];
    for (memory, tiled) in [(81_920, false), (16_384, true)] {
        let card = Card::new().with("RECORDER_MEMORY_MIB", memory.to_string());
        let run = card.generate(&[&clip[..], &["--guidance", "1"]].concat());
        assert!(run.status.success(), "{memory}: {}", errors(&run));
        let events = events(&run);
        let notes: Vec<_> = of(&events, "note").filter_map(|note| note["message"].as_str()).collect();
        assert_eq!(
            notes.iter().any(|note| note.contains("The VAE decodes in")),
            tiled,
            "{memory}: {notes:?}"
        );
        let peak = card.record().peak();
        assert!(peak < memory * MIB, "{memory}: {peak}");
        let args =
            [&["generate", "a", "--provider", "cuda", "--guidance", "1", "--dry-run", "--json"], &clip[..]];
        let plan: Value = serde_json::from_slice(&card.run(&args.concat()).stdout).unwrap();
        let decode =
            plan["device"].as_array().unwrap().iter().find(|stage| stage["stage"] == "decode").unwrap();
        assert!(decode["peak_mb"].as_f64().unwrap() * MIB as f64 > peak as f64, "{memory}: {decode} {peak}");
    }
}

/// ONNX Runtime's rotary embedding takes a quarter of a step on a real card.
#[test]
#[ignore = "needs the recorder: tests/cuda_recorder/run.sh"]
fn no_step_runs_the_slow_rotary_embedding() {
    let card = Card::new();
    let run = card.generate(&["--model", "toy-t2v-A14B", "--steps", "2"]);
    assert!(run.status.success(), "{}", errors(&run));
    let record = card.record();
    assert_eq!(record.of("launch").find(|launch| launch.contains("RotaryEmbedding")), None);
}

/// fp8 weights take one byte each on the device: they are dequantised for each product, and not before.
#[test]
#[ignore = "needs the recorder: tests/cuda_recorder/run.sh"]
fn weights_of_8_bits_stay_so_on_the_device() {
    /// Weights of the matrices of a block of A14B: eight for attention, two of the feed-forward.
    const BLOCK: u64 = 8 * 5120 * 5120 + 2 * 5120 * 13824;
    let maker = Card::new();
    let peak = |layers: &str| {
        let model = synthetic_in(&maker, "t2v-A14B", "fp8_scaled", layers);
        let clip = ["--model", model.to_str().unwrap(), "--size", "64x64", "--frames", "1", "--steps", "2"];
        let card = Card::new();
        let run = card.generate(&[&clip[..], &["--guidance", "1"]].concat());
        assert!(run.status.success(), "{}", errors(&run));
        let record = card.record();
        assert!(record.of("launch").filter(|launch| launch.contains("DequantizeLinear")).count() > 50);
        let dry_run = ["generate", "a", "--provider", "cuda", "--guidance", "1", "--dry-run", "--json"];
        let plan: Value = serde_json::from_slice(&card.run(&[&dry_run[..], &clip].concat()).stdout).unwrap();
        let stages = plan["device"].as_array().unwrap();
        let forecast = stages.iter().filter_map(|stage| stage["peak_mb"].as_f64()).fold(0.0, f64::max);
        assert!(forecast * MIB as f64 > record.peak() as f64, "{forecast} {}", record.peak());
        record.peak()
    };
    let block = (peak("5") - peak("3")) / 2;
    assert!((BLOCK * 98 / 100..BLOCK * 102 / 100).contains(&block), "{block} bytes a block");
}

#[test]
#[ignore = "needs the recorder: tests/cuda_recorder/run.sh"]
fn an_int8_model_runs_on_the_device() {
    let card = Card::new();
    let made = card.run(&["models", "convert", "toy-t2v-A14B", "--precision", "int8"]);
    assert!(made.status.success(), "{}", errors(&made));
    let run = card.generate(&["--model", "toy-t2v-A14B-int8", "--steps", "4"]);
    assert!(run.status.success(), "{}", errors(&run));
    let outcome = &of(&events(&run), "finished").next().unwrap()["outcome"].clone();
    assert_eq!((&outcome["provider"], &outcome["precision"]), (&"cuda".into(), &"bf16".into()), "{outcome}");
    let record = card.record();
    assert!(record.of("launch").filter(|launch| launch.contains("DequantizeLinear")).count() > 100);
    for wrong in ["invalid", "unexpected", "refused"] {
        assert_eq!(record.of(wrong).next(), None);
    }
}
