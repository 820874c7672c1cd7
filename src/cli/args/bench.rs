//! The arguments of `wandeck bench`.

use clap::{Args, Subcommand};

use super::generate::size;
use super::models::LikeName;
use super::value::named;
use crate::core::{ProviderChoice, Resolution};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct BenchArgs {
    #[command(subcommand)]
    pub(in crate::cli) verb: Option<BenchVerb>,
    /// Measure a small clip, in a minute or two
    #[arg(long)]
    pub(in crate::cli) quick: bool,
    /// Official model whose widths the random weights have
    #[arg(long, value_enum, default_value = "ti2v-5B")]
    pub(in crate::cli) like: LikeName,
    /// Measure this model instead, as it is
    #[arg(long, value_name = "ID", conflicts_with = "like")]
    pub(in crate::cli) model: Option<String>,
    /// Size of the clip [default: 832x480, and 192x192 with --quick]
    #[arg(long, value_name = "WxH", value_parser = size)]
    pub(in crate::cli) size: Option<Resolution>,
    /// Frames of the clip [default: 17, and 5 with --quick]
    #[arg(long, value_name = "N")]
    pub(in crate::cli) frames: Option<u32>,
    /// Execution provider: auto, cpu, cuda, tensorrt, rtx, webgpu or openvino
    #[arg(long, value_parser = named::<ProviderChoice>, default_value = "auto")]
    pub(in crate::cli) provider: ProviderChoice,
    /// Do not keep the result
    #[arg(long)]
    pub(in crate::cli) no_keep: bool,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum BenchVerb {
    /// List the results that were kept
    List,
    /// Compare two results of the same work
    Compare {
        /// Number of the first result
        first: u32,
        /// Number of the second result
        second: u32,
    },
}
