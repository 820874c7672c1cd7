//! The arguments of the command line.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use super::args_queue::QueueArgs;
use crate::core::{LoraChoice, Mode, PrecisionChoice, ProviderChoice, Resolution, Sampler, WeightsChoice};
use crate::plan::{GuidanceChoice, SeedChoice};

/// Make videos from text and images with the Wan 2.2 models, on this machine.
#[derive(Debug, Parser)]
#[command(name = "wandeck", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub(super) common: Common,
    /// What draws the window: glow (OpenGL) or wgpu
    #[arg(long, value_name = "NAME", default_value = "glow")]
    pub(super) renderer: RendererName,
    /// Without a command, the window opens
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

/// What draws the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RendererName {
    /// OpenGL.
    Glow,
    /// Vulkan, Metal or Direct3D.
    Wgpu,
}

impl Cli {
    /// Level of detail in the log: 0 for warnings, 1 for information, 2 for debugging.
    pub fn verbosity(&self) -> u8 {
        self.common.verbose
    }
}

#[derive(Debug, Args)]
pub(super) struct Common {
    /// Print one JSON document on standard output instead of text
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Data folder, for outputs, queue and history [default: `WANDECK_DATA_DIR`, else the platform's]
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
    /// Folder to search for models first [also: `MODELS_ROOT`]
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) models_dir: Option<PathBuf>,
    /// Log more; repeat for debugging output
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(super) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make one video now
    Generate(Box<Generate>),
    /// List, inspect and convert models
    Models(Models),
    /// List and show presets
    Presets(Presets),
    /// Manage and run the queue
    Queue(QueueArgs),
    /// Inspect LoRA files
    Lora(Lora),
    /// Export the ONNX graphs of a model
    Graph(Graph),
    /// Show the runtime, models, queue and recent jobs
    Status,
    /// List recent jobs from the history
    Tasks(Tasks),
    /// Summarise recent jobs: success rate, times, bottleneck
    Analysis(Analysis),
    /// Measure the machine: processor, memory, disk and devices
    Monitor(Monitor),
    /// Check the installation and make a small test video
    Doctor(Doctor),
    /// Show and change settings
    Settings(SettingsArgs),
}

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
pub(super) struct Doctor {
    /// Save versions, devices, settings, log and the last jobs' numbers as this zip file instead, without prompts, paths
    /// or names
    #[arg(long, value_name = "FILE")]
    pub(super) bundle: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Tasks {
    /// Number of jobs to list
    #[arg(default_value_t = 20)]
    pub(super) count: usize,
    /// First rebuild the history from the videos in the data folder's outputs; a damaged database is kept aside
    #[arg(long)]
    pub(super) rebuild: bool,
    /// Another folder with videos to read; repeat for more
    #[arg(long = "in", value_name = "DIR", requires = "rebuild")]
    pub(super) folders: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Analysis {
    /// Hours to look back
    #[arg(default_value_t = 24.0, value_parser = hours)]
    pub(super) hours: f64,
}

#[derive(Debug, Args)]
pub(super) struct Monitor {
    /// Number of samples, one in a second
    #[arg(default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(super) count: u32,
    /// Measure the machine's peak speed instead, with which later jobs are compared; takes a few seconds
    #[arg(long)]
    pub(super) calibrate: bool,
}

#[derive(Debug, Args)]
pub(super) struct SettingsArgs {
    #[command(subcommand)]
    pub(super) verb: SettingsVerb,
}

#[derive(Debug, Subcommand)]
pub(super) enum SettingsVerb {
    /// Show every setting
    Show,
    /// Change one setting
    Set {
        /// Name, as in "settings show"
        key: String,
        /// Value; "none" to clear it
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Import known settings from another program's JSON configuration and list the rest
    Import {
        /// The JSON file
        file: PathBuf,
    },
    /// Print the path of the settings file
    Path,
}

#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(super) struct Generate {
    /// Prompt that describes the video; optional with a start image
    #[arg(default_value = "")]
    pub(super) prompt: String,
    /// Model id or folder [default: the preset's, else chosen by what is given]
    #[arg(long, value_name = "ID")]
    pub(super) model: Option<String>,
    /// Preset to start from; other options override it [default: the model's]
    #[arg(long, value_name = "NAME")]
    pub(super) preset: Option<String>,
    /// t2v, i2v or ti2v [default: follows from the prompt, the images and the model]
    #[arg(long, value_parser = named::<Mode>)]
    pub(super) mode: Option<Mode>,
    /// Start image: PNG, JPEG, WebP, BMP, TIFF or PNM
    #[arg(long, value_name = "FILE")]
    pub(super) image: Option<PathBuf>,
    /// End image, used with a start image
    #[arg(long, value_name = "FILE")]
    pub(super) last_image: Option<PathBuf>,
    /// Clip to continue: its last frame becomes the start image
    #[arg(long, value_name = "FILE", conflicts_with = "image")]
    pub(super) continue_from: Option<PathBuf>,
    /// Make this video again from its saved settings and compare the bytes; other options override them
    #[arg(long, value_name = "FILE", conflicts_with = "preset")]
    pub(super) from: Option<PathBuf>,
    /// Let ONNX Runtime profile the job, and write a trace file that ui.perfetto.dev opens; slower
    #[arg(long)]
    pub(super) profile: bool,
    /// Negative prompt
    #[arg(long, value_name = "TEXT")]
    pub(super) negative: Option<String>,
    /// Seed of the noise; the same seed gives the same video, -1 is random [default: random]
    #[arg(long, value_name = "N", value_parser = seed, allow_hyphen_values = true)]
    pub(super) seed: Option<SeedChoice>,
    /// Denoising steps
    #[arg(long, value_name = "N")]
    pub(super) steps: Option<u32>,
    /// Guidance scale, or one each for the high-noise and the low-noise expert
    #[arg(long, value_name = "HIGH[,LOW]", value_parser = guidance, allow_hyphen_values = true)]
    pub(super) guidance: Option<GuidanceChoice>,
    /// Flow shift
    #[arg(long, value_name = "X")]
    pub(super) shift: Option<f32>,
    /// Sampler
    #[arg(long, value_name = "NAME", value_parser = sampler_names())]
    pub(super) sampler: Option<Sampler>,
    /// Width and height in pixels
    #[arg(long, value_name = "WxH", value_parser = size)]
    pub(super) size: Option<Resolution>,
    /// Number of frames: 1, 5, 9 and so on (4n+1)
    #[arg(long, value_name = "N")]
    pub(super) frames: Option<u32>,
    /// Frames per second
    #[arg(long, value_name = "N", value_parser = fps)]
    pub(super) fps: Option<u32>,
    /// LoRA with its strength and the expert it applies to; repeat for more
    #[arg(long = "lora", value_name = "FILE[:STRENGTH[:high|low]]", value_parser = lora)]
    pub(super) loras: Vec<LoraChoice>,
    /// Execution provider: auto, cpu, cuda or tensorrt [default: auto]
    #[arg(long, value_parser = named::<ProviderChoice>)]
    pub(super) provider: Option<ProviderChoice>,
    /// Precision: auto, fp32, bf16, fp16, int8 or int4 [default: auto]
    #[arg(long, value_parser = named::<PrecisionChoice>)]
    pub(super) precision: Option<PrecisionChoice>,
    /// VAE tile size in pixels; smaller tiles need less memory [default: as needed]
    #[arg(long, value_name = "PIXELS")]
    pub(super) vae_tile: Option<u32>,
    /// Weights in memory: auto, packed (faster) or in-place (less memory) [default: auto]
    #[arg(long, value_parser = named::<WeightsChoice>)]
    pub(super) weights: Option<WeightsChoice>,
    /// Model to use instead if the chosen one does not fit in memory or cannot be read; repeat for more [default: the
    /// setting `models.fallbacks`]
    #[arg(long = "fallback-model", value_name = "MODEL")]
    pub(super) fallbacks: Vec<String>,
    /// Time limit of the job in seconds, 0 for none [default: the setting `errors.timeout_s`]
    #[arg(long, value_name = "SECS")]
    pub(super) timeout: Option<u64>,
    /// .mp4, .gif, .png (one frame), a new folder for PNG frames, or an existing folder to put the video into [default: the
    /// data folder's outputs]
    #[arg(short, long, value_name = "PATH")]
    pub(super) output: Option<PathBuf>,
    /// Replace an existing output instead of choosing the next free name
    #[arg(long)]
    pub(super) overwrite: bool,
    /// Save the final latents, as the tensor "latents"
    #[arg(long, value_name = "FILE.safetensors")]
    pub(super) latents_out: Option<PathBuf>,
    /// Print events as JSON lines on standard output
    #[arg(long, conflicts_with = "json")]
    pub(super) events: bool,
    /// Show what would run, its cost and what blocks it, without running it
    #[arg(long, conflicts_with = "events")]
    pub(super) dry_run: bool,
}

#[derive(Debug, Args)]
pub(super) struct Models {
    #[command(subcommand)]
    pub(super) verb: ModelsVerb,
}

#[derive(Debug, Subcommand)]
pub(super) enum ModelsVerb {
    /// List models, with their modes or what is wrong with them
    List,
    /// Show one model
    Show {
        /// Model id or folder
        model: String,
    },
    /// Read every byte of a model and look for values that are not numbers
    Verify {
        /// Model id or folder
        model: String,
    },
    /// Move a model's own files to the bin
    Remove {
        /// Model id
        model: String,
    },
    /// Convert a model to a smaller precision; int8 is also faster on the CPU
    Convert(Convert),
    /// Write a model with synthetic weights and official names and shapes, for tests and benchmarks
    Synth(Box<Synth>),
}

#[derive(Debug, Args)]
pub(super) struct Convert {
    /// Model id or folder
    pub(super) model: String,
    /// Target precision: int8 is also faster on the CPU; int4 is the smallest and least exact; fp8 and bf16 only save
    /// disk space on the CPU, which computes them in fp32
    #[arg(long, value_name = "TYPE")]
    pub(super) precision: TargetName,
    /// New folder to write to [default: the model's name with the precision, in the data folder's models]
    #[arg(short, long, value_name = "DIR")]
    pub(super) output: Option<PathBuf>,
}

/// Target precision of a conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum TargetName {
    Int8,
    Int4,
    Fp8,
    Bf16,
}

#[derive(Debug, Args)]
pub(super) struct Synth {
    /// Model whose names and shapes to use
    #[arg(long, value_name = "MODEL")]
    pub(super) like: LikeName,
    /// Number of transformer blocks, and of text encoder blocks unless --text-layers is given [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=200))]
    pub(super) layers: Option<u32>,
    /// Number of text encoder blocks
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=200))]
    pub(super) text_layers: Option<u32>,
    /// Vocabulary size of the text encoder, at least 128 [default: 256384, which is 2.1 GB in bf16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(128..))]
    pub(super) vocab: Option<u32>,
    /// Number format of the weights
    #[arg(long, value_name = "TYPE", default_value = "bf16")]
    pub(super) dtype: DtypeName,
    /// Layout of the files
    #[arg(long, value_name = "LAYOUT", default_value = "diffusers")]
    pub(super) layout: LayoutName,
    /// Write only these components
    #[arg(long, value_name = "COMPONENT,…", value_delimiter = ',')]
    pub(super) only: Vec<ComponentName>,
    /// Seed of the weights; the same seed gives the same weights in every layout
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) seed: u64,
    /// Write tensors above 1 MiB as sparse zeros, which need no disk space: the model can be opened but not run
    #[arg(long)]
    pub(super) sparse: bool,
    /// New or empty folder to write to
    pub(super) dir: PathBuf,
}

