//! The arguments of `wandeck models`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::core::Bytes;

#[derive(Debug, Args)]
pub(in crate::cli) struct Models {
    #[command(subcommand)]
    pub(in crate::cli) verb: ModelsVerb,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ModelsVerb {
    /// List models, with their modes or what is wrong with them
    List,
    /// Show one model
    Show {
        /// Model id or folder
        model: String,
    },
    /// List the models that can be fetched, with size, licence and whether they fit
    Available,
    /// Fetch a model: shows the plan, then downloads what is missing; an interrupted download resumes where it stopped
    Fetch(FetchModel),
    /// Add a model from another folder without copying it
    Import {
        /// Folder of models, or a checkpoint file
        path: PathBuf,
    },
    /// Read every byte of a model: compare checksums where they are known, and look for values that are not numbers
    Verify {
        /// Model id or folder
        model: String,
    },
    /// Move a model's own files to the bin; files that other models use stay
    Remove {
        /// Model id
        model: String,
        /// Only say what would be removed, what it frees, and what stays because other models use it
        #[arg(long)]
        dry_run: bool,
    },
    /// Convert a model to a smaller precision; int8 is also faster on CPUs with VNNI
    Convert(Convert),
    /// Write a model with synthetic weights and official names and shapes, for tests and benchmarks
    Synth(Box<Synth>),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct FetchModel {
    /// ID, ID@VERSION or ID-VARIANT; "wandeck models available" lists them
    pub(in crate::cli) model: String,
    /// Precision or layout [default: the first of the list]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) variant: Option<String>,
    /// Show what would be fetched, and fetch nothing
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    /// Limit the total download rate, in bytes per second, for instance 500K or 20M [default: `models.download_kib_s`]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(in crate::cli) limit_rate: Option<Bytes>,
}

/// A number of bytes with an optional K, M or G, of 1024 each.
fn rate(text: &str) -> Result<Bytes, String> {
    let (number, factor) = match text.chars().last().map(|last| last.to_ascii_uppercase()) {
        Some('K') => (&text[..text.len() - 1], 1 << 10),
        Some('M') => (&text[..text.len() - 1], 1 << 20),
        Some('G') => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    let number: f64 = number.trim().parse().map_err(|_wrong| format!("\"{text}\" is not a rate like 20M"))?;
    let rate = (number * f64::from(factor)) as u64;
    if rate == 0 { Err("a rate is at least 1 byte per second".to_owned()) } else { Ok(Bytes(rate)) }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Convert {
    /// Model id or folder
    pub(in crate::cli) model: String,
    /// Target precision: int8 is also faster on CPUs with VNNI; int4 is the smallest and least exact; fp8 and bf16 only
    /// save disk space on the CPU, which computes them in fp32
    #[arg(long, value_name = "TYPE")]
    pub(in crate::cli) precision: TargetName,
    /// New folder to write to [default: the model's name with the precision, in the data folder's models]
    #[arg(short, long, value_name = "DIR")]
    pub(in crate::cli) output: Option<PathBuf>,
}

/// Target precision of a conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum TargetName {
    Int8,
    Int4,
    Fp8,
    Bf16,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Synth {
    /// Model whose names and shapes to use
    #[arg(long, value_name = "MODEL")]
    pub(in crate::cli) like: LikeName,
    /// Number of transformer blocks, and of text encoder blocks unless --text-layers is given [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=200))]
    pub(in crate::cli) layers: Option<u32>,
    /// Number of text encoder blocks
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=200))]
    pub(in crate::cli) text_layers: Option<u32>,
    /// Vocabulary size of the text encoder, at least 128 [default: 256384, which is 2.1 GB in bf16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(128..))]
    pub(in crate::cli) vocab: Option<u32>,
    /// Number format of the weights
    #[arg(long, value_name = "TYPE", default_value = "bf16")]
    pub(in crate::cli) dtype: DtypeName,
    /// Layout of the files
    #[arg(long, value_name = "LAYOUT", default_value = "diffusers")]
    pub(in crate::cli) layout: LayoutName,
    /// Write only these components
    #[arg(long, value_name = "COMPONENT,…", value_delimiter = ',')]
    pub(in crate::cli) only: Vec<ComponentName>,
    /// Seed of the weights; the same seed gives the same weights in every layout
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(in crate::cli) seed: u64,
    /// Write tensors above 1 MiB as sparse zeros, which need no disk space: the model can be opened but not run
    #[arg(long)]
    pub(in crate::cli) sparse: bool,
    /// New or empty folder to write to
    pub(in crate::cli) dir: PathBuf,
}

/// The official model whose names and shapes a synthetic model uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum LikeName {
    #[value(name = "t2v-A14B")]
    T2v,
    #[value(name = "i2v-A14B")]
    I2v,
    #[value(name = "ti2v-5B")]
    Ti2v,
}

/// Number format of synthetic weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum DtypeName {
    Fp32,
    Bf16,
    Fp16,
    #[value(name = "fp8_scaled")]
    Fp8Scaled,
}

/// File layout of a synthetic model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum LayoutName {
    Diffusers,
    Original,
    Comfy,
}

/// A component of a synthetic model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ComponentName {
    Transformer,
    Text,
    Vae,
}
