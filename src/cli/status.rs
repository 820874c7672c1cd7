//! `wandeck status`: runtime, models, queue and recent jobs.

use std::path::Path;

use serde::Serialize;

use super::args::Common;
use super::measured::{machine_lines, one_sample, sample_line};
use super::report::{note, out, print_document};
use super::{Places, analysis, tasks};
use crate::core::{Error, Faults, Result, Utc};
use crate::engine::runtime::{self, RuntimeInfo};
use crate::jobs::{HistoryEntry, HistoryEntryDocument};
use crate::library::{Counts, History};
use crate::models::{self, Installed};
use crate::monitor::Machine;
use crate::queue::{Queue, QueueCounts};

/// Number of jobs that are shown.
const LAST: usize = 5;

pub(super) fn run(common: &Common) -> Result<()> {
    let places = Places::new(common)?;
    let runtime = runtime::open_installed(&places.data_dir)
        .map(|(runtime, _)| runtime.map(|runtime| runtime.info().clone()));
    let models = models::installed(&places.data_dir, places.models_dir.as_deref());
    let ended = History::open_to_read(&places.data_dir).and_then(|(history, notes)| {
        for line in &notes {
            note(&format!("Warning: {line}"));
        }
        Ok((history.recent(LAST)?, history.counts(Utc(0))?))
    });
    let queue = queue_counts(&places.data_dir);
    let measured = one_sample()?;
    if common.json {
        let (entries, counts) = ended.as_ref().ok().map(|(entries, counts)| (entries, counts)).unzip();
        print_document(StatusDocument {
            wandeck: env!("CARGO_PKG_VERSION"),
            data_dir: &places.data_dir,
            machine: &measured.machine,
            runtime: runtime.as_ref().ok().and_then(Option::as_ref),
            runtime_error: runtime.as_ref().err(),
            models: models.iter().map(ModelLine::new).collect(),
            queue: queue.as_ref().ok(),
            queue_error: queue.as_ref().err(),
            tasks: entries.map(|entries| tasks::documents(entries)),
            counts,
            success_rate: counts.and_then(Counts::success_rate),
            history_error: ended.as_ref().err(),
        });
    } else {
        out(&format!("Wandeck       {}, data in {}", env!("CARGO_PKG_VERSION"), places.data_dir.display()));
        out(&runtime_line(&runtime));
        let mut machine = machine_lines(&measured.machine);
        machine.extend(measured.samples.last().map(|sample| sample_line(sample)));
        out(&format!("Machine       {}", machine.join("; ")));
        out(&models_line(&models));
        out(&match &queue {
            Ok(counts) => format!("Queue         {counts}"),
            Err(error) => format!("Queue         {error:#}"),
        });
        for line in ended_lines(&ended) {
            out(&line);
        }
    }
    Ok(())
}

/// What `wandeck status --json` prints.
#[derive(Serialize)]
struct StatusDocument<'a> {
    /// Version of the program.
    wandeck: &'static str,
    data_dir: &'a Path,
    machine: &'a Machine,
    /// ONNX Runtime, if it is installed.
    runtime: Option<&'a RuntimeInfo>,
    runtime_error: Option<&'a Error>,
    models: Vec<ModelLine<'a>>,
    queue: Option<&'a QueueCounts>,
    queue_error: Option<&'a Error>,
    /// The last jobs that ended.
    tasks: Option<Vec<HistoryEntryDocument<'a>>>,
    counts: Option<&'a Counts>,
    success_rate: Option<f64>,
    history_error: Option<&'a Error>,
}

/// A model that was found.
#[derive(Serialize)]
struct ModelLine<'a> {
    id: &'a str,
    path: &'a Path,
    usable: bool,
}

impl<'a> ModelLine<'a> {
    fn new(model: &'a Installed) -> Self {
        Self { id: &model.id, path: &model.path, usable: model.limits.is_ok() }
    }
}

fn queue_counts(data_dir: &Path) -> Result<QueueCounts> {
    let mut queue = Queue::open_to_read(data_dir, "wandeck status", &Faults::from_env()?)?;
    for line in queue.take_notes() {
        note(&format!("Warning: {line}"));
    }
    Ok(QueueCounts::of(&queue))
}

fn runtime_line(runtime: &Result<Option<RuntimeInfo>>) -> String {
    match runtime {
        Ok(Some(info)) => format!(
            "ONNX Runtime  {} with {}, from {} ({})",
            info.version,
            info.providers.join(", "),
            info.path.display(),
            info.origin
        ),
        Ok(None) => "ONNX Runtime  not installed yet; the first video downloads it".to_owned(),
        Err(error) => format!("ONNX Runtime  cannot be used: {error:#}"),
    }
}

fn models_line(models: &[Installed]) -> String {
    let usable: Vec<_> =
        models.iter().filter(|model| model.limits.is_ok()).map(|model| model.id.as_str()).collect();
    let broken = models.len() - usable.len();
    let broken = if broken > 0 {
        format!("; {broken} cannot be used, see \"wandeck models list\"")
    } else {
        String::new()
    };
    let usable = if usable.is_empty() { "none".to_owned() } else { usable.join(", ") };
    format!("Models        {usable}{broken}")
}

fn ended_lines(ended: &std::result::Result<(Vec<HistoryEntry>, Counts), Error>) -> Vec<String> {
    match ended {
        Ok((tasks, counts)) => {
            let mut lines = vec![format!("Jobs          {}", analysis::ended(counts))];
            if !tasks.is_empty() {
                lines.push(String::new());
                lines.extend(tasks::table(tasks));
            }
            lines
        }
        Err(error) => vec![format!("Jobs          {error:#}")],
    }
}
