//! The arguments of `wandeck generate`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::value::named;
use crate::core::{
    Expert, LoraChoice, Mode, PrecisionChoice, ProviderChoice, Resolution, Sampler, WeightsChoice,
};
use crate::plan::{DeviceChange, GuidanceChoice, SeedChoice, StepCacheChoice};

#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(in crate::cli) struct Generate {
    /// Prompt that describes the video, or "-" to read it from standard input; optional with a start image
    #[arg(default_value = "")]
    pub(in crate::cli) prompt: String,
    /// Model id or folder [default: the preset's, else chosen by what is given]
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) model: Option<String>,
    /// Preset to start from; other options override it [default: the model's]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) preset: Option<String>,
    /// t2v, i2v or ti2v [default: follows from the prompt, the images and the model]
    #[arg(long, value_parser = named::<Mode>)]
    pub(in crate::cli) mode: Option<Mode>,
    /// Start image: PNG, JPEG, WebP, BMP, TIFF or PNM
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) image: Option<PathBuf>,
    /// End image, used with a start image
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) last_image: Option<PathBuf>,
    /// Clip to continue: its last frame becomes the start image
    #[arg(long, value_name = "FILE", conflicts_with = "image")]
    pub(in crate::cli) continue_from: Option<PathBuf>,
    /// Make this video again from its saved settings and compare the bytes; other options override them
    #[arg(long, value_name = "FILE", conflicts_with = "preset")]
    pub(in crate::cli) from: Option<PathBuf>,
    /// Let ONNX Runtime profile the job, and write a trace file that ui.perfetto.dev opens; slower
    #[arg(long)]
    pub(in crate::cli) profile: bool,
    /// Negative prompt
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) negative: Option<String>,
    /// Seed of the noise; the same seed gives the same video, -1 is random [default: random]
    #[arg(long, value_name = "N", value_parser = seed, allow_hyphen_values = true)]
    pub(in crate::cli) seed: Option<SeedChoice>,
    /// Denoising steps
    #[arg(long, value_name = "N")]
    pub(in crate::cli) steps: Option<u32>,
    /// Guidance scale, or one each for the high-noise and the low-noise expert
    #[arg(long, value_name = "HIGH[,LOW]", value_parser = guidance, allow_hyphen_values = true)]
    pub(in crate::cli) guidance: Option<GuidanceChoice>,
    /// Flow shift
    #[arg(long, value_name = "X")]
    pub(in crate::cli) shift: Option<f32>,
    /// Sampler
    #[arg(long, value_name = "NAME", value_parser = sampler_names())]
    pub(in crate::cli) sampler: Option<Sampler>,
    /// Where the low-noise expert takes over: a fraction of the training timesteps, for example 0.9 [default: the model's]
    #[arg(long, value_name = "FRACTION")]
    pub(in crate::cli) boundary: Option<f32>,
    /// Threshold for skipping steps that would hardly change the video; try 0.05, or "off"; faster, but the video
    /// differs [default: off]
    #[arg(long, value_name = "THRESHOLD", value_parser = step_cache)]
    pub(in crate::cli) step_cache: Option<StepCacheChoice>,
    /// Width and height in pixels
    #[arg(long, value_name = "WxH", value_parser = size)]
    pub(in crate::cli) size: Option<Resolution>,
    /// Number of frames: 1, 5, 9 and so on (4n+1)
    #[arg(long, value_name = "N")]
    pub(in crate::cli) frames: Option<u32>,
    /// Frames per second
    #[arg(long, value_name = "N", value_parser = fps)]
    pub(in crate::cli) fps: Option<u32>,
    /// LoRA with its strength and the expert it applies to, by default the one that its name says, else both; repeat for
    /// more
    #[arg(long = "lora", value_name = "FILE[:STRENGTH[:high|low|both]]", value_parser = lora)]
    pub(in crate::cli) loras: Vec<LoraOption>,
    /// Execution provider: auto, cpu, cuda, tensorrt or rtx; experimental: webgpu, openvino [default: auto]
    #[arg(long, value_parser = named::<ProviderChoice>)]
    pub(in crate::cli) provider: Option<ProviderChoice>,
    /// Run on this device only, and wait for it: its number, its UUID as "nvidia-smi -L" prints it, or auto [default: auto]
    #[arg(long, value_name = "DEVICE", value_parser = device)]
    pub(in crate::cli) device: Option<DeviceChange>,
    /// Second device, which computes the pass for the negative prompt at the same time as the first one computes that for
    /// the prompt (CFG parallelism); off for none [default: off]
    #[arg(long, value_name = "DEVICE", value_parser = second_device)]
    pub(in crate::cli) cfg_parallel: Option<DeviceChange>,
    /// Precision: auto, fp32, bf16, fp16, int8 or int4 [default: auto]
    #[arg(long, value_parser = named::<PrecisionChoice>)]
    pub(in crate::cli) precision: Option<PrecisionChoice>,
    /// VAE tile size in pixels; smaller tiles need less memory [default: as needed]
    #[arg(long, value_name = "PIXELS")]
    pub(in crate::cli) vae_tile: Option<u32>,
    /// Weights in memory: auto, packed (faster), in-place or streamed (less memory) [default: auto]
    #[arg(long, value_parser = named::<WeightsChoice>)]
    pub(in crate::cli) weights: Option<WeightsChoice>,
    /// Model to use instead if the chosen one does not fit in memory or cannot be read, now or when the job runs; repeat
    /// for more [default: the setting `models.fallbacks`]
    #[arg(long = "fallback-model", value_name = "MODEL")]
    pub(in crate::cli) fallbacks: Vec<String>,
    /// Time limit of the job in seconds, 0 for none [default: the setting `errors.timeout_s`]
    #[arg(long, value_name = "SECS")]
    pub(in crate::cli) timeout: Option<u64>,
    /// .mp4, .gif, .png (one frame), a new folder for PNG frames, or an existing folder to put the video into [default: the
    /// data folder's outputs]
    #[arg(short, long, value_name = "PATH")]
    pub(in crate::cli) output: Option<PathBuf>,
    /// Replace an existing output instead of choosing the next free name
    #[arg(long)]
    pub(in crate::cli) overwrite: bool,
    /// Save the final latents, as the tensor "latents"
    #[arg(long, value_name = "FILE.safetensors")]
    pub(in crate::cli) latents_out: Option<PathBuf>,
    /// Start from the latents in this file instead of noise; a tensor "latents" of the video's size, as --latents-out
    /// writes it
    #[arg(long, value_name = "FILE.safetensors")]
    pub(in crate::cli) latents_in: Option<PathBuf>,
    /// File to use as the VAE
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) vae: Option<PathBuf>,
    /// File to use as the text encoder
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) text_encoder: Option<PathBuf>,
    /// File to use as the high-noise expert, or as the only transformer
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) high: Option<PathBuf>,
    /// File to use as the low-noise expert
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) low: Option<PathBuf>,
    /// Print events as JSON lines on standard output
    #[arg(long, conflicts_with = "json")]
    pub(in crate::cli) events: bool,
    /// Show what would run, its cost and what blocks it, without running it
    #[arg(long, conflicts_with = "events")]
    pub(in crate::cli) dry_run: bool,
}

