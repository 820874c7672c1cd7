//! Writes the files of a converted model that hold no weights: configurations, shard indices and the tokenizer.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::plan::Shard;
use super::progress::replace;
use super::shard::failed;
use crate::core::{Error, Kind, Mode, Result};
use crate::models::synth::configs;
use crate::onnx::Weights;
use crate::wan::Checkpoint;
use crate::wan::text::attached_tokenizer;

/// Writes all files without weights into `dir`.
///
/// Files of a diffusers folder `source` are copied, which keeps keys that this program does not use.
pub(super) fn write(model: &Checkpoint, source: &Path, shards: &[Shard<'_>], dir: &Path) -> Result<()> {
    let (text, vae) = (&model.text_encoder.config, &model.vae.config);
    let mut files = vec![
        ("model_index.json", model_index(model)),
        ("transformer/config.json", configs::transformer(&model.transformer.config)),
        ("text_encoder/config.json", configs::text_encoder(text)),
        ("vae/config.json", configs::vae(vae)),
        (
            "scheduler/scheduler_config.json",
            configs::scheduler(model.modes.first().copied().unwrap_or(Mode::T2V)),
        ),
    ];
    if let Some(second) = &model.transformer_2 {
        files.push(("transformer_2/config.json", configs::transformer(&second.config)));
    }
    let is_diffusers = source.join("model_index.json").is_file();
    for (path, made) in files {
        let target = dir.join(path);
        let copied = is_diffusers.then(|| fs::read(source.join(path)).ok()).flatten();
        let bytes = copied.unwrap_or_else(|| format!("{made:#}\n").into_bytes());
        put(&target, &bytes)?;
    }
    indices(shards, dir)?;
    tokenizer(&model.tokenizer, &dir.join("tokenizer"))
}

/// Writes a file and creates its folder.
fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    }
    replace(path, bytes)
}

fn model_index(model: &Checkpoint) -> Value {
    let transformer = json!(["diffusers", "WanTransformer3DModel"]);
    let second = if model.transformer_2.is_some() { transformer.clone() } else { json!([null, null]) };
    json!({
        "_class_name": if model.modes.contains(&Mode::I2V) { "WanImageToVideoPipeline" } else { "WanPipeline" },
        "boundary_ratio": model.boundary_ratio,
        "expand_timesteps": model.expand_timesteps,
        "lora": model.lora,
        "scheduler": ["diffusers", "UniPCMultistepScheduler"],
        "text_encoder": ["transformers", "UMT5EncoderModel"],
        "tokenizer": ["transformers", "T5TokenizerFast"],
        "transformer": transformer,
        "transformer_2": second,
        "vae": ["diffusers", "AutoencoderKLWan"],
    })
}

/// Writes `STEM.safetensors.index.json` for each component with several shards.
fn indices(shards: &[Shard<'_>], dir: &Path) -> Result<()> {
    let mut by_component: BTreeMap<&str, Vec<&Shard<'_>>> = BTreeMap::new();
    for shard in shards {
        by_component.entry(shard.component).or_default().push(shard);
    }
    for (component, shards) in by_component.into_iter().filter(|(_, shards)| shards.len() > 1) {
        let mut places = serde_json::Map::new();
        for shard in &shards {
            let file = shard.path.file_name().unwrap_or_default().to_string_lossy();
            places.extend(shard.tensors.iter().map(|tensor| (tensor.name.clone(), json!(file))));
        }
        let stem = if component == "text_encoder" { "model" } else { "diffusion_pytorch_model" };
        let size: u64 = shards.iter().map(|shard| shard.size()).sum();
        let index = json!({"metadata": {"total_size": size}, "weight_map": places});
        put(
            &dir.join(component).join(format!("{stem}.safetensors.index.json")),
            format!("{index:#}\n").as_bytes(),
        )?;
    }
    Ok(())
}

/// Copies the tokenizer from a folder, or extracts it from a ComfyUI text encoder file.
fn tokenizer(source: &Path, dir: &Path) -> Result<()> {
    let unreadable = |path: &Path, error: std::io::Error| {
        Error::new(Kind::MissingModel, format!("Cannot read the tokenizer {}", path.display()))
            .because(error)
            .remedy("Download the tokenizer of the model again")
    };
    if source.is_file() {
        let weights = Weights::from_files(&[source.to_path_buf()])?;
        let attached = attached_tokenizer(&weights)?
            .ok_or_else(|| unreadable(source, std::io::ErrorKind::NotFound.into()))?;
        return put(&dir.join("spiece.model"), &attached);
    }
    let entries = fs::read_dir(source).map_err(|error| unreadable(source, error))?;
    let mut files: Vec<PathBuf> =
        entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    for file in files {
        // weights in the same folder are converted elsewhere
        let is_weights = |extension: &OsStr| {
            ["safetensors", "sft", "gguf", "part"].iter().any(|known| extension.eq_ignore_ascii_case(known))
        };
        if file.extension().is_some_and(is_weights) {
            continue;
        }
        let is_ours =
            |name: &str| ["token", "spiece", "vocab", "special"].iter().any(|part| name.contains(part));
        if let Some(name) = file.file_name().filter(|name| is_ours(&name.to_string_lossy())) {
            let bytes = fs::read(&file).map_err(|error| unreadable(&file, error))?;
            put(&dir.join(name), &bytes)?;
        }
    }
    Ok(())
}
