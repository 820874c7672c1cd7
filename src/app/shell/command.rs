//! Commands of the window: one list for menus, palette, shortcuts, tooltips and the list of shortcuts.

use eframe::egui::{Context, Key, KeyboardShortcut, Modifiers};
use egui_material_icons::MaterialIcon;
use egui_material_icons::icons::{
    ICON_CANCEL, ICON_CASINO, ICON_CLEAR_ALL, ICON_DARK_MODE, ICON_FOLDER_OPEN, ICON_FULLSCREEN, ICON_HELP,
    ICON_HISTORY, ICON_KEYBOARD, ICON_LIGHT_MODE, ICON_LOGOUT, ICON_MONITORING, ICON_MOVIE,
    ICON_NOTIFICATIONS, ICON_PAUSE, ICON_REDO, ICON_REFRESH, ICON_RESTART_ALT, ICON_ROUTINE, ICON_SEARCH,
    ICON_SKIP_NEXT, ICON_SKIP_PREVIOUS, ICON_TAB, ICON_UNDO, ICON_ZOOM_IN, ICON_ZOOM_OUT,
};
use serde::{Deserialize, Serialize};

use super::layout::PanelId;
use super::shortcuts::Shortcuts;
use crate::app::panels::player::PlayerCommand;

/// A command without a payload. The variants are in the order of the palette.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::app) enum Command {
    Generate,
    GenerateFirst,
    Cancel,
    PauseQueue,
    ClearEnded,
    EstimateAgain,
    Undo,
    Redo,
    RandomSeed,
    ReuseSeed,
    PreviousPrompt,
    NextPrompt,
    OpenFile,
    FindModels,
    Player(PlayerCommand),
    ShowPanel(PanelId),
    MonitorLine,
    ResetLayout,
    DarkTheme,
    LightTheme,
    SystemTheme,
    ZoomIn,
    ZoomOut,
    ZoomReset,
    FullScreen,
    Palette,
    Notifications,
    Shortcuts,
    Quit,
}

/// Ctrl and Alt, or their equivalents on the platform.
const COMMAND_ALT: Modifiers = Modifiers { alt: true, ..Modifiers::COMMAND };
const COMMAND_SHIFT: Modifiers = Modifiers { shift: true, ..Modifiers::COMMAND };

impl Command {
    /// All commands, in the order of the palette.
    pub(in crate::app) fn all() -> impl Iterator<Item = Self> {
        let before = [
            Self::Generate,
            Self::GenerateFirst,
            Self::Cancel,
            Self::PauseQueue,
            Self::ClearEnded,
            Self::EstimateAgain,
            Self::Undo,
            Self::Redo,
            Self::RandomSeed,
            Self::ReuseSeed,
            Self::PreviousPrompt,
            Self::NextPrompt,
            Self::OpenFile,
            Self::FindModels,
        ];
        let after = [
            Self::MonitorLine,
            Self::ResetLayout,
            Self::DarkTheme,
            Self::LightTheme,
            Self::SystemTheme,
            Self::ZoomIn,
            Self::ZoomOut,
            Self::ZoomReset,
            Self::FullScreen,
            Self::Palette,
            Self::Notifications,
            Self::Shortcuts,
            Self::Quit,
        ];
        before
            .into_iter()
            .chain(PlayerCommand::ALL.map(Self::Player))
            .chain(PanelId::ALL.map(Self::ShowPanel))
            .chain(after)
    }

