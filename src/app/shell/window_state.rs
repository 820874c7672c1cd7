//! What of the window survives a restart and a crash: the form, the prompts, the theme.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use eframe::egui::ThemePreference;
use serde::{Deserialize, Serialize};

use super::prompt_history::PromptHistory;
use crate::app::form::FormContext;
use crate::core::{Draft, Result};
use crate::store::write_whole;

const NAME: &str = "window.ron";
const VERSION: u32 = 1;
/// A change is on disk after this time at the latest, and at most one in this time.
const DELAY: Duration = Duration::from_secs(3);

/// The file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::app) struct WindowState {
    pub(in crate::app) version: u32,
    /// The form; none before the first one was kept.
    pub(in crate::app) draft: Option<Draft>,
    /// How the form came about.
    pub(in crate::app) form: FormContext,
    /// The seed of the video that was queued last.
    pub(in crate::app) last_seed: Option<u64>,
    pub(in crate::app) prompts: PromptHistory,
    pub(in crate::app) theme: ThemePreference,
    /// The video that was shown.
    pub(in crate::app) video: Option<PathBuf>,
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
        }
    }
}

impl WindowState {
    /// The state that was kept in a data folder; the first one if there is none that can be read.
    pub(in crate::app) fn open(data_dir: &Path) -> Self {
        let text = std::fs::read_to_string(path_in(data_dir)).ok();
        let state = text.and_then(|text| ron::from_str::<Self>(&text).ok());
        state.filter(|state| state.version == VERSION).unwrap_or_default()
    }

    /// Writes it in one step.
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

/// Notices changes and says when they are to be written.
#[derive(Default)]
pub(in crate::app) struct Autosave {
    saved: Option<WindowState>,
    changed: Option<Instant>,
}

/// What to do about the state now.
#[derive(Debug, PartialEq)]
pub(in crate::app) enum Due {
    /// Nothing.
    No,
    /// Look again after this time.
    In(Duration),
    /// Write it.
    Now,
}

impl Autosave {
    /// The state as it is on disk.
    pub(in crate::app) fn on_disk(state: WindowState) -> Self {
        Self { saved: Some(state), changed: None }
    }

    /// Looks at the state; what is due counts as written.
    pub(in crate::app) fn look(&mut self, state: &WindowState, now: Instant) -> Due {
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
        // what an earlier build kept there
        std::fs::write(path_in(dir.path()), "{\"egui\": \"()\"}").unwrap();
        assert_eq!(WindowState::open(dir.path()), WindowState::default());
    }

    #[test]
    fn a_change_is_due_in_less_than_five_seconds_however_often_it_changes() {
        let (start, mut state) = (Instant::now(), WindowState::default());
        let mut autosave = Autosave::on_disk(state.clone());
        assert_eq!(autosave.look(&state, start), Due::No);
        for second in 0..3 {
            state.draft = Some(Draft { seed: second, ..draft() });
            let due = autosave.look(&state, start + Duration::from_secs(second));
            assert!(matches!(due, Due::In(_)), "{due:?}");
        }
        assert_eq!(autosave.look(&state, start + Duration::from_secs(3)), Due::Now);
        assert_eq!(autosave.look(&state, start + Duration::from_secs(4)), Due::No);
    }
}
