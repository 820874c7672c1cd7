//! The arguments of the verbs about ended jobs, measurements and checks.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(in crate::cli) struct Tasks {
    /// Number of jobs to list
    #[arg(default_value_t = 20)]
    pub(in crate::cli) count: usize,
    /// First rebuild the history from the videos in the data folder's outputs; a damaged database is kept aside
    #[arg(long)]
    pub(in crate::cli) rebuild: bool,
    /// Another folder with videos to read; repeat for more
    #[arg(long = "in", value_name = "DIR", requires = "rebuild")]
    pub(in crate::cli) folders: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Analysis {
    /// Hours to look back
    #[arg(default_value_t = 24.0, value_parser = hours)]
    pub(in crate::cli) hours: f64,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Monitor {
    /// Number of samples, one in a second
    #[arg(default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(in crate::cli) count: u32,
    /// Measure the machine's peak speed instead, with which later jobs are compared; takes a few seconds
    #[arg(long)]
    pub(in crate::cli) calibrate: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Doctor {
    /// Save versions, devices, settings, log and the last jobs' numbers as this zip file instead, without prompts, paths
    /// or names
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) bundle: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Compare {
    /// Two to four videos, or ids or numbers of finished jobs; the first one is the reference
    #[arg(required = true, num_args = 2..=4, value_name = "VIDEO")]
    pub(in crate::cli) videos: Vec<String>,
}

fn hours(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(hours) if hours > 0.0 => Ok(hours),
        _ => Err("it must be a number above 0".to_owned()),
    }
}