/// Parses a sampler by its serde name, and lists all names in the help.
fn sampler_names() -> impl TypedValueParser<Value = Sampler> {
    PossibleValuesParser::new(Sampler::ALL.map(Sampler::name)).try_map(|name| named::<Sampler>(&name))
}

/// What one option `--lora` asks for.
#[derive(Clone, Debug)]
pub(in crate::cli) struct LoraOption(pub(in crate::cli) Vec<LoraChoice>);

/// A LoRA; with `both` one for each expert, whatever its name says.
fn lora(text: &str) -> Result<LoraOption, String> {
    let one = |text: &str| text.parse::<LoraChoice>().map_err(|error| format!("{error:#}"));
    Ok(LoraOption(match text.strip_suffix(":both") {
        Some(rest) => {
            let one = one(rest)?;
            Expert::ALL.map(|expert| LoraChoice { expert: Some(expert), ..one.clone() }).to_vec()
        }
        None => vec![one(text)?],
    }))
}

fn device(text: &str) -> Result<DeviceChange, String> {
    device_or(text, "auto")
}

fn second_device(text: &str) -> Result<DeviceChange, String> {
    device_or(text, "off")
}

fn device_or(text: &str, none: &str) -> Result<DeviceChange, String> {
    if text == none {
        return Ok(DeviceChange::None);
    }
    text.parse().map(DeviceChange::Device).map_err(|error| format!("{error:#}, or {none}"))
}

fn seed(text: &str) -> Result<SeedChoice, String> {
    match text.parse::<i128>() {
        Ok(-1) => Ok(SeedChoice::Random),
        Ok(seed) if let Ok(seed) = u64::try_from(seed) => Ok(SeedChoice::Fixed(seed)),
        _ => Err(format!("the seed must be a whole number from 0 to {}, or -1 for a random one", u64::MAX)),
    }
}

fn guidance(text: &str) -> Result<GuidanceChoice, String> {
    let scales: Result<Vec<f32>, _> = text.split(',').map(|scale| scale.trim().parse()).collect();
    match scales.as_deref() {
        Ok([high]) => Ok(GuidanceChoice { high: *high, low: None }),
        Ok([high, low]) => Ok(GuidanceChoice { high: *high, low: Some(*low) }),
        Ok(scales) => Err(format!(
            "guidance takes one scale, or one for each of the two experts, not {}; write HIGH or HIGH,LOW, for \
             example 4,3",
            scales.len()
        )),
        Err(_) => Err("guidance is a number, or two with a comma between them, for example 4,3".to_owned()),
    }
}

fn fps(text: &str) -> Result<u32, String> {
    text.parse().map_err(|not_whole: std::num::ParseIntError| match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate.is_finite() => {
            format!(
                "frames per second must be a whole number; the nearest to {text} is {}",
                rate.round().max(1.0)
            )
        }
        _ => format!("frames per second must be a whole number, for example 24 ({not_whole})"),
    })
}

fn step_cache(text: &str) -> Result<StepCacheChoice, String> {
    if text == "off" {
        return Ok(StepCacheChoice::Off);
    }
    text.parse().map(StepCacheChoice::Threshold).map_err(|error: std::num::ParseFloatError| {
        format!("write a threshold, for example 0.05, or off ({error})")
    })
}

pub(super) fn size(text: &str) -> Result<Resolution, String> {
    text.parse().map_err(|error| format!("{error:#}"))
}
