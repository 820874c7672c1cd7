//! Commands of the player.

use eframe::egui::{Key, Modifiers};
use egui_material_icons::MaterialIcon;
use egui_material_icons::icons::{
    ICON_CLOSE, ICON_CONTENT_COPY, ICON_CROP_FREE, ICON_FAST_FORWARD, ICON_FAST_REWIND, ICON_FIRST_PAGE,
    ICON_FIT_SCREEN, ICON_LAST_PAGE, ICON_LINE_END, ICON_LINE_START, ICON_PAUSE, ICON_PHOTO_CAMERA,
    ICON_PLAY_ARROW, ICON_REPEAT, ICON_SKIP_NEXT, ICON_SKIP_PREVIOUS, ICON_SPEED,
};
use serde::{Deserialize, Serialize};

/// A command of the player. The variants are in the order of the menu and the palette.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::app) enum PlayerCommand {
    PlayPause,
    PlayBackwards,
    Pause,
    PlayForward,
    StepBack,
    StepForward,
    TenBack,
    TenForward,
    FirstFrame,
    LastFrame,
    Slower,
    Faster,
    NormalSpeed,
    NextRepeatMode,
    SetInPoint,
    SetOutPoint,
    ClearInOut,
    FitFrame,
    FullSizeFrame,
    CopyFrame,
    SaveFrame,
}

impl PlayerCommand {
    /// All of them, in the order of the menu and the palette.
    pub(in crate::app) const ALL: [Self; 21] = [
        Self::PlayPause,
        Self::PlayBackwards,
        Self::Pause,
        Self::PlayForward,
        Self::StepBack,
        Self::StepForward,
        Self::TenBack,
        Self::TenForward,
        Self::FirstFrame,
        Self::LastFrame,
        Self::Slower,
        Self::Faster,
        Self::NormalSpeed,
        Self::NextRepeatMode,
        Self::SetInPoint,
        Self::SetOutPoint,
        Self::ClearInOut,
        Self::FitFrame,
        Self::FullSizeFrame,
        Self::CopyFrame,
        Self::SaveFrame,
    ];

    /// Whether the menu has a separator above it.
    pub(in crate::app) fn starts_group(self) -> bool {
        matches!(self, Self::StepBack | Self::Slower | Self::SetInPoint | Self::FitFrame | Self::CopyFrame)
    }

