//! Parses the command line and reports usage errors as text or JSON.

use std::ffi::OsString;

use clap::Parser as _;

use super::args::Cli;
use super::{ExitCode, report};
use crate::core::{Error, Kind};

/// Parses the arguments, including the program's name. `Err` is the exit code after printing help or an error.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, ExitCode> {
    let args: Vec<OsString> = args.into_iter().collect();
    Cli::try_parse_from(&args).map_err(|error| {
        if !error.use_stderr() {
            report::out(error.to_string().trim_end());
            return ExitCode::Done;
        }
        if args.iter().any(|arg| arg == "--json") {
            report::error(&error_from_usage(&error), true);
        } else {
            report::note(without_misleading_tip(&error.to_string()).trim_end());
        }
        ExitCode::Invalid
    })
}

/// Removes the tip to write `-- -1`, which makes the value a prompt instead of the value of an option.
fn without_misleading_tip(text: &str) -> String {
    let paragraphs = text.split("\n\n").filter(|paragraph| !paragraph.contains("as a value, use '-- "));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

/// A usage error of clap as an [`Error`], without hints for a terminal.
fn error_from_usage(error: &clap::Error) -> Error {
    let text = error.to_string();
    let what = text.split("\n\n").next().unwrap_or_default();
    let what = what.strip_prefix("error: ").unwrap_or(what).split_whitespace().collect::<Vec<_>>().join(" ");
    let usage = text.lines().find_map(|line| line.strip_prefix("Usage: "));
    let remedy = usage.map_or_else(|| "Try --help".to_owned(), |usage| format!("Usage: {usage}"));
    Error::new(Kind::Input, what).field("usage").remedy(remedy)
}
