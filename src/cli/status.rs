//! `wandeck status`: runtime, models, queue and recent jobs.

use std::fmt;
use std::path::Path;

use serde::Serialize;
use serde_json::json;

use super::args::Common;
use super::report::{note, out};
use super::{Places, analysis, tasks};
use crate::core::{Error, Faults, Result, Utc};
use crate::engine::runtime::{self, RuntimeInfo};
use crate::jobs::HistoryEntry;
use crate::jobs::JobState;
use crate::library::{Counts, History};
use crate::models::{self, Installed};
use crate::queue::Queue;

/// Number of jobs that are shown.
const LAST: usize = 5;

pub(super) fn run(common: &Common) -> Result<()> {
    let places = Places::new(common)?;
    let runtime = runtime::open_installed(&places.data_dir)
        .map(|(runtime, _)| runtime.map(|runtime| runtime.info().clone()));
    let models = models::installed(&places.data_dir, places.models_dir.as_deref());
    let ended = History::open(&places.data_dir).and_then(|(history, notes)| {
        for line in &notes {
            note(&format!("Warning: {line}"));
        }
        Ok((history.recent(LAST)?, history.counts(Utc(0))?))
    });
    let queue = QueueCounts::of(&places.data_dir);
    if common.json {
        let model =
            |model: &Installed| json!({"id": model.id, "path": model.path, "usable": model.limits.is_ok()});
        let document = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "data_dir": places.data_dir,
            "runtime": runtime.as_ref().ok(),
            "runtime_error": runtime.as_ref().err(),
            "models": models.iter().map(model).collect::<Vec<_>>(),
            "queue": queue.as_ref().ok(),
            "queue_error": queue.as_ref().err(),
            "tasks": ended.as_ref().ok().map(|(tasks, _)| tasks::documents(tasks)),
            "counts": ended.as_ref().ok().map(|(_, counts)| counts),
            "success_rate": ended.as_ref().ok().and_then(|(_, counts)| counts.success_rate()),
            "history_error": ended.as_ref().err(),
        });
        out(&document.to_string());
    } else {
        out(&format!("Wandeck       {}, data in {}", env!("CARGO_PKG_VERSION"), places.data_dir.display()));
        out(&runtime_line(&runtime));
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

/// The number of jobs by state.
#[derive(Default, Serialize)]
struct QueueCounts {
    running: usize,
    queued: usize,
    paused: usize,
    /// Whether the whole queue is paused.
    queue_paused: bool,
}

impl QueueCounts {
    fn of(data_dir: &Path) -> Result<Self> {
        let mut queue = Queue::open(data_dir, "wandeck status", &Faults::from_env()?)?;
        for line in queue.take_notes() {
            note(&format!("Warning: {line}"));
        }
        let mut counts = Self { queue_paused: queue.is_paused(), ..Self::default() };
        for entry in queue.jobs() {
            match entry.state {
                JobState::Running { .. } => counts.running += 1,
                JobState::Queued => counts.queued += 1,
                JobState::Paused => counts.paused += 1,
                JobState::Ended { .. } => {}
            }
        }
        Ok(counts)
    }
}

impl fmt::Display for QueueCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} running, {} queued, {} paused", self.running, self.queued, self.paused)?;
        if self.queue_paused { f.write_str("; the whole queue is paused") } else { Ok(()) }
    }
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
