//! What identifies the content of a model, whatever its files are called and wherever they are.

use crate::core::sha256_hex;
use crate::wan::Checkpoint;

/// The content of a whole model; `None` if it cannot be read.
pub(super) fn content_of_model(model: &Checkpoint) -> Option<String> {
    let transformers = std::iter::once(&model.transformer).chain(&model.transformer_2);
    let mut lines = vec![model.fingerprint()];
    for weights in
        transformers.map(|part| &part.weights).chain([&model.text_encoder.weights, &model.vae.weights])
    {
        lines.push(weights.content().ok()?);
    }
    for file in model.exported.iter().flat_map(|exported| exported.graphs()).flat_map(|graph| graph.files()) {
        lines.push(file.canonicalize().ok()?.display().to_string());
    }
    Some(sha256_hex(lines.join("\n").as_bytes()))
}
