//! The arguments of `wandeck settings`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(in crate::cli) struct SettingsArgs {
    #[command(subcommand)]
    pub(in crate::cli) verb: SettingsVerb,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum SettingsVerb {
    /// Show every setting
    Show,
    /// Change one setting
    Set {
        /// Name, as in "settings show"
        key: String,
        /// Value; "none" to clear it
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Import known settings from another program's JSON configuration and list the rest
    Import {
        /// The JSON file
        file: PathBuf,
    },
    /// Print the path of the settings file
    Path,
}
