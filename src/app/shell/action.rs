//! Actions of the user, from any panel.

use crate::app::panels::compare::CompareAction;
use crate::app::panels::compose::ComposeAction;
use crate::app::panels::gallery::GalleryAction;
use crate::app::panels::log::LogAction;
use crate::app::panels::models::ModelsAction;
use crate::app::panels::monitor::MonitorAction;
use crate::app::panels::player::PlayerAction;
use crate::app::panels::presets::PresetsAction;
use crate::app::panels::queue::QueueAction;
use crate::app::panels::settings::SettingsAction;
use crate::app::panels::sweep::SweepAction;
use crate::app::shell::command::Command;
use crate::jobs::JobId;

/// An action of the user, which `App` carries out.
#[derive(Clone, Debug)]
pub(in crate::app) enum Action {
    Compare(CompareAction),
    Compose(ComposeAction),
    Gallery(GalleryAction),
    Log(LogAction),
    Models(ModelsAction),
    Monitor(MonitorAction),
    Player(PlayerAction),
    Presets(PresetsAction),
    Queue(QueueAction),
    Settings(SettingsAction),
    Sweep(SweepAction),
    /// A command of the menus, shortcuts or palette.
    Command(Command),
    /// Remove a notification from the status bar; the list keeps it.
    DismissNotification(u64),
    /// Show a job in the queue.
    ShowJob(JobId),
}
