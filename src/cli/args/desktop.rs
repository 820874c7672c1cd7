//! The arguments of `wandeck desktop`.

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(in crate::cli) struct DesktopArgs {
    #[command(subcommand)]
    pub(in crate::cli) verb: DesktopVerb,
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(in crate::cli) enum DesktopVerb {
    /// Put this program into the applications menu of your desktop (Linux); docks then show a job's progress on its icon
    Install,
    /// Take it out of the menu again
    Remove,
}
