//! Files of every format that is read, changed at random: an error or a result, never a panic, an abort or a hang.
//!
//! `WANDECK_MUTATIONS=1000 cargo test --release --test attack mutations -- --nocapture` tries so many of each.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop"
)]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, bounded};
use rand_mt::Mt;
use wandeck::core::{CancelToken, Faults, Fps, Frame, FrameCount, Resolution};
use wandeck::media::{Existing, Metadata, OutputTarget, Reader, SourceImage, Writer, read_metadata};
use wandeck::models;
use wandeck::onnx::{RowReader, Weights};
use wandeck::queue::Queue;
use wandeck::store::{Settings, read_tensors, write_tensors};
use wandeck::wan::names::{ComponentKind, recognise};
use wandeck::wan::text::Tokenizer;

use crate::common;

/// How long one input may take.
const LONGEST: Duration = Duration::from_secs(5);
/// Numbers that lengths and counts are replaced by.
const NUMBERS: [&str; 7] = ["0", "-1", "1099511627776", "9223372036854775808", "1e39", "65535", "null"];

/// Changes bytes as files are damaged, and as somebody who wants to do harm would.
fn mutate(bytes: &[u8], random: &mut Mt) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=random.next_u32() % 4 {
        let at = random.next_u32() as usize % bytes.len().max(1);
        match random.next_u32() % 8 {
            0 => bytes.truncate(at),
            1 | 2 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (random.next_u32() % 8)),
            3 => {
                let value = [0, u32::MAX, 0x7fff_ffff, 0x00ff_ff00][random.next_u32() as usize % 4];
                let value = value.to_be_bytes();
                bytes.iter_mut().skip(at).zip(value).for_each(|(byte, value)| *byte = value);
            }
            4 => {
                let end = (at + 1 + random.next_u32() as usize % 64).min(bytes.len());
                let copy = bytes.get(at..end).unwrap_or_default().to_vec();
                bytes.splice(at..at, copy);
            }
            5 => {
                let end = (at + 1 + random.next_u32() as usize % 16).min(bytes.len());
                bytes.drain(at.min(end)..end);
            }
            6 => replace_number(&mut bytes, at, random),
            _ => bytes.splice(at..at, b"[{(".repeat(1 + random.next_u32() as usize % 300)).for_each(drop),
        }
    }
    bytes
}

/// Replaces the first number in text after `at`.
fn replace_number(bytes: &mut Vec<u8>, at: usize, random: &mut Mt) {
    let Some(start) = (at..bytes.len()).find(|&index| bytes[index].is_ascii_digit()) else { return };
    let end = (start..bytes.len()).find(|&index| !bytes[index].is_ascii_digit()).unwrap_or(bytes.len());
    bytes.splice(start..end, NUMBERS[random.next_u32() as usize % NUMBERS.len()].bytes());
}

