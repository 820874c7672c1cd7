//! The arguments of `wandeck sweep` and `wandeck draft`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::generate::Generate;
use crate::core::{Error, Kind, Result};
use crate::library::MAX_RATING;
use crate::metrics::DifferenceMetric;
use crate::sweep::{Axis, Condition, Goal, GuidedSearch};

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
    #[command(flatten)]
    pub(in crate::cli) search: SearchArgs,
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
    /// Continue an earlier search, by its name or id
    #[arg(long = "continue", value_name = "SWEEP", conflicts_with_all = ["show", "axes", "search"])]
    pub(in crate::cli) continued: Option<String>,
    /// With --show or --continue: rate trials first, each as NUMBER=STARS
    #[arg(long, value_name = "N=STARS", value_delimiter = ',', value_parser = rating, conflicts_with = "axes")]
    pub(in crate::cli) rate: Vec<(usize, u8)>,
    /// Write the finished sweep to a new folder: a page with all videos in step, a contact sheet and a table
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) export: Option<PathBuf>,
}

/// What a search looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum GoalName {
    /// The shortest time among the trials that are close enough to the base, which is run first.
    Fastest,
    /// The highest rating in stars.
    Rated,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SearchArgs {
    /// Choose trials one after the other from what the earlier ones gave, instead of making every combination
    #[arg(long, value_name = "GOAL")]
    pub(in crate::cli) search: Option<GoalName>,
    /// With --search fastest: how close a trial must be to the base: a metric (`psnr`, `ssim`, `ms_ssim` or
    /// `ssimulacra2`) and its least mean over the frames [default: ssim=0.95]
    #[arg(long, value_name = "METRIC=VALUE", requires = "search", value_parser = bound)]
    pub(in crate::cli) at_least: Option<(DifferenceMetric, f64)>,
    /// Number of trials [default: 20]
    #[arg(long, value_name = "N", requires = "search")]
    pub(in crate::cli) trials: Option<u32>,
    /// Seed of the choice of trials [default: 0]
    #[arg(long, value_name = "N", requires = "search")]
    pub(in crate::cli) search_seed: Option<u32>,
    /// Compare the preview of each trial after this part of its steps, such as 0.5, and stop one that is too far from
    /// the base
    #[arg(long, value_name = "PART", requires = "search")]
    pub(in crate::cli) check_at: Option<f32>,
}

impl SearchArgs {
    /// The search of the options, else the one of the sweep's file.
    pub(in crate::cli) fn search(&self, of_file: Option<GuidedSearch>) -> Result<Option<GuidedSearch>> {
        let Some(goal) = self.search else { return Ok(of_file) };
        let goal = match goal {
            GoalName::Fastest => {
                let (metric, at_least) = self.at_least.unwrap_or(BOUND);
                Goal::Fastest { metric, at_least }
            }
            GoalName::Rated if self.at_least.is_some() => {
                return Err(Error::new(Kind::Input, "A search by ratings has no bound")
                    .field("at_least")
                    .remedy("Leave --at-least out, or use --search fastest"));
            }
            GoalName::Rated => Goal::BestRated,
        };
        let usual = GuidedSearch::new(goal);
        Ok(Some(GuidedSearch {
            trials: self.trials.unwrap_or(usual.trials),
            seed: self.search_seed.unwrap_or(usual.seed),
            check_at: self.check_at,
            ..usual
        }))
    }
}

/// The bound of `--search fastest` without `--at-least`.
const BOUND: (DifferenceMetric, f64) = (DifferenceMetric::Ssim, 0.95);

#[derive(Debug, Args)]
pub(in crate::cli) struct DraftArgs {
    /// The prompt and the options of generate
    #[command(flatten)]
    pub(in crate::cli) generate: Box<Generate>,
    /// Number of drafts, each with another seed [default: the preset's, else 6]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(in crate::cli) drafts: Option<u32>,
    /// Steps of a draft [default: the preset's, else 4]
    #[arg(long, value_name = "N")]
    pub(in crate::cli) after: Option<u32>,
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

fn bound(text: &str) -> std::result::Result<(DifferenceMetric, f64), String> {
    let parsed = text.split_once('=').and_then(|(name, value)| {
        let metric = DifferenceMetric::ALL.into_iter().find(|metric| metric.word() == name.trim())?;
        Some((metric, value.trim().parse().ok()?))
    });
    parsed.ok_or_else(|| "write psnr=VALUE, ssim=VALUE, ms_ssim=VALUE or ssimulacra2=VALUE".to_owned())
}

fn rating(text: &str) -> std::result::Result<(usize, u8), String> {
    let parsed = text.split_once('=').and_then(|(number, stars)| {
        let stars = stars.trim().parse().ok().filter(|stars| *stars <= MAX_RATING)?;
        Some((number.trim().parse().ok()?, stars))
    });
    parsed.ok_or_else(|| "write the number of a trial and 0 to 5 stars, such as 3=5".to_owned())
}

fn axis(text: &str) -> std::result::Result<Axis, String> {
    text.parse().map_err(|error| format!("{error:#}"))
}

fn condition(text: &str) -> std::result::Result<Condition, String> {
    text.parse().map_err(|error| format!("{error:#}"))
}
