//! What can be written on the command line.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use super::args_queue::QueueArgs;
use crate::core::{LoraChoice, Mode, PrecisionChoice, ProviderChoice, Resolution, Sampler, WeightsChoice};

/// Video from text with the Wan 2.2 models, on this machine.
#[derive(Debug, Parser)]
#[command(name = "wandeck", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub(super) common: Common,
    /// What draws the window: glow (OpenGL) or wgpu
    #[arg(long, value_name = "NAME", default_value = "glow")]
    pub(super) renderer: RendererName,
    /// Without a command the window opens
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
    /// How much the log should say: 0 warnings, 1 information, 2 everything of ours.
    pub fn verbosity(&self) -> u8 {
        self.common.verbose
    }
}

#[derive(Debug, Args)]
pub(super) struct Common {
    /// One JSON document on standard output instead of text
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Folder for outputs, the runtime and models [default: the platform's, or `WANDECK_DATA_DIR`]
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
    /// Folder with models, looked at first [also: `MODELS_ROOT`]
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) models_dir: Option<PathBuf>,
    /// Say more in the log; twice for everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(super) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make one video now
    Generate(Box<Generate>),
    /// Look at the models on this machine
    Models(Models),
    /// Look at the presets
    Presets(Presets),
    /// Jobs that wait, run and ended
    Queue(QueueArgs),
    /// Look at LoRA files
    Lora(Lora),
    /// Write the ONNX graphs of a model
    Graph(Graph),
    /// What is here, and how the last jobs went
    Status,
    /// The last jobs
    Tasks(Tasks),
    /// How the jobs of the last hours went, and where their time went
    Analysis(Analysis),
    /// Measure the machine: processor, memory, disk and devices
    Monitor(Monitor),
    /// Look at everything that is needed, and make a small video
    Doctor,
    /// What is set once for the program
    Settings(SettingsArgs),
}

