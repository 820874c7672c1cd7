//! The program's own arguments and its verbs.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use super::bench::BenchArgs;
use super::desktop::DesktopArgs;
use super::generate::Generate;
use super::inspect::{Graph, Lora, Presets};
use super::models::Models;
use super::queue::QueueArgs;
use super::records::{Analysis, Compare, Doctor, Monitor, Tasks};
use super::runtime::RuntimeArgs;
use super::settings::SettingsArgs;
use super::sweep::{DraftArgs, SweepArgs};

/// Make videos from text and images with the Wan 2.2 models, on this machine.
#[derive(Debug, Parser)]
#[command(name = "wandeck", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub(in crate::cli) common: Common,
    /// What draws the window: glow (OpenGL) or wgpu
    #[arg(long, value_name = "NAME", default_value = "glow")]
    pub(in crate::cli) renderer: RendererName,
    /// Without a command, the window opens
    #[command(subcommand)]
    pub(in crate::cli) command: Option<Command>,
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
pub(in crate::cli) struct Common {
    /// Print one JSON document on standard output instead of text
    #[arg(long, global = true)]
    pub(in crate::cli) json: bool,
    /// Data folder, for outputs, queue and history [default: `WANDECK_DATA_DIR`, else the platform's]
    #[arg(long, global = true, value_name = "DIR")]
    pub(in crate::cli) data_dir: Option<PathBuf>,
    /// Folder to search for models first [also: `MODELS_ROOT`]
    #[arg(long, global = true, value_name = "DIR")]
    pub(in crate::cli) models_dir: Option<PathBuf>,
    /// Log more; repeat for debugging output
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(in crate::cli) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// Make one video now
    Generate(Box<Generate>),
    /// Make a video for each combination of settings: a sweep
    Sweep(SweepArgs),
    /// Run the first steps for several seeds, then finish the ones you choose
    Draft(DraftArgs),
    /// List, show, fetch, import, verify, remove, convert and synthesise models
    Models(Models),
    /// List, show, save, compare and remove presets
    Presets(Presets),
    /// Manage and run the queue
    Queue(QueueArgs),
    /// List LoRAs, and show what one contains and whether it fits a model
    Lora(Lora),
    /// Export the ONNX graphs of a model
    Graph(Graph),
    /// Show the runtime, models, queue and recent jobs
    Status,
    /// List recent jobs from the history
    Tasks(Tasks),
    /// Summarise recent jobs: success rate, times, bottleneck
    Analysis(Analysis),
    /// Compare finished videos: settings that differ, times, and the difference to the first one
    Compare(Compare),
    /// Measure the machine: processor, memory, disk and devices
    Monitor(Monitor),
    /// Measure how fast this machine is with Wan: each component beside what the machine can do at most
    Bench(BenchArgs),
    /// Check the installation and make a small test video
    Doctor(Doctor),
    /// List, install and remove builds of ONNX Runtime and its plugins
    Runtime(RuntimeArgs),
    /// Show and change settings
    Settings(SettingsArgs),
    /// Put the program into the applications menu, or take it out
    Desktop(DesktopArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::core::{Mode, Sampler};
    use crate::plan::GuidanceChoice;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_lists_every_sampler() {
        let mut command = Cli::command();
        command.build();
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
