//! The arguments of `wandeck sweep` and `wandeck draft`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::generate::Generate;
use crate::sweep::{Axis, Condition};

/// How cells are chosen where not every combination is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum SampleName {
    /// Random combinations.
    Random,
    /// Combinations that cover the space evenly.
    Sobol,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SweepArgs {
    /// The base: a prompt, or FILE.ron with a whole sweep, and the options of generate
    #[command(flatten)]
    pub(in crate::cli) generate: Box<Generate>,
    /// Axis as FIELD=VALUES, with commas and ranges (steps=1,2,..,6); linked fields follow after " & "; repeat for
    /// more axes
    #[arg(long = "axis", value_name = "FIELD=VALUES", value_parser = axis)]
    pub(in crate::cli) axes: Vec<Axis>,
    /// Leave out cells for which this holds, for example "steps > 10 & seed = 1"; repeat for more
    #[arg(long, value_name = "CONDITION", value_parser = condition)]
    pub(in crate::cli) skip: Vec<Condition>,
    /// Make only some combinations
    #[arg(long, value_name = "HOW", requires = "count")]
    pub(in crate::cli) sample: Option<SampleName>,
    /// Number of combinations that are sampled
    #[arg(long, value_name = "N", requires = "sample")]
    pub(in crate::cli) count: Option<u32>,
    /// Name of the sweep [default: its axes]
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) name: Option<String>,
    /// Only add the jobs to the queue
    #[arg(long)]
    pub(in crate::cli) queue: bool,
    /// List the sweeps of the data folder
    #[arg(long)]
    pub(in crate::cli) list: bool,
    /// Show the state of an earlier sweep, by its name or id
    #[arg(long, value_name = "SWEEP")]
    pub(in crate::cli) show: Option<String>,
    /// Write the finished sweep to a new folder: a page with all videos in step, a contact sheet and a table
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) export: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DraftArgs {
    /// The prompt and the options of generate
    #[command(flatten)]
    pub(in crate::cli) generate: Box<Generate>,
    /// Number of drafts, each with another seed
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(in crate::cli) drafts: u32,
    /// Steps of a draft
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub(in crate::cli) after: u32,
    /// Name of the drafts [default: the prompt]
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) name: Option<String>,
    /// Choose among earlier drafts, by their name or id
    #[arg(long = "of", value_name = "DRAFTS", requires = "finish", conflicts_with = "dry_run")]
    pub(in crate::cli) drafts_of: Option<String>,
    /// Numbers of the drafts to finish, with commas; the others are dropped
    #[arg(long, value_name = "N,N", value_delimiter = ',', requires = "drafts_of")]
    pub(in crate::cli) finish: Vec<usize>,
}

fn axis(text: &str) -> Result<Axis, String> {
    text.parse().map_err(|error| format!("{error:#}"))
}

fn condition(text: &str) -> Result<Condition, String> {
    text.parse().map_err(|error| format!("{error:#}"))
}
