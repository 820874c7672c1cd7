//! The window state that is saved between sessions: form, prompt history, theme.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use eframe::egui::ThemePreference;
use serde::{Deserialize, Serialize};

use super::prompt_history::PromptHistory;
use crate::app::form::FormContext;
use crate::app::panels::monitor::RowChoice;
use crate::app::panels::queue::Columns;
use crate::core::{Draft, Result, read_edited_text};
use crate::jobs::JobId;
use crate::store::write_whole;

const NAME: &str = "window.ron";
const VERSION: u32 = 1;
/// Time between two saves at least, and between a change and its save at most.
const DELAY: Duration = Duration::from_secs(1);

/// What is saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::app) struct WindowState {
    pub(in crate::app) version: u32,
    /// The form; `None` before the first save.
    pub(in crate::app) draft: Option<Draft>,
    /// How the form came about.
    pub(in crate::app) form: FormContext,
    /// The seed of the video that was queued last.
    pub(in crate::app) last_seed: Option<u64>,
    pub(in crate::app) prompts: PromptHistory,
    pub(in crate::app) theme: ThemePreference,
    /// The video in the player.
    pub(in crate::app) video: Option<PathBuf>,
    /// Columns of the queue.
    pub(in crate::app) queue_columns: Columns,
    /// Rows of the monitor.
    pub(in crate::app) monitor_rows: RowChoice,
    /// The jobs that are selected in the queue.
    pub(in crate::app) selected_jobs: BTreeSet<JobId>,
    /// The ids of the results that are selected in the gallery.
    pub(in crate::app) selected_results: BTreeSet<String>,
    /// Names of the presets that are shown first.
    pub(in crate::app) starred_presets: BTreeSet<String>,
}

impl Default for WindowState {
    fn default() -> Self {
        Self {
            version: VERSION,
            draft: None,
            form: FormContext::default(),
            last_seed: None,
            prompts: PromptHistory::default(),
            theme: ThemePreference::Dark,
            video: None,
            queue_columns: Columns::default(),
            monitor_rows: RowChoice::default(),
            selected_jobs: BTreeSet::new(),
            selected_results: BTreeSet::new(),
            starred_presets: BTreeSet::new(),
        }
    }
}

impl WindowState {
    /// Loads the state from a data folder; the default if there is none or it cannot be read.
    pub(in crate::app) fn open(data_dir: &Path) -> Self {
        let text = read_edited_text(&path_in(data_dir)).ok();
        let state = text.and_then(|text| ron::from_str::<Self>(&text).ok());
        state.filter(|state| state.version == VERSION).unwrap_or_default()
    }

    /// Saves it atomically.
    pub(in crate::app) fn save(&self, data_dir: &Path) -> Result<()> {
        match ron::to_string(self) {
            Ok(text) => write_whole(&path_in(data_dir), text.as_bytes()),
            Err(error) => {
                tracing::error!("the window's state cannot be written as text: {error}");
                Ok(())
            }
        }
    }
}

fn path_in(data_dir: &Path) -> PathBuf {
    data_dir.join(NAME)
}

/// Detects changes and decides when to save them.
#[derive(Default)]
pub(in crate::app) struct Autosave {
    saved: Option<WindowState>,
    changed: Option<Instant>,
}

/// Whether to save now.
#[derive(Debug, PartialEq)]
pub(in crate::app) enum Due {
    /// Nothing.
    No,
    /// Check again after this time.
    In(Duration),
    /// Save now.
    Now,
}

impl Autosave {
    /// The state as last saved.
    pub(in crate::app) fn on_disk(state: WindowState) -> Self {
        Self { saved: Some(state), changed: None }
    }

    /// Compares the state with the saved one. A state that is due counts as saved.
    pub(in crate::app) fn due(&mut self, state: &WindowState, now: Instant) -> Due {
        if self.saved.as_ref() == Some(state) {
            self.changed = None;
            return Due::No;
        }
        let since = *self.changed.get_or_insert(now);
        let waited = now.saturating_duration_since(since);
        if waited < DELAY {
            return Due::In(DELAY.saturating_sub(waited));
        }
        self.saved = Some(state.clone());
        self.changed = None;
        Due::Now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::form::SeedMode;
    use crate::core::testing::draft;

    #[test]
    fn what_is_kept_is_read_again_and_a_foreign_file_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let mut prompts = PromptHistory::default();
        prompts.add("a red circle");
        let state = WindowState {
            draft: Some(Draft { seed: 7, ..draft() }),
            form: FormContext { seed_mode: SeedMode::Fixed, ..FormContext::default() },
            last_seed: Some(7),
            prompts,
            theme: ThemePreference::Light,
            ..WindowState::default()
        };
        state.save(dir.path()).unwrap();
        assert_eq!(WindowState::open(dir.path()), state);
        // a file of an earlier version
        std::fs::write(path_in(dir.path()), "{\"egui\": \"()\"}").unwrap();
        assert_eq!(WindowState::open(dir.path()), WindowState::default());
    }

    #[test]
    fn a_change_is_due_after_the_delay_however_often_it_changes() {
        let (start, mut state) = (Instant::now(), WindowState::default());
        let mut autosave = Autosave::on_disk(state.clone());
        assert_eq!(autosave.due(&state, start), Due::No);
        for third in 0..3_u32 {
            state.draft = Some(Draft { seed: u64::from(third), ..draft() });
            let due = autosave.due(&state, start + DELAY * third / 3);
            assert!(matches!(due, Due::In(_)), "{due:?}");
        }
        assert_eq!(autosave.due(&state, start + DELAY), Due::Now);
        assert_eq!(autosave.due(&state, start + DELAY * 2), Due::No);
    }
}
