//! Parses the command line and reports usage errors as text or JSON.

use std::ffi::OsString;

use clap::Parser as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

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
            let mut shown = error_from_usage(&error);
            if is_prompt_without_quotes(&error, &args) {
                shown = shown.remedy(QUOTE_THE_PROMPT);
            }
            report::error(&shown, true);
        } else {
            report::note(&in_plain_words(&error, &args));
        }
        ExitCode::Invalid
    })
}

/// The error for a terminal: without the words of a programming language, and with a tip for a prompt without quotes.
fn in_plain_words(error: &clap::Error, args: &[OsString]) -> String {
    let text = plain_values(without_misleading_tip(&error.to_string()).trim_end());
    if is_prompt_without_quotes(error, args) { format!("{text}\n\n  tip: {QUOTE_THE_PROMPT}") } else { text }
}

/// Says what a number has to be.
fn plain_values(text: &str) -> String {
    text.replace("invalid digit found in string", "write a whole number, for example 5")
        .replace("cannot parse integer from empty string", "write a whole number, for example 5")
        .replace("number too large to fit in target type", "the number is too large")
        .replace("invalid float literal", "write a number, for example 2.5")
        .replace("is not in 0..=4294967295", "is not a whole number from 0 to 4294967295")
}

/// What to do about a prompt whose words are taken for several arguments.
const QUOTE_THE_PROMPT: &str = "put the whole prompt in quotes: wandeck generate \"a red circle\"";

/// Whether a word is left over that is no option: the rest of a prompt.
fn is_prompt_without_quotes(error: &clap::Error, args: &[OsString]) -> bool {
    let takes_prompt = ["generate", "sweep", "draft", "add"];
    let is_left_over = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(word)) => !word.starts_with('-'),
        _ => false,
    };
    error.kind() == ErrorKind::UnknownArgument
        && is_left_over
        && args.iter().any(|arg| takes_prompt.iter().any(|verb| arg == verb))
}

/// Removes the tip to write `-- -1`, which makes the value a prompt instead of the value of an option.
fn without_misleading_tip(text: &str) -> String {
    let paragraphs = text.split("\n\n").filter(|paragraph| !paragraph.contains("as a value, use '-- "));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

/// A usage error of clap as an [`Error`], without hints for a terminal.
fn error_from_usage(error: &clap::Error) -> Error {
    let text = plain_values(&error.to_string());
    let what = text.split("\n\n").next().unwrap_or_default();
    let what = what.strip_prefix("error: ").unwrap_or(what).split_whitespace().collect::<Vec<_>>().join(" ");
    let usage = text.lines().find_map(|line| line.strip_prefix("Usage: "));
    let remedy = usage.map_or_else(|| "Try --help".to_owned(), |usage| format!("Usage: {usage}"));
    Error::new(Kind::Input, what).field("usage").remedy(remedy)
}
