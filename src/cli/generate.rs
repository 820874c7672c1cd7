//! `wandeck generate`: makes one video now.

use std::path::Path;
use std::sync::Arc;

use crossbeam_channel::{Receiver, RecvError, bounded, select};

use super::args::{Common, Generate};
use super::dry_run;
use super::plan;
use super::report::{self, Output, ProgressPrinter};
use super::reproduce::Reproduction;
use super::{ExitCode, Places, service};
use crate::core::{Error, Event, Kind, Result};
use crate::queue::Scope;
use crate::worker::Worker;

pub(super) fn run(args: &Generate, common: &Common) -> Result<ExitCode> {
    let places = Places::new(common)?;
    let planned = plan::plan(args, &places, None)?;
    if args.dry_run {
        return dry_run::run(&planned, &places, common.json);
    }
    plan::note_route(&planned);
    let interrupts = interrupts()?;
    let service = service("wandeck generate", Scope::Own)?.settled(&places.settings);
    let output = match (args.events, common.json) {
        (true, _) => Output::Events,
        (false, true) => Output::Json,
        (false, false) => Output::Text,
    };
    let mut reporter = ProgressPrinter::new(output);
    let worker = Worker::start(places.data_dir, service, Arc::new(|| {}))?;
    let id = worker.submit(planned.spec)?.recv().map_err(died)??;
    loop {
        select! {
            recv(interrupts) -> _ => {
                reporter.note("Stopping…");
                worker.cancel(id)?;
            }
            recv(worker.events()) -> event => {
                let (of, event) = event.map_err(died)?;
                if of != id {
                    continue;
                }
                worker.snapshot().messages.iter().for_each(|message| reporter.note(message));
                reporter.event(id, &event);
                if event.is_terminal() {
                    return end(&event, args.from.as_deref(), &reporter);
                }
            }
        }
    }
}

fn died(error: RecvError) -> Error {
    Error::new(Kind::Bug, "The worker has stopped unexpectedly").because(error)
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

/// Receives a message for each Ctrl-C.
pub(super) fn interrupts() -> Result<Receiver<()>> {
    let (sender, receiver) = bounded(1);
    // a second Ctrl-C while the first is being handled is ignored
    ctrlc::set_handler(move || {
        if sender.try_send(()).is_err() {
            tracing::debug!("Already stopping");
        }
    })
    .map_err(|error| Error::new(Kind::Bug, "Cannot handle Ctrl-C").because(error))?;
    Ok(receiver)
}
