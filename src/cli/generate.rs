//! `wandeck generate`: makes one video now.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvError, select};

use super::args::{Common, Generate};
use super::dry_run;
use super::plan;
use super::report::{self, Output, ProgressPrinter};
use super::signals::{STOPPING, cancel_on, stops};
use super::{ExitCode, Places, service};
use crate::compare::difference_to_full_run;
use crate::core::{CancelToken, Error, Event, Kind, Outcome, Result};
use crate::library::{History, Reproduction};
use crate::queue::Scope;
use crate::stop_signals::Stop;
use crate::store::log_to_file;
use crate::worker::{Worker, WorkerOptions};

pub(super) fn run(args: &Generate, common: &Common) -> Result<ExitCode> {
    let places = Places::new(common)?;
    let planned = plan::plan(args, &places, None)?;
    if args.dry_run {
        return dry_run::run(&planned, &places, common.json);
    }
    plan::note_route(&planned);
    let stops = stops()?;
    log_to_file(&places.data_dir);
    let service = service("wandeck generate", Scope::Own)?;
    let service = WorkerOptions { profile: args.profile, ..service }.settled(&places.settings);
    let output = Output::of(args.events, common);
    let mut reporter = ProgressPrinter::new(output);
    let data_dir = places.data_dir;
    let worker = Worker::start(data_dir.clone(), service, Arc::new(|| {}))?;
    let id = worker.submit(planned.spec)?.recv().map_err(died)??;
    loop {
        select! {
            recv(stops) -> stop => if let Ok(Stop::Terminate) = stop { return Ok(interrupted(worker, &mut reporter)) } else {
                reporter.note(STOPPING);
                worker.cancel(id)?;
            },
            recv(worker.events()) -> event => {
                let (of, event) = event.map_err(died)?;
                if of != id {
                    continue;
                }
                worker.snapshot().messages.iter().for_each(|message| reporter.note(message));
                reporter.event(id, &event);
                if event.is_terminal() {
                    let code = end(&event, args.from.as_deref(), &reporter)?;
                    if let (Event::Finished { outcome }, Output::Text) = (&event, output) {
                        note_full_run(outcome, &data_dir, stops, &reporter);
                    }
                    return Ok(code);
                }
            }
            default(POLL) => {
                worker.check()?;
                reporter.tick();
            }
        }
    }
}

/// Stops the job so that it resumes later from its last step.
fn interrupted(worker: Worker, reporter: &mut ProgressPrinter) -> ExitCode {
    reporter.note(STOPPING);
    for (id, event) in worker.shut_down() {
        reporter.event(id, &event);
    }
    reporter.note("\"wandeck queue run\" resumes the job from its last step");
    ExitCode::Cancelled
}

/// How often it is checked whether the job can still be saved.
const POLL: Duration = Duration::from_millis(200);

fn died(error: RecvError) -> Error {
    Error::new(Kind::Bug, "The worker has stopped unexpectedly").because(error)
}

/// Prints the difference to a run without the step cache, if the history has one with otherwise the same settings. The
/// video is done, so that a problem is only a warning; `stops` end the measuring.
fn note_full_run(outcome: &Outcome, data_dir: &Path, stops: Receiver<Stop>, reporter: &ProgressPrinter) {
    if outcome.step_cache.is_none() {
        return;
    }
    let sentence = || -> Result<Option<String>> {
        let cancel = CancelToken::new();
        cancel_on(stops, &cancel)?;
        let (history, _) = History::open_to_read(data_dir)?;
        let output = std::path::absolute(&outcome.output).unwrap_or_else(|_| outcome.output.clone());
        let Some(entry) = history.of_output(&output)? else { return Ok(None) };
        Ok(difference_to_full_run(&history, &entry, &cancel)?.map(|difference| difference.sentence()))
    };
    match sentence() {
        Ok(None) => {}
        Ok(Some(sentence)) => reporter.note(&sentence),
        Err(error) if error.kind == Kind::Cancelled => {}
        Err(error) => {
            reporter
                .note(&format!("Warning: The video cannot be compared with one of every step: {error:#}"));
        }
    }
}

fn end(event: &Event, from: Option<&Path>, reporter: &ProgressPrinter) -> Result<ExitCode> {
    Ok(match event {
        Event::Finished { outcome } => {
            let again = from.map(|original| Reproduction::compare(original, &outcome.output)).transpose()?;
            report::outcome(outcome, again.as_ref(), reporter);
            ExitCode::Done
        }
        Event::Failed { error } => {
            report::failure(error, reporter);
            ExitCode::from(error)
        }
        _ => {
            report::cancelled(reporter);
            ExitCode::Cancelled
        }
    })
}
