//! The command line: parses arguments, calls the services, prints results.

mod analysis;
mod args;
mod bench;
mod compare;
mod convert;
mod desktop;
mod diagnosis;
mod doctor;
mod draft;
mod dry_run;
mod exit;
mod fetch;
mod generate;
mod graph;
mod list;
mod lora;
mod measured;
mod models;
mod monitor;
mod plan;
mod presets;
mod queue;
mod queue_list;
mod report;
mod runtime;
mod search;
mod settings;
mod signals;
mod status;
mod sweep;
mod synth;
mod tasks;
mod usage;

pub use args::{Cli, RendererName};
pub use exit::ExitCode;
pub use usage::parse;

use std::env;
use std::path::PathBuf;

use crate::core::{Error, FAULTS_VARIABLE, Faults, Kind, Result};
use crate::models::MODELS_ROOT_VARIABLE;
use crate::monitor::{Monitor, SampleRate};
use crate::plan::Folders;
use crate::queue::Scope;
use crate::store::{Settings, default_data_dir};
use crate::worker::WorkerOptions;
use args::Command;

/// Runs the command and returns the exit code. `window` opens the window; its arguments are the renderer, the data
/// folder and the models' folder.
pub fn run(cli: Cli, window: impl FnOnce(RendererName, PathBuf, Option<PathBuf>) -> Result<()>) -> ExitCode {
    let json = cli.common.json;
    let done = match cli.command {
        Some(Command::Generate(args)) => generate::run(&args, &cli.common),
        Some(Command::Sweep(args)) => sweep::run(&args, &cli.common),
        Some(Command::Draft(args)) => draft::run(&args, &cli.common),
        Some(Command::Queue(args)) => queue::run(&args, &cli.common),
        Some(Command::Models(args)) => list::models(&args, &cli.common).map(|()| ExitCode::Done),
        Some(Command::Presets(args)) => presets::run(&args, &cli.common).map(|()| ExitCode::Done),
        Some(Command::Lora(args)) => lora::run(&args, &cli.common).map(|()| ExitCode::Done),
        Some(Command::Graph(args)) => graph::run(&args, &cli.common).map(|()| ExitCode::Done),
        Some(Command::Status) => status::run(&cli.common).map(|()| ExitCode::Done),
        Some(Command::Tasks(args)) => tasks::run(&args, &cli.common).map(|()| ExitCode::Done),
        Some(Command::Analysis(args)) => analysis::run(&args, &cli.common).map(|()| ExitCode::Done),
        Some(Command::Compare(args)) => compare::run(&args, &cli.common).map(|()| ExitCode::Done),
        Some(Command::Monitor(args)) => monitor::run(&args, &cli.common),
        Some(Command::Bench(args)) => bench::run(&args, &cli.common).map(|()| ExitCode::Done),
        Some(Command::Doctor(args)) => doctor::run(&args, &cli.common),
        Some(Command::Runtime(args)) => runtime::run(&args, &cli.common).map(|()| ExitCode::Done),
        Some(Command::Settings(args)) => settings::run(&args, &cli.common).map(|()| ExitCode::Done),
        Some(Command::Desktop(args)) => desktop::run(&args, &cli.common).map(|()| ExitCode::Done),
        None => Places::new(&cli.common)
            .and_then(|places| window(cli.renderer, places.data_dir, places.models_dir))
            .map(|()| ExitCode::Done),
    };
    let code = done.unwrap_or_else(|error| {
        report::error(&error, json);
        ExitCode::from(&error)
    });
    match report::finish() {
        Ok(()) => code,
        Err(error) => {
            report::note(&format!("Error: {error:#}"));
            ExitCode::Failed
        }
    }
}

/// Folders and settings that every command needs.
pub(crate) struct Places {
    pub(crate) data_dir: PathBuf,
    pub(crate) models_dir: Option<PathBuf>,
    pub(crate) settings: Settings,
}

impl Places {
    /// Loads the settings and prints notes about problems in them.
    fn new(common: &args::Common) -> Result<Self> {
        let (places, notes) = Self::quiet(common)?;
        for line in notes {
            report::note(&format!("Warning: {line}"));
        }
        Ok(places)
    }

    /// Loads the settings; returns notes about problems in them.
    fn quiet(common: &args::Common) -> Result<(Self, Vec<String>)> {
        let data_dir = data_dir(common)?;
        let (settings, notes) = Settings::load(&data_dir);
        check_models_folder("--models-dir", common.models_dir.clone())?;
        check_models_folder(MODELS_ROOT_VARIABLE, env::var_os(MODELS_ROOT_VARIABLE).map(PathBuf::from))?;
        let models_dir = common.models_dir.clone().or_else(|| settings.models.folder.clone());
        Ok((Self { data_dir, models_dir, settings }, notes))
    }

    /// Where models and LoRAs are looked for.
    fn folders(&self) -> Folders {
        Folders { data: self.data_dir.clone(), models: self.models_dir.clone() }
    }
}

/// Fails if a given folder of models does not exist.
fn check_models_folder(source: &str, folder: Option<PathBuf>) -> Result<()> {
    match folder.filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) if !folder.is_dir() => {
            Err(Error::new(Kind::Input, format!("{source} is {}, which is not a folder", folder.display()))
                .field("models_dir")
                .remedy("Correct the path, or create the folder"))
        }
        _ => Ok(()),
    }
}

/// The worker options of the program `who`.
fn service(who: &'static str, scope: Scope) -> Result<WorkerOptions> {
    let faults = Faults::from_env()?;
    if !faults.is_empty() {
        report::note(&format!("Faults are injected, as {FAULTS_VARIABLE} asks"));
    }
    let monitor = Some(Monitor::start(SampleRate::new(2))?);
    Ok(WorkerOptions { faults, monitor, ..WorkerOptions::new(who, scope) })
}

fn data_dir(common: &args::Common) -> Result<PathBuf> {
    let data_dir = common.data_dir.clone().map_or_else(default_data_dir, Ok)?;
    // absolute, because libraries are opened from it
    let data_dir = std::path::absolute(&data_dir).unwrap_or(data_dir);
    if data_dir.exists() && !data_dir.is_dir() {
        let message = format!("The data folder {} is a file, not a folder", data_dir.display());
        return Err(Error::new(Kind::Input, message)
            .field("data_dir")
            .remedy("Choose a folder with --data-dir or WANDECK_DATA_DIR"));
    }
    Ok(data_dir)
}