/// The official model whose names and shapes a synthetic model uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LikeName {
    #[value(name = "t2v-A14B")]
    T2v,
    #[value(name = "i2v-A14B")]
    I2v,
    #[value(name = "ti2v-5B")]
    Ti2v,
}

/// Number format of synthetic weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum DtypeName {
    Fp32,
    Bf16,
    Fp16,
    #[value(name = "fp8_scaled")]
    Fp8Scaled,
}

/// File layout of a synthetic model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LayoutName {
    Diffusers,
    Original,
    Comfy,
}

/// A component of a synthetic model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ComponentName {
    Transformer,
    Text,
    Vae,
}

#[derive(Debug, Args)]
pub(super) struct Presets {
    #[command(subcommand)]
    pub(super) verb: PresetsVerb,
}

#[derive(Debug, Subcommand)]
pub(super) enum PresetsVerb {
    /// List presets
    List,
    /// Show one preset as RON
    Show {
        /// Name of the preset
        name: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Lora {
    #[command(subcommand)]
    pub(super) verb: LoraVerb,
}

#[derive(Debug, Subcommand)]
pub(super) enum LoraVerb {
    /// Show what a LoRA contains, and how it fits a model
    Show {
        /// The .safetensors file
        file: PathBuf,
        /// Model id or folder to check it against
        #[arg(long, value_name = "ID")]
        model: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(super) struct Graph {
    #[command(subcommand)]
    pub(super) verb: GraphVerb,
}

#[derive(Debug, Subcommand)]
pub(super) enum GraphVerb {
    /// Export every component's graph as .onnx; weights are copied unless DIR is the model's own folder
    Export {
        /// Model id or folder
        model: String,
        /// Folder to write to; each component gets a folder in it
        dir: PathBuf,
        /// Target provider: cpu, cuda or tensorrt; it need not be installed here
        #[arg(long, value_parser = named::<ProviderChoice>, default_value = "cpu")]
        provider: ProviderChoice,
        /// auto, fp32, bf16 or fp16
        #[arg(long, value_parser = named::<PrecisionChoice>, default_value = "auto")]
        precision: PrecisionChoice,
    },
}

/// Parses a sampler by its serde name, and lists all names in the help.
fn sampler_names() -> impl TypedValueParser<Value = Sampler> {
    PossibleValuesParser::new(Sampler::ALL.map(Sampler::name)).try_map(|name| named::<Sampler>(&name))
}

/// Parses a value by its serde name, so that files and the command line use the same words.
pub(super) fn named<T: serde::de::DeserializeOwned>(word: &str) -> Result<T, String> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).map_err(|error| error.to_string())
}

fn hours(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(hours) if hours > 0.0 => Ok(hours),
        _ => Err("it must be a number above 0".to_owned()),
    }
}

fn lora(text: &str) -> Result<LoraChoice, String> {
    text.parse().map_err(|error| format!("{error:#}"))
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

fn size(text: &str) -> Result<Resolution, String> {
    text.parse().map_err(|error| format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_lists_every_sampler() {
        let mut command = Cli::command();
        let help = command.find_subcommand_mut("generate").unwrap().render_long_help().to_string();
        for sampler in Sampler::ALL {
            let name = sampler.name();
            assert_eq!(serde_json::json!(sampler), name, "files and the command line use the same name");
            assert!(help.contains(name), "{name}: {help}");
            assert!(Cli::try_parse_from(["wandeck", "generate", "a", "--sampler", name]).is_ok());
        }
    }

    #[test]
    fn words_are_read_as_in_files() {
        let line = ["wandeck", "generate", "a", "--mode", "t2v", "--guidance", "4,3", "--sampler", "euler"];
        let Some(Command::Generate(args)) = Cli::try_parse_from(line).unwrap().command else {
            panic!("generate")
        };
        let guidance = GuidanceChoice { high: 4.0, low: Some(3.0) };
        assert_eq!((args.mode, args.guidance), (Some(Mode::T2V), Some(guidance)));
        assert!(Cli::try_parse_from(["wandeck", "generate", "a", "--mode", "v2v"]).is_err());
    }
}
