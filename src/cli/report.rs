//! Output of results and progress. Results go to standard output, everything else to standard error.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::OnceLock;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::args::Common;
use crate::core::{Document, Error, Event, Kind, Outcome, Result, counted};
use crate::jobs::{DoneDocument, EndDocument, EndStatus, JobId};
use crate::library::{OutcomeDocument, Reproduction};
use crate::worker::JobFollower;

/// Length of the progress bar; the fraction is multiplied by this.
const MARKS: u64 = 1000;

/// Why a line could not be written to standard output, if that has happened.
static FIRST_FAILURE: OnceLock<io::Error> = OnceLock::new();

/// What is printed on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// The path of the result.
    Text,
    /// One document at the end.
    Json,
    /// A line for each event.
    Events,
}

impl Output {
    /// What the options of a command ask for.
    pub(super) fn of(events: bool, common: &Common) -> Self {
        match (events, common.json) {
            (true, _) => Self::Events,
            (false, true) => Self::Json,
            (false, false) => Self::Text,
        }
    }
}

/// Prints the progress of jobs: a bar on a terminal, lines elsewhere, JSON lines if asked for.
pub(super) struct ProgressPrinter {
    jobs: BTreeMap<JobId, JobFollower>,
    bar: Option<ProgressBar>,
    output: Output,
}

impl ProgressPrinter {
    pub(super) fn new(output: Output) -> Self {
        Self { jobs: BTreeMap::new(), bar: None, output }
    }

    /// Shows an event of a job.
    pub(super) fn event(&mut self, id: JobId, event: &Event) {
        if self.jobs.is_empty() {
            self.bar = bar();
        }
        let now = Instant::now();
        let job = self.jobs.entry(id).or_insert_with(|| JobFollower::new(now));
        job.observe(event, now);
        let has_two_experts = job.progress().has_two_experts();
        if let Some(bar) = &self.bar {
            show(bar, job);
        }
        if !job.is_running() {
            self.jobs.remove(&id);
        }
        if self.output == Output::Events {
            print_json(event);
        }
        match event {
            Event::Note { message } | Event::Interrupted { message } => self.note(message),
            Event::Retrying { message, .. } => self.note(&format!("Retrying: {message}")),
            Event::Warning { message } => self.note(&format!("Warning: {message}")),
            Event::StageFinished { stage, seconds } if self.bar.is_none() => {
                note(&format!("{}: {seconds}", stage.name(has_two_experts)));
            }
            Event::Step { stage, step, of, seconds } if self.bar.is_none() => {
                let job = self.jobs.get(&id);
                let percent = job.map_or(0.0, |job| job.progress().fraction()) * 100.0;
                let left = job.map(left).unwrap_or_default();
                note(&format!(
                    "{} {step}/{of}: {seconds}, {percent:.0} %{left}",
                    stage.name(has_two_experts)
                ));
            }
            _ => {}
        }
        if self.jobs.is_empty()
            && let Some(bar) = self.bar.take()
        {
            bar.finish_and_clear();
        }
    }

    /// Brings the bar to the present: the time that is left shrinks between two events, too.
    pub(super) fn tick(&self) {
        if let (Some(bar), Some(job)) = (&self.bar, self.jobs.values().next()) {
            show(bar, job);
        }
    }

    /// Shows a line without disturbing the bar.
    pub(super) fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| note(text)),
            None => note(text),
        }
    }
}

/// A progress bar of bytes, which is hidden where standard error is no terminal.
pub(super) fn byte_bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    if io::stderr().is_terminal() {
        let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    } else {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    bar
}

/// A progress bar, if standard error is a terminal.
fn bar() -> Option<ProgressBar> {
    io::stderr().is_terminal().then(|| {
        let style = ProgressStyle::with_template("{bar:30} {percent:>3}%  {msg}  {elapsed}");
        ProgressBar::new(MARKS).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
    })
}

fn show(bar: &ProgressBar, job: &JobFollower) {
    if let Some(building) = job.building() {
        bar.set_message(building.to_owned());
    } else if let Some((stage, done, of)) = job.progress().stage() {
        bar.set_position((job.progress().fraction() * MARKS as f64) as u64);
        let name = stage.name(job.progress().has_two_experts());
        bar.set_message(format!("{name} {done}/{of}{}", left(job)));
    }
}

/// For instance ", about 4 min 10 s left"; empty while it is unknown.
fn left(job: &JobFollower) -> String {
    job.progress().remaining_now().map(|left| format!(", about {left} left")).unwrap_or_default()
}

/// Prints the outcome of a finished job.
pub(super) fn outcome(outcome: &Outcome, again: Option<&Reproduction>, reporter: &ProgressPrinter) {
    let request = &outcome.request;
    if reporter.output == Output::Json {
        print_document(OutcomeDocument::new(outcome, again));
    } else if reporter.output != Output::Events {
        out(&outcome.output.display().to_string());
        let (frames, size, fps) = (request.frames.0, request.size, request.fps.0);
        note(&format!(
            "{}, {size}, {fps} fps, seed {}, in {}",
            counted(frames, "frame"),
            request.seed.0,
            outcome.generation_time_s
        ));
        if let Some(again) = again {
            note(&again.to_string());
        }
    }
}

/// Prints the error of a failed job.
pub(super) fn failure(failed: &Error, reporter: &ProgressPrinter) {
    if reporter.output != Output::Events {
        error(failed, reporter.output == Output::Json);
    }
}

/// Prints that a job was cancelled.
pub(super) fn cancelled(reporter: &ProgressPrinter) {
    if reporter.output == Output::Json {
        print_document(EndDocument { status: EndStatus::Cancelled, error: None });
    } else if reporter.output != Output::Events {
        note("Cancelled");
    }
}

/// Prints an error as text or as a JSON document.
pub(super) fn error(error: &Error, as_json: bool) {
    if as_json {
        print_document(EndDocument { status: EndStatus::Failed, error: Some(error) });
    } else {
        note(&format!("Error: {error:#}"));
    }
}

/// Prints a line on standard output. If it cannot be written, [`finish`] says so.
pub(super) fn out(text: &str) {
    if let Err(error) = writeln!(io::stdout().lock(), "{text}") {
        // the first error is the cause of the others
        FIRST_FAILURE.get_or_init(|| error);
    }
}

/// Writes what is left for standard output; fails if anything could not be written, as to a full disk.
pub(super) fn finish() -> Result<()> {
    let flushed = io::stdout().lock().flush();
    let failure = FIRST_FAILURE.get().map(|error| io::Error::new(error.kind(), error.to_string()));
    match failure.map_or(flushed, Err) {
        // a reader that went away is no reason to fail
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let error =
                Error::new(Kind::Io, "The result could not be written to standard output").because(error);
            Err(error.remedy("Free some disk space, or send it elsewhere"))
        }
        _ => Ok(()),
    }
}

/// Prints a line on standard error.
pub(super) fn note(text: &str) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// Prints a document with its version.
pub(super) fn print_document(body: impl Serialize) {
    print_json(&Document::new(body));
}

/// Prints the document of a command that succeeded.
pub(super) fn print_done(body: impl Serialize) {
    print_document(DoneDocument { status: EndStatus::Done, body });
}

/// Prints a value as one line of JSON.
pub(super) fn print_json(value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(json) => out(&json),
        Err(error) => note(&format!("Error: cannot encode the result as JSON: {error}")),
    }
}