/// Tries changed forms of `original` for a bounded time, or as many as `WANDECK_MUTATIONS` says.
fn attack(name: &'static str, original: Vec<u8>, seed: u32, attempt: impl Fn(&[u8]) + Send + 'static) {
    let wanted: Option<u32> = std::env::var("WANDECK_MUTATIONS").ok().map(|text| text.parse().unwrap());
    let (sender, tried) = bounded(1);
    let body = move || {
        let (mut random, began, mut count) = (Mt::new(seed), Instant::now(), 0);
        while wanted.map_or_else(|| began.elapsed() < Duration::from_millis(700), |wanted| count < wanted) {
            let bytes = mutate(&original, &mut random);
            let whole = catch_unwind(AssertUnwindSafe(|| attempt(&bytes))).is_ok();
            if sender.send((whole, bytes)).is_err() {
                return;
            }
            count += 1;
        }
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(body).unwrap();
    let mut count = 0;
    loop {
        match tried.recv_timeout(LONGEST + Duration::from_secs(1)) {
            Ok((true, _)) => count += 1,
            Ok((false, bytes)) => panic!("{name}: a panic over {}", kept(name, &bytes).display()),
            Err(RecvTimeoutError::Timeout) => panic!("{name}: input {count} hangs"),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    assert!(count > 0, "{name}");
    println!("{name}: {count} inputs");
}

fn kept(name: &str, bytes: &[u8]) -> PathBuf {
    let path = std::env::temp_dir().join(format!("wandeck-{name}.bad"));
    fs::write(&path, bytes).unwrap();
    path
}

fn scene(time: u32) -> Frame {
    let size = Resolution::new(48, 32);
    let rgb = (0..size.area() as u32 * 3).map(|index| (index * 7 + time * 31) as u8).collect();
    Frame { size, rgb }
}

/// The bytes of a small file that is made by `name`'s format.
fn media(name: &str, frames: u32) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    let target = OutputTarget::parse(&path, FrameCount(frames), Existing::NextFree).unwrap();
    let mut writer = Writer::create(&target, scene(0).size, Fps(8), FrameCount(frames)).unwrap();
    (0..frames).for_each(|time| writer.push(&scene(time)).unwrap());
    writer.finish(&Metadata::new("a comment", r#"{"seed":1}"#)).unwrap().place(&mut |_| Ok(())).unwrap();
    fs::read(path).unwrap()
}

fn still(format: image::ImageFormat) -> Vec<u8> {
    let frame = scene(3);
    let image = image::RgbImage::from_raw(frame.size.width, frame.size.height, frame.rgb).unwrap();
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Reads a media file in every way in which the program does.
fn read_media(path: &Path) {
    drop(read_metadata(path));
    drop(SourceImage::open(path));
    drop(SourceImage::last_of(path, &CancelToken::new()));
    if let Ok(mut reader) = Reader::open(path) {
        for _ in 0..20 {
            if !matches!(reader.next_frame(), Ok(Some(_))) {
                break;
            }
        }
    }
}

fn attack_media(name: &'static str, original: Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    attack(name, original, name.len() as u32, move |bytes| {
        let path = dir.path().join("file");
        fs::write(&path, bytes).unwrap();
        read_media(&path);
    });
}

#[test]
fn images_and_videos() {
    attack_media("gif", media("a.gif", 4));
    attack_media("mp4", media("a.mp4", 6));
    attack_media("png", media("a.png", 1));
    attack_media("jpeg", still(image::ImageFormat::Jpeg));
    attack_media("webp", still(image::ImageFormat::WebP));
    attack_media("bmp", still(image::ImageFormat::Bmp));
    attack_media("tiff", still(image::ImageFormat::Tiff));
    attack_media("pnm", still(image::ImageFormat::Pnm));
    // made by ffmpeg, in three fragments
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    attack_media("fragmented mp4", fs::read(tests.join("fixtures/media/fragmented.mp4")).unwrap());
}

#[test]
fn model_files() {
    let toy = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B");
    let bytes = fs::read(toy.join("text_encoder/model.safetensors")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let length = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize + 8;
    let (header, data) = (bytes[..length].to_vec(), bytes[length..].to_vec());
    attack("safetensors", header, 21, move |header| {
        let path = dir.path().join("m.safetensors");
        fs::write(&path, [header, &data].concat()).unwrap();
        if let Ok(weights) = Weights::from_files(&[path]) {
            drop(wandeck::wan::infer::text_encoder(&weights, None));
        }
    });
    for (seed, file) in ["transformer/config.json", "vae_decoder/config.json", "text_encoder/config.json"]
        .into_iter()
        .enumerate()
    {
        let dir = tempfile::tempdir().unwrap();
        let model = dir.path().join("m");
        common::copy_all(&common::golden_model("tiny-t2v-onnx"), &model);
        let original = fs::read(model.join(file)).unwrap();
        attack("config", original, seed as u32, move |bytes| {
            let _kept = &dir;
            fs::write(model.join(file), bytes).unwrap();
            if let Ok(model) = models::open(&model) {
                drop(model.limits());
            }
        });
    }
    let dir = tempfile::tempdir().unwrap();
    let original = fs::read(toy.join("tokenizer/tokenizer.json")).unwrap();
    attack("tokenizer", original, 22, move |bytes| {
        fs::write(dir.path().join("tokenizer.json"), bytes).unwrap();
        if let Ok(tokenizer) = Tokenizer::open(dir.path()) {
            drop(tokenizer.encode(&"a red circle moves right ".repeat(40), 512));
        }
    });
}

/// Bytes of a GGUF file that hold its header, or most of it.
const GGUF_HEADER: usize = 12 << 10;

#[test]
fn gguf_files() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/gguf");
    for (seed, name) in (41..).zip(["blocks.gguf", "wan.gguf", "umt5_tokens.gguf"]) {
        let bytes = fs::read(golden.join(name)).unwrap();
        let (header, data) = bytes.split_at(GGUF_HEADER.min(bytes.len()));
        let data = data.to_vec();
        let dir = tempfile::tempdir().unwrap();
        attack(name, header.to_vec(), seed, move |header| {
            let path = dir.path().join("m.gguf");
            fs::write(&path, [header, &data].concat()).unwrap();
            read_gguf(&path);
        });
    }
}

/// Reads a GGUF file in every way in which the program does.
fn read_gguf(path: &Path) {
    if let Ok(tokenizer) = Tokenizer::open(path) {
        drop(tokenizer.encode("a red circle", 512));
    }
    let Ok(weights) = Weights::from_files(&[path.to_owned()]) else { return };
    for (name, _) in weights.iter() {
        if let Ok(reader) = RowReader::new(&weights, name) {
            drop(reader.values(0..reader.num_values().min(1 << 16)));
        }
    }
    for found in recognise(&weights).unwrap_or_default() {
        match found.kind {
            ComponentKind::Transformer => drop(wandeck::wan::infer::transformer(&found.weights, None)),
            ComponentKind::TextEncoder => drop(wandeck::wan::infer::text_encoder(&found.weights, None)),
            ComponentKind::Vae => drop(wandeck::wan::infer::vae(&found.weights, None)),
        }
    }
}

#[test]
fn own_files() {
    let dir = tempfile::tempdir().unwrap();
    Settings::default().save(dir.path()).unwrap();
    let original = fs::read(Settings::path_in(dir.path())).unwrap();
    attack("settings", original, 31, move |bytes| {
        fs::write(Settings::path_in(dir.path()), bytes).unwrap();
        drop(Settings::load(dir.path()));
    });
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.safetensors");
    let tensor = ndarray::ArrayD::<f32>::zeros(vec![1, 4, 3]);
    let about = std::iter::once(("wandeck.steps".to_owned(), "3".to_owned())).collect();
    write_tensors(&path, &[("latents", tensor.view())], Some(about)).unwrap();
    attack("latents", fs::read(&path).unwrap(), 32, move |bytes| {
        let _kept = &dir;
        fs::write(&path, bytes).unwrap();
        drop(read_tensors(&path));
    });
    let dir = tempfile::tempdir().unwrap();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B");
    let draft = wandeck::presets::by_name("toy-t2v").unwrap().draft("a red circle");
    let mut queue = Queue::open(dir.path(), "a test", &Faults::default()).unwrap();
    for name in ["a.mp4", "b.mp4"] {
        queue.add(wandeck::jobs::JobSpec::new(draft.clone(), model.clone(), name.into()), false).unwrap();
    }
    drop(queue);
    let journal = dir.path().join("queue/journal");
    attack("journal", fs::read(&journal).unwrap(), 33, move |bytes| {
        fs::write(&journal, bytes).unwrap();
        let mut queue = Queue::open(dir.path(), "a test", &Faults::default()).unwrap();
        queue.take_notes();
        for entry in fs::read_dir(dir.path().join("queue")).unwrap().map(Result::unwrap) {
            if entry.file_name().to_string_lossy().contains("damaged") {
                fs::remove_file(entry.path()).unwrap();
            }
        }
    });
}