    /// The name on buttons and in menus, also for screen readers.
    pub(in crate::app) fn text(self) -> &'static str {
        match self {
            Self::PlayPause => "Play or pause",
            Self::PlayBackwards => "Play backwards",
            Self::Pause => "Pause the video",
            Self::PlayForward => "Play forward",
            Self::StepBack => "Previous frame",
            Self::StepForward => "Next frame",
            Self::TenBack => "Ten frames back",
            Self::TenForward => "Ten frames forward",
            Self::FirstFrame => "First frame",
            Self::LastFrame => "Last frame",
            Self::Slower => "Half the speed",
            Self::Faster => "Twice the speed",
            Self::NormalSpeed => "Normal speed",
            Self::NextRepeatMode => "Next repeat mode",
            Self::SetInPoint => "Set in point",
            Self::SetOutPoint => "Set out point",
            Self::ClearInOut => "Clear in and out points",
            Self::FitFrame => "Fit the frame",
            Self::FullSizeFrame => "Frame at 100 %",
            Self::CopyFrame => "Copy the frame",
            Self::SaveFrame => "Save the frame as PNG",
        }
    }

    /// One sentence for the tooltip.
    pub(in crate::app) fn about(self) -> &'static str {
        match self {
            Self::PlayPause => "Play the video, or pause it",
            Self::PlayBackwards => "Play backwards; again: twice as fast, up to 4 times",
            Self::Pause => "Pause the video",
            Self::PlayForward => "Play forward; again: twice as fast, up to 4 times",
            Self::StepBack => "Pause the video and go one frame back",
            Self::StepForward => "Pause the video and go one frame forward",
            Self::TenBack => "Pause the video and go ten frames back",
            Self::TenForward => "Pause the video and go ten frames forward",
            Self::FirstFrame => "Go to the first frame",
            Self::LastFrame => "Go to the last frame",
            Self::Slower => "Play at half the speed, down to 0.25 times",
            Self::Faster => "Play at twice the speed, up to 2 times",
            Self::NormalSpeed => "Play at the video's own speed",
            Self::NextRepeatMode => {
                "Choose what happens at the end: loop, ping-pong (back and forth) or once"
            }
            Self::SetInPoint => "Start playing at this frame",
            Self::SetOutPoint => "Play up to this frame",
            Self::ClearInOut => "Play the whole video again",
            Self::FitFrame => "Show the whole frame as large as it fits",
            Self::FullSizeFrame => "Show one pixel of the frame as one pixel of the screen",
            Self::CopyFrame => "Copy the frame to the clipboard; without a focused or selected text",
            Self::SaveFrame => "Save the frame as a PNG file beside the videos",
        }
    }

    /// Its default shortcuts.
    pub(in crate::app) fn default_keys(self) -> &'static [(Modifiers, Key)] {
        const NONE: Modifiers = Modifiers::NONE;
        match self {
            Self::PlayPause => &[(NONE, Key::Space)],
            Self::PlayBackwards => &[(NONE, Key::J)],
            Self::Pause => &[(NONE, Key::K)],
            Self::PlayForward => &[(NONE, Key::L)],
            Self::StepBack => &[(NONE, Key::ArrowLeft)],
            Self::StepForward => &[(NONE, Key::ArrowRight)],
            Self::TenBack => &[(Modifiers::SHIFT, Key::ArrowLeft)],
            Self::TenForward => &[(Modifiers::SHIFT, Key::ArrowRight)],
            Self::FirstFrame => &[(NONE, Key::Home)],
            Self::LastFrame => &[(NONE, Key::End)],
            Self::Slower => &[(NONE, Key::OpenBracket)],
            Self::Faster => &[(NONE, Key::CloseBracket)],
            Self::NormalSpeed => &[(NONE, Key::Backslash)],
            Self::NextRepeatMode => &[(NONE, Key::R)],
            Self::SetInPoint => &[(NONE, Key::I)],
            Self::SetOutPoint => &[(NONE, Key::O)],
            Self::ClearInOut => &[(Modifiers::SHIFT, Key::I)],
            Self::FitFrame => &[(NONE, Key::F)],
            Self::FullSizeFrame => &[(Modifiers::SHIFT, Key::F)],
            Self::CopyFrame => &[(Modifiers::COMMAND, Key::C)],
            Self::SaveFrame => &[(Modifiers::COMMAND, Key::S)],
        }
    }

    /// Its icon.
    pub(in crate::app) fn icon(self) -> MaterialIcon {
        match self {
            Self::PlayPause | Self::PlayForward => ICON_PLAY_ARROW,
            Self::PlayBackwards | Self::Slower => ICON_FAST_REWIND,
            Self::Pause => ICON_PAUSE,
            Self::StepBack | Self::TenBack => ICON_SKIP_PREVIOUS,
            Self::StepForward | Self::TenForward => ICON_SKIP_NEXT,
            Self::FirstFrame => ICON_FIRST_PAGE,
            Self::LastFrame => ICON_LAST_PAGE,
            Self::Faster => ICON_FAST_FORWARD,
            Self::NormalSpeed => ICON_SPEED,
            Self::NextRepeatMode => ICON_REPEAT,
            Self::SetInPoint => ICON_LINE_START,
            Self::SetOutPoint => ICON_LINE_END,
            Self::ClearInOut => ICON_CLOSE,
            Self::FitFrame => ICON_FIT_SCREEN,
            Self::FullSizeFrame => ICON_CROP_FREE,
            Self::CopyFrame => ICON_CONTENT_COPY,
            Self::SaveFrame => ICON_PHOTO_CAMERA,
        }
    }
}
