//! The arguments of the verbs that show presets, LoRAs and graphs.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::value::named;
use crate::core::{PrecisionChoice, ProviderChoice};
use crate::presets::PresetField;

#[derive(Debug, Args)]
pub(in crate::cli) struct Presets {
    #[command(subcommand)]
    pub(in crate::cli) verb: PresetsVerb,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum PresetsVerb {
    /// List presets
    List,
    /// Show one preset as RON
    Show {
        /// Name of the preset
        name: String,
    },
    /// Save the settings of a video or another preset as an own preset
    Save {
        /// Name of the new preset
        name: String,
        #[command(flatten)]
        source: PresetSource,
        /// Fields that it sets, with commas, such as guidance,shift,sampler [default: all that the source has]
        #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
        fields: Vec<PresetField>,
        /// Give a field another value; can be repeated
        #[arg(long = "set", value_name = "FIELD=VALUE", value_parser = preset_value)]
        values: Vec<(PresetField, String)>,
        /// Replace an own preset of that name
        #[arg(long)]
        replace: bool,
    },
    /// Show in which fields two presets differ
    Diff {
        /// Name of the first preset
        first: String,
        /// Name of the second preset
        second: String,
    },
    /// Remove an own preset
    Remove {
        /// Name of the preset
        name: String,
    },
}

/// Where the settings of a new preset come from.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(in crate::cli) struct PresetSource {
    /// Video or image made with Wandeck, or a preset's RON file
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) from: Option<PathBuf>,
    /// Name of another preset
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) like: Option<String>,
}

fn preset_value(text: &str) -> Result<(PresetField, String), String> {
    let (field, value) =
        text.split_once('=').ok_or_else(|| "write FIELD=VALUE, such as steps=20".to_owned())?;
    let field = field.parse().map_err(|error| format!("{error:#}"))?;
    Ok((field, value.to_owned()))
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Lora {
    #[command(subcommand)]
    pub(in crate::cli) verb: LoraVerb,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum LoraVerb {
    /// List the LoRAs in loras and models/loras of the data folder and in the loras folder of the models folder
    List {
        /// Model id or folder to check them against
        #[arg(long, value_name = "ID")]
        model: Option<String>,
    },
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
pub(in crate::cli) struct Graph {
    #[command(subcommand)]
    pub(in crate::cli) verb: GraphVerb,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum GraphVerb {
    /// Export every component's graph as .onnx; weights are copied unless DIR is the model's own folder
    Export {
        /// Model id or folder
        model: String,
        /// Folder to write to; each component gets a folder in it
        dir: PathBuf,
        /// Target provider: cpu, cuda, tensorrt, rtx, webgpu or openvino; it need not be installed here
        #[arg(long, value_parser = named::<ProviderChoice>, default_value = "cpu")]
        provider: ProviderChoice,
        /// auto, fp32, bf16 or fp16
        #[arg(long, value_parser = named::<PrecisionChoice>, default_value = "auto")]
        precision: PrecisionChoice,
    },
}
