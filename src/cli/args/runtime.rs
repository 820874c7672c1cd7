//! The arguments of `wandeck runtime`.

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(in crate::cli) struct RuntimeArgs {
    #[command(subcommand)]
    pub(in crate::cli) verb: RuntimeVerb,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum RuntimeVerb {
    /// List the builds and plugins, with version, licence, size and state
    List,
    /// Fetch a build or a plugin with pip, check it and put it into the data folder
    Install {
        /// cuda, rtx, webgpu or openvino
        name: String,
    },
    /// Remove a build or a plugin from the data folder
    Remove {
        /// cuda, rtx, webgpu or openvino
        name: String,
    },
}