    /// The label of buttons and menus, also for screen readers.
    pub(in crate::app) fn text(self) -> &'static str {
        match self {
            Self::Generate => "Generate",
            Self::GenerateFirst => "Generate first",
            Self::Cancel => "Cancel the running job",
            Self::PauseQueue => "Pause or resume the queue",
            Self::ClearEnded => "Clear ended jobs",
            Self::EstimateAgain => "Estimate again",
            Self::Undo => "Undo",
            Self::Redo => "Redo",
            Self::RandomSeed => "Random seed",
            Self::ReuseSeed => "Reuse last seed",
            Self::PreviousPrompt => "Previous prompt",
            Self::NextPrompt => "Next prompt",
            Self::OpenFile => "Open file…",
            Self::FindModels => "Look for models again",
            Self::Player(command) => command.text(),
            Self::ShowPanel(panel) => panel.title(),
            Self::MonitorLine => "Monitor as one line",
            Self::ResetLayout => "Reset layout",
            Self::DarkTheme => "Dark theme",
            Self::LightTheme => "Light theme",
            Self::SystemTheme => "System theme",
            Self::ZoomIn => "Larger",
            Self::ZoomOut => "Smaller",
            Self::ZoomReset => "Actual size",
            Self::FullScreen => "Full screen",
            Self::Palette => "Commands…",
            Self::Notifications => "Notifications",
            Self::Shortcuts => "Keyboard shortcuts",
            Self::Quit => "Quit",
        }
    }

    /// One sentence for the tooltip.
    pub(in crate::app) fn about(self) -> &'static str {
        match self {
            Self::Generate => "Make a video from this form",
            Self::GenerateFirst => {
                "Make a video from this form before all others; what runs makes room after its step"
            }
            Self::Cancel => "Stop the video that is being made",
            Self::PauseQueue => {
                "Start no more jobs and stop the running one after its step, or go on; a pause lasts until you resume"
            }
            Self::ClearEnded => "Remove ended jobs from the list (they stay in the gallery and the history)",
            Self::EstimateAgain => "Estimate again: other programs may have taken memory or given it back",
            Self::Undo => "Take the last change of the form back",
            Self::Redo => "Make the change that was taken back again",
            Self::RandomSeed => "Choose another random seed",
            Self::ReuseSeed => "Use the seed of the video that was queued last, and keep it",
            Self::PreviousPrompt => "Bring back the prompt that was used before this one",
            Self::NextPrompt => "Go on to the prompt that was used after this one",
            Self::OpenFile => "Open a video, an image to start from, or a LoRA",
            Self::FindModels => "Look for models on the disk again",
            Self::Player(command) => command.about(),
            Self::ShowPanel(_) => "Show this panel, or bring it to the front",
            Self::MonitorLine => "Show the monitor as one line at the bottom, or as a panel",
            Self::ResetLayout => "Put all panels back where they were at first",
            Self::DarkTheme => "Light text on dark ground",
            Self::LightTheme => "Dark text on light ground",
            Self::SystemTheme => "Dark or light as the system has it",
            Self::ZoomIn => "Make everything in the window larger",
            Self::ZoomOut => "Make everything in the window smaller",
            Self::ZoomReset => "Everything in its usual size",
            Self::FullScreen => "Fill the screen, or go back to a window",
            Self::Palette => "Find every command by its name",
            Self::Notifications => "What the program had to say",
            Self::Shortcuts => "All keys on one sheet",
            Self::Quit => "Close Wandeck; what waits in the queue is kept",
        }
    }

    /// Its default shortcuts. Keys without a modifier act only while no field has the focus.
    pub(in crate::app) fn default_shortcuts(self) -> Vec<KeyboardShortcut> {
        const NONE: Modifiers = Modifiers::NONE;
        let keys: &[(Modifiers, Key)] = match self {
            Self::Generate => &[(Modifiers::COMMAND, Key::Enter)],
            Self::GenerateFirst => &[(COMMAND_SHIFT, Key::Enter)],
            Self::Cancel => &[(COMMAND_ALT, Key::Enter)],
            Self::Undo => &[(Modifiers::COMMAND, Key::Z)],
            Self::Redo => &[(COMMAND_SHIFT, Key::Z), (Modifiers::COMMAND, Key::Y)],
            Self::RandomSeed => &[(Modifiers::COMMAND, Key::R)],
            Self::ReuseSeed => &[(COMMAND_SHIFT, Key::R)],
            Self::PreviousPrompt => &[(Modifiers::ALT, Key::ArrowUp)],
            Self::NextPrompt => &[(Modifiers::ALT, Key::ArrowDown)],
            Self::OpenFile => &[(Modifiers::COMMAND, Key::O)],
            Self::EstimateAgain => &[(NONE, Key::F5)],
            Self::Player(command) => command.default_keys(),
            Self::ShowPanel(PanelId::Settings) => {
                &[(Modifiers::COMMAND, Key::Comma), (Modifiers::COMMAND, Key::Num7)]
            }
            Self::ShowPanel(panel) => panel_key(panel),
            Self::FullScreen => &[(NONE, Key::F11)],
            Self::Palette => &[(Modifiers::COMMAND, Key::K), (Modifiers::COMMAND, Key::P)],
            Self::Shortcuts => &[(NONE, Key::Questionmark), (NONE, Key::F1)],
            Self::PauseQueue => &[(COMMAND_ALT, Key::P)],
            Self::Quit => &[(Modifiers::COMMAND, Key::Q)],
            // plus without Shift on some keyboards
            Self::ZoomIn => &[(Modifiers::COMMAND, Key::Plus), (Modifiers::COMMAND, Key::Equals)],
            Self::ZoomOut => &[(Modifiers::COMMAND, Key::Minus)],
            Self::ZoomReset => &[(Modifiers::COMMAND, Key::Num0)],
            Self::ClearEnded
            | Self::FindModels
            | Self::MonitorLine
            | Self::ResetLayout
            | Self::DarkTheme
            | Self::LightTheme
            | Self::SystemTheme
            | Self::Notifications => &[],
        };
        keys.iter().map(|(modifiers, key)| KeyboardShortcut::new(*modifiers, *key)).collect()
    }

    /// Whether it is about the window as a whole, so that it works while a dialog is open.
    pub(in crate::app) fn is_of_window(self) -> bool {
        matches!(self, Self::ZoomIn | Self::ZoomOut | Self::ZoomReset | Self::FullScreen)
    }

    /// Its icon.
    pub(in crate::app) fn icon(self) -> MaterialIcon {
        match self {
            Self::Generate | Self::GenerateFirst => ICON_MOVIE,
            Self::Cancel => ICON_CANCEL,
            Self::PauseQueue => ICON_PAUSE,
            Self::ClearEnded => ICON_CLEAR_ALL,
            Self::EstimateAgain | Self::FindModels => ICON_REFRESH,
            Self::Undo => ICON_UNDO,
            Self::Redo => ICON_REDO,
            Self::RandomSeed => ICON_CASINO,
            Self::ReuseSeed => ICON_HISTORY,
            Self::OpenFile => ICON_FOLDER_OPEN,
            Self::Player(command) => command.icon(),
            Self::PreviousPrompt => ICON_SKIP_PREVIOUS,
            Self::NextPrompt => ICON_SKIP_NEXT,
            Self::ShowPanel(_) => ICON_TAB,
            Self::MonitorLine => ICON_MONITORING,
            Self::ResetLayout => ICON_RESTART_ALT,
            Self::DarkTheme => ICON_DARK_MODE,
            Self::LightTheme => ICON_LIGHT_MODE,
            Self::SystemTheme => ICON_ROUTINE,
            Self::ZoomIn => ICON_ZOOM_IN,
            Self::ZoomOut => ICON_ZOOM_OUT,
            Self::ZoomReset => ICON_SEARCH,
            Self::FullScreen => ICON_FULLSCREEN,
            Self::Palette => ICON_HELP,
            Self::Notifications => ICON_NOTIFICATIONS,
            Self::Shortcuts => ICON_KEYBOARD,
            Self::Quit => ICON_LOGOUT,
        }
    }

    /// Its first shortcut in words; empty if there is none.
    pub(in crate::app) fn keys(self, ctx: &Context) -> String {
        let shortcuts = Shortcuts::installed(ctx);
        shortcuts.of(self).first().map(|shortcut| ctx.format_shortcut(shortcut)).unwrap_or_default()
    }

    /// The tooltip with the shortcut.
    pub(in crate::app) fn tooltip(self, ctx: &Context) -> String {
        self.tooltip_with(ctx, self.about())
    }

    /// `text` with the shortcut.
    pub(in crate::app) fn tooltip_with(self, ctx: &Context, about: &str) -> String {
        match Shortcuts::installed(ctx).of(self).first() {
            Some(shortcut) => format!("{about} ({})", ctx.format_shortcut(shortcut)),
            None => about.to_owned(),
        }
    }
}

/// Ctrl and the panel's position in the View menu.
fn panel_key(panel: PanelId) -> &'static [(Modifiers, Key)] {
    match panel {
        PanelId::Compose => &[(Modifiers::COMMAND, Key::Num1)],
        PanelId::Player => &[(Modifiers::COMMAND, Key::Num2)],
        PanelId::Queue => &[(Modifiers::COMMAND, Key::Num3)],
        PanelId::Gallery => &[(Modifiers::COMMAND, Key::Num4)],
        PanelId::Compare => &[],
        PanelId::Models => &[(Modifiers::COMMAND, Key::Num5)],
        PanelId::Presets => &[(Modifiers::COMMAND, Key::Num6)],
        PanelId::Sweep => &[(COMMAND_SHIFT, Key::S)],
        PanelId::Settings => &[(Modifiers::COMMAND, Key::Num7)],
        PanelId::Log => &[(Modifiers::COMMAND, Key::Num8)],
        PanelId::Monitor => &[(Modifiers::COMMAND, Key::Num9)],
    }
}
