//! `wandeck generate`: one video now.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, after, bounded, never, select};

use super::args::{Common, Generate};
use super::report::{self, Output, Reporter};
use super::reproduce::Reproduction;
use super::{ExitCode, Places, draft::draft};
use crate::core::{Draft, Error, Event, FrameCount, Kind, Result};
use crate::media::{Existing, Target};
use crate::queue::{Job, JobId, Worker};

/// Characters of the prompt that go into a file's name.
const SLUG: usize = 40;

pub(super) fn run(args: &Generate, common: &Common) -> Result<ExitCode> {
    let places = Places::new(common)?;
    let (draft, model) = draft(args, &places)?;
    let existing = if args.overwrite { Existing::Replace } else { Existing::NextFree };
    let path = args.output.clone().unwrap_or_else(|| default_output(&places.data_dir, &draft));
    let target = Target::parse(&path, FrameCount(draft.frames), existing)?;
    let interrupts = interrupts()?;
    let seconds = args.timeout.unwrap_or(places.settings.errors.timeout_s);
    let worker = Worker::start(places.data_dir, Arc::new(|| {}))?;
    let id = JobId(1);
    worker.submit(Job { id, draft, model, target, latents_out: args.latents_out.clone(), preview: false })?;

    let output = match (args.events, common.json) {
        (true, _) => Output::Events,
        (false, true) => Output::Json,
        (false, false) => Output::Text,
    };
    let mut reporter = Reporter::new(output);
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let timeout = if seconds == 0 { never() } else { after(Duration::from_secs(seconds)) };
    loop {
        select! {
            recv(interrupts) -> _ => {
                reporter.note("Stopping…");
                worker.cancel(id);
            }
            recv(timeout) -> _ => worker.cancel(id),
            recv(worker.events()) -> event => {
                let (_, event) = event.map_err(|error| {
                    Error::new(Kind::Bug, "The engine thread has ended").because(error)
                })?;
                let late = seconds > 0 && Instant::now() >= deadline;
                let event = if late && matches!(event, Event::Cancelled) { timed_out(seconds) } else { event };
                reporter.event(&event);
                if event.is_terminal() {
                    return end(&event, args.from.as_deref(), &reporter);
                }
            }
        }
    }
}

fn end(event: &Event, from: Option<&Path>, reporter: &Reporter) -> Result<ExitCode> {
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

fn timed_out(seconds: u64) -> Event {
    let error = Error::new(Kind::Generation, format!("Not done after {seconds} s"))
        .remedy("Give it more time with --timeout, or ask for less");
    Event::Failed { error }
}

/// A message for each Ctrl-C.
fn interrupts() -> Result<Receiver<()>> {
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
