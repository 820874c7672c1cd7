//! `wandeck generate`: one video now.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossbeam_channel::{Receiver, RecvError, bounded, select};

use super::args::{Common, Generate};
use super::draft::{Chosen, Drafted, absolute, draft};
use super::dry_run;
use super::report::{self, Output, ProgressPrinter};
use super::reproduce::Reproduction;
use super::{ExitCode, Places, service};
use crate::core::{Draft, Error, Event, FrameCount, Kind, Result};
use crate::jobs::{Fallback, JobSpec};
use crate::media::{Existing, OutputTarget};
use crate::queue::Scope;
use crate::worker::Worker;

/// Characters of the prompt that go into a file's name.
const SLUG: usize = 40;

pub(super) fn run(args: &Generate, common: &Common) -> Result<ExitCode> {
    let places = Places::new(common)?;
    let (work, chosen) = planned(args, &places)?;
    if let Chosen::Route(route) = &chosen {
        report::note(&route.to_string());
    }
    if args.dry_run {
        return dry_run::run(&work, &chosen, &places, common.json);
    }
    let interrupts = interrupts()?;
    let service = service("wandeck generate", Scope::Own)?.settled(&places.settings);
    let output = match (args.events, common.json) {
        (true, _) => Output::Events,
        (false, true) => Output::Json,
        (false, false) => Output::Text,
    };
    let mut reporter = ProgressPrinter::new(output);
    let worker = Worker::start(places.data_dir, service, Arc::new(|| {}))?;
    let id = worker.submit(work)?.recv().map_err(died)??;
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
                worker.snapshot().messages.iter().for_each(|told| reporter.note(told));
                reporter.event(&event);
                if event.is_terminal() {
                    return end(&event, args.from.as_deref(), &reporter);
                }
            }
        }
    }
}

/// What the arguments ask for, with the router's reason told.
pub(super) fn work(args: &Generate, places: &Places) -> Result<JobSpec> {
    if args.dry_run {
        return Err(Error::new(Kind::Input, "A dry run puts nothing into the queue")
            .field("dry_run")
            .remedy("Use \"wandeck generate --dry-run\""));
    }
    let (work, chosen) = planned(args, places)?;
    if let Chosen::Route(route) = &chosen {
        report::note(&route.to_string());
    }
    Ok(work)
}

/// Likewise, with what chose the model; where the video goes is checked here.
fn planned(args: &Generate, places: &Places) -> Result<(JobSpec, Chosen)> {
    let Drafted { draft, folder: model, chosen } = draft(args, places)?;
    let existing = if args.overwrite { Existing::Replace } else { Existing::NextFree };
    let output = args.output.clone().unwrap_or_else(|| default_output(&places.data_dir, &draft));
    // the queue may be worked on from elsewhere
    let output = absolute(&output);
    OutputTarget::parse(&output, FrameCount(draft.frames), existing)?;
    let work = JobSpec {
        existing,
        latents_out: args.latents_out.as_deref().map(absolute),
        ..JobSpec::new(draft, absolute(&model), output).settled(
            &places.settings,
            &places.data_dir,
            places.models_dir.as_deref(),
        )
    };
    let find = |id: &String| Fallback::find(id, &places.data_dir, places.models_dir.as_deref());
    let fallbacks = match args.fallbacks.as_slice() {
        [] => work.fallbacks,
        asked => asked.iter().map(find).collect::<Result<_>>()?,
    };
    let timeout_s = match args.timeout {
        Some(seconds) => Some(seconds).filter(|seconds| *seconds > 0),
        None => work.timeout_s,
    };
    Ok((JobSpec { timeout_s, fallbacks, ..work }, chosen))
}

fn died(error: RecvError) -> Error {
    Error::new(Kind::Bug, "The engine thread has ended").because(error)
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

/// A message for each Ctrl-C.
pub(super) fn interrupts() -> Result<Receiver<()>> {
    let (sender, receiver) = bounded(1);
    // a second Ctrl-C while the first is being handled has nothing to add
    ctrlc::set_handler(move || {
        if sender.try_send(()).is_err() {
            tracing::debug!("Already stopping");
        }
    })
    .map_err(|error| Error::new(Kind::Bug, "Ctrl-C cannot be handled").because(error))?;
    Ok(receiver)
}

fn default_output(data_dir: &Path, draft: &Draft) -> PathBuf {
    let words: String =
        draft.prompt.chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).take(SLUG).collect();
    let slug = words.split_whitespace().collect::<Vec<_>>().join("-");
    data_dir.join("outputs").join(format!("{}_{slug}.mp4", draft.seed))
}
