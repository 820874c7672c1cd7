//! The command line: parses, hands over to the services, prints.

mod args;
mod convert;
mod draft;
mod dry_run;
mod exit;
mod generate;
mod graph;
mod list;
mod lora;
mod report;
mod reproduce;
mod synth;

pub use args::{Cli, RendererName};
pub use exit::ExitCode;

use std::path::PathBuf;

use crate::core::{FAULTS_VARIABLE, Faults, Result};
use crate::queue::{Scope, Service};
use crate::store::default_data_dir;
use args::Command;

/// Runs what was asked for and says how the program should end. `window` opens the window, which is the other
/// face and unknown here; it is given the renderer, the data folder and the models' folder.
pub fn run(cli: Cli, window: impl FnOnce(RendererName, PathBuf, Option<PathBuf>) -> Result<()>) -> ExitCode {
    let json = cli.common.json;
    let done = match cli.command {
        Some(Command::Generate(args)) => generate::run(&args, &cli.common),
        Some(Command::Models(args)) => list::models(&args, &cli.common).map(|()| ExitCode::Done),
        Some(Command::Presets(args)) => list::presets(&args, &cli.common).map(|()| ExitCode::Done),
        Some(Command::Lora(args)) => lora::run(&args, &cli.common).map(|()| ExitCode::Done),
        Some(Command::Graph(args)) => graph::run(&args, &cli.common).map(|()| ExitCode::Done),
        None => Places::new(&cli.common)
            .and_then(|places| window(cli.renderer, places.data_dir, places.models_dir))
            .map(|()| ExitCode::Done),
    };
    done.unwrap_or_else(|error| {
        report::error(&error, json);
        ExitCode::from(&error)
    })
}

/// Places that every command needs.
pub(crate) struct Places {
    pub(crate) data_dir: PathBuf,
    pub(crate) models_dir: Option<PathBuf>,
}

impl Places {
    fn new(common: &args::Common) -> Result<Self> {
        let data_dir = common.data_dir.clone().map_or_else(default_data_dir, Ok)?;
        // absolute, because a library is opened from it
        let data_dir = std::path::absolute(&data_dir).unwrap_or(data_dir);
        Ok(Self { data_dir, models_dir: common.models_dir.clone() })
    }
}

/// How the program `who` works on the queue.
fn service(who: &'static str, scope: Scope) -> Result<Service> {
    let faults = Faults::from_env()?;
    if !faults.is_empty() {
        report::note(&format!("Faults are made on purpose, as {FAULTS_VARIABLE} asks"));
    }
    Ok(Service { faults, ..Service::new(who, scope) })
}