#[derive(Debug, Args)]
pub(super) struct Tasks {
    /// How many
    #[arg(default_value_t = 20)]
    pub(super) count: usize,
    /// First fill the history from the videos in the data folder's outputs; a damaged one is set aside
    #[arg(long)]
    pub(super) rebuild: bool,
    /// A folder with videos to look at, beside the outputs; repeat for more
    #[arg(long = "in", value_name = "DIR", requires = "rebuild")]
    pub(super) folders: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Analysis {
    /// How many hours back
    #[arg(default_value_t = 24.0, value_parser = hours)]
    pub(super) hours: f64,
}

#[derive(Debug, Args)]
pub(super) struct Monitor {
    /// Number of samples, one in a second
    #[arg(default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(super) count: u32,
}

#[derive(Debug, Args)]
pub(super) struct SettingsArgs {
    #[command(subcommand)]
    pub(super) verb: SettingsVerb,
}

#[derive(Debug, Subcommand)]
pub(super) enum SettingsVerb {
    /// Every setting
    Show,
    /// Change one
    Set {
        /// Its name, as "settings show" has it
        key: String,
        /// Its value; none for nothing
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Take over what is known of another program's JSON configuration; the rest is named
    Import {
        /// The JSON file
        file: PathBuf,
    },
    /// Where the file is
    Path,
}

#[derive(Debug, Args)]
pub(super) struct Generate {
    /// What should be seen; may be left out beside a picture
    #[arg(default_value = "")]
    pub(super) prompt: String,
    /// Model id or folder [default: the preset's]
    #[arg(long, value_name = "ID")]
    pub(super) model: Option<String>,
    /// Settings to start from; options given beside it win [default: the model's]
    #[arg(long, value_name = "NAME")]
    pub(super) preset: Option<String>,
    /// Mode, instead of what follows from the model: t2v, i2v or ti2v
    #[arg(long, value_parser = named::<Mode>)]
    pub(super) mode: Option<Mode>,
    /// First picture: PNG, JPEG or WebP
    #[arg(long, value_name = "FILE")]
    pub(super) image: Option<PathBuf>,
    /// Last picture, beside a first one
    #[arg(long, value_name = "FILE")]
    pub(super) last_image: Option<PathBuf>,
    /// A clip whose last frame is the first picture
    #[arg(long, value_name = "FILE", conflicts_with = "image")]
    pub(super) continue_from: Option<PathBuf>,
    /// Make this file again, and say whether the bytes agree; options given beside it win
    #[arg(long, value_name = "FILE", conflicts_with = "preset")]
    pub(super) from: Option<PathBuf>,
    /// What should not be seen
    #[arg(long, value_name = "TEXT")]
    pub(super) negative: Option<String>,
    /// Starting noise; the same seed gives the same video [default: random]
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Denoising steps
    #[arg(long, value_name = "N")]
    pub(super) steps: Option<u32>,
    /// Guidance scale, or one for the high-noise and one for the low-noise expert
    #[arg(long, value_name = "HIGH[,LOW]", value_delimiter = ',', num_args = 1..=2)]
    pub(super) guidance: Vec<f32>,
    /// Flow shift
    #[arg(long, value_name = "X")]
    pub(super) shift: Option<f32>,
    /// unipc, euler or dpmpp2m
    #[arg(long, value_parser = named::<Sampler>)]
    pub(super) sampler: Option<Sampler>,
    /// Width and height in pixels
    #[arg(long, value_name = "WxH", value_parser = size)]
    pub(super) size: Option<Resolution>,
    /// Number of frames, 4n+1
    #[arg(long, value_name = "N")]
    pub(super) frames: Option<u32>,
    /// Frames per second
    #[arg(long, value_name = "N")]
    pub(super) fps: Option<u32>,
    /// LoRA to add, with its strength and the expert it changes; repeat for more
    #[arg(long = "lora", value_name = "FILE[:STRENGTH[:high|low]]", value_parser = lora)]
    pub(super) loras: Vec<LoraChoice>,
    /// auto, cpu, cuda or tensorrt [default: auto]
    #[arg(long, value_parser = named::<ProviderChoice>)]
    pub(super) provider: Option<ProviderChoice>,
    /// auto, fp32, bf16, fp16, int8 or int4 [default: auto]
    #[arg(long, value_parser = named::<PrecisionChoice>)]
    pub(super) precision: Option<PrecisionChoice>,
    /// Decode in overlapping tiles with this edge in pixels; less memory [default: as needed]
    #[arg(long, value_name = "PIXELS")]
    pub(super) vae_tile: Option<u32>,
    /// auto, packed (faster) or in-place (less memory) [default: auto]
    #[arg(long, value_parser = named::<WeightsChoice>)]
    pub(super) weights: Option<WeightsChoice>,
    /// Model that may take over where the chosen one does not fit or can no longer be read; repeat for more [default: the
    /// setting `models.fallbacks`]
    #[arg(long = "fallback-model", value_name = "MODEL")]
    pub(super) fallbacks: Vec<String>,
    /// Stop after this many seconds; 0 never stops [default: the setting `errors.timeout_s`]
    #[arg(long, value_name = "SECS")]
    pub(super) timeout: Option<u64>,
    /// .mp4, .gif, .png (one frame), or a folder for PNG frames [default: in the data folder]
    #[arg(short, long, value_name = "PATH")]
    pub(super) output: Option<PathBuf>,
    /// Replace the output if it is there, instead of choosing the next free name
    #[arg(long)]
    pub(super) overwrite: bool,
    /// Keep the final latent, as the tensor "latents"
    #[arg(long, value_name = "FILE.safetensors")]
    pub(super) latents_out: Option<PathBuf>,
    /// What happens, as JSON lines on standard output
    #[arg(long, conflicts_with = "json")]
    pub(super) events: bool,
    /// Say what would run, what it would cost and what is in its way, and run nothing
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
    /// Every model, with what it can do or what is wrong with it
    List,
    /// One model
    Show {
        /// Model id or folder
        model: String,
    },
    /// Write a model in a smaller precision: int8 is also faster on the CPU
    Convert(Convert),
    /// Write a model with made-up weights, official names and shapes, for tests and measurements
    Synth(Box<Synth>),
}

#[derive(Debug, Args)]
pub(super) struct Convert {
    /// Model id or folder
    pub(super) model: String,
    /// What to convert to: int8 is also faster on the CPU; int4 is the smallest and the least exact; fp8 and bf16 are
    /// smaller on disk only, since the CPU computes them in fp32
    #[arg(long, value_name = "TYPE")]
    pub(super) precision: TargetName,
    /// New folder to write to [default: the model's name with the precision, in the data folder's models]
    #[arg(short, long, value_name = "DIR")]
    pub(super) output: Option<PathBuf>,
}

/// What a model is converted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum TargetName {
    Int8,
    Int4,
    Fp8,
    Bf16,
}

#[derive(Debug, Args)]
pub(super) struct Synth {
    /// Model to follow
    #[arg(long, value_name = "MODEL")]
    pub(super) like: LikeName,
    /// Blocks of the transformer and, unless --text-layers says otherwise, of the text encoder [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=200))]
    pub(super) layers: Option<u32>,
    /// Blocks of the text encoder
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=200))]
    pub(super) text_layers: Option<u32>,
    /// Rows of the text encoder's table, at least 128 [default: 256384, which is 2.1 GB in bf16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(128..))]
    pub(super) vocab: Option<u32>,
    /// What the numbers are stored as
    #[arg(long, value_name = "TYPE", default_value = "bf16")]
    pub(super) dtype: DtypeName,
    /// How the files are laid out
    #[arg(long, value_name = "LAYOUT", default_value = "diffusers")]
    pub(super) layout: LayoutName,
    /// Write these components only
    #[arg(long, value_name = "PART,…", value_delimiter = ',')]
    pub(super) only: Vec<PartName>,
    /// The same seed gives the same numbers, in every layout
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) seed: u64,
    /// Leave large tensors as holes that read as zero: the full size in no room, to open but not to run
    #[arg(long)]
    pub(super) hollow: bool,
    /// New or empty folder to write to
    pub(super) dir: PathBuf,
}

