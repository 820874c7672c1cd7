//! What identifies the content of a component, whatever its files are called and wherever they are.

use crate::core::{Result, sha256_hex};
use crate::onnx::{TensorInfo, Weights};
use crate::wan::Checkpoint;

/// Tensors of which a part is read.
const SAMPLES: usize = 4;
/// Bytes that are read of each of them.
const SAMPLE_BYTES: u64 = 4096;
/// Small tensors that training changes in every transformer.
const ALWAYS: [&str; 2] = ["scale_shift_table", "proj_out.bias"];

/// SHA-256 over the name, type and shape of every tensor, and over a part of the values of some of them. It takes a few
/// milliseconds for a file of any size, so it does not detect a change of a single value.
pub(super) fn content_of(weights: &Weights) -> Result<String> {
    let all: Vec<_> = weights.iter().collect();
    let line = |(name, info): &(&str, &TensorInfo)| format!("{name} {:?} {:?}\n", info.dtype, info.shape);
    let mut bytes = all.iter().map(line).collect::<String>().into_bytes();
    let step = all.len().div_ceil(SAMPLES).max(1);
    let evenly = all.iter().step_by(step).map(|(_, info)| *info);
    let always = ALWAYS.iter().filter_map(|name| weights.get(name).ok());
    for info in evenly.chain(always) {
        let len = SAMPLE_BYTES.min(info.len);
        let offset = info.offset + (info.len - len) / 2;
        bytes.extend(weights.bytes(&TensorInfo { offset, len, ..info.clone() })?);
    }
    Ok(sha256_hex(&bytes))
}

/// The content of a whole model; `None` if it cannot be read.
pub(super) fn content_of_model(model: &Checkpoint) -> Option<String> {
    let transformers = std::iter::once(&model.transformer).chain(&model.transformer_2);
    let mut lines = vec![model.fingerprint()];
    for weights in
        transformers.map(|part| &part.weights).chain([&model.text_encoder.weights, &model.vae.weights])
    {
        lines.push(content_of(weights).ok()?);
    }
    for file in model.exported.iter().flat_map(|exported| exported.graphs()).flat_map(|graph| graph.files()) {
        lines.push(file.canonicalize().ok()?.display().to_string());
    }
    Some(sha256_hex(lines.join("\n").as_bytes()))
}