/// A model to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LikeName {
    #[value(name = "t2v-A14B")]
    T2v,
    #[value(name = "i2v-A14B")]
    I2v,
    #[value(name = "ti2v-5B")]
    Ti2v,
}

/// What numbers are stored as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum DtypeName {
    Fp32,
    Bf16,
    Fp16,
    #[value(name = "fp8_scaled")]
    Fp8Scaled,
}

/// How files are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LayoutName {
    Diffusers,
    Original,
    Comfy,
}

/// A component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum PartName {
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
    /// Every preset
    List,
    /// One preset, in its file's form
    Show {
        /// Name
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
    /// What a LoRA is, and what it changes in a model
    Show {
        /// The .safetensors file
        file: PathBuf,
        /// Model id or folder to hold it against
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
    /// Write every component's graph as .onnx; weights are copied unless DIR is the model's own folder
    Export {
        /// Model id or folder
        model: String,
        /// Folder to write to; each component gets a folder in it
        dir: PathBuf,
        /// For cpu, cuda or tensorrt; it need not be on this machine
        #[arg(long, value_parser = named::<ProviderChoice>, default_value = "cpu")]
        provider: ProviderChoice,
        /// auto, fp32, bf16 or fp16
        #[arg(long, value_parser = named::<PrecisionChoice>, default_value = "auto")]
        precision: PrecisionChoice,
    },
}

/// Reads a word as serde knows it, so that files and the command line speak alike.
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
    fn words_are_read_as_in_files() {
        let line = ["wandeck", "generate", "a", "--mode", "t2v", "--guidance", "4,3", "--sampler", "euler"];
        let Some(Command::Generate(args)) = Cli::try_parse_from(line).unwrap().command else {
            panic!("generate")
        };
        assert_eq!((args.mode, args.guidance), (Some(Mode::T2V), vec![4.0, 3.0]));
        assert!(Cli::try_parse_from(["wandeck", "generate", "a", "--mode", "v2v"]).is_err());
    }
}
