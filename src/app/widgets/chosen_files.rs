//! The files that a person chose for the components of a model.

use std::path::{Path, PathBuf};

use eframe::egui::{Label, RichText, Ui};

use crate::app::theme;
use crate::core::ComponentFiles;

/// A component whose file can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::app) enum ComponentRole {
    /// The VAE.
    Vae,
    /// The text encoder.
    TextEncoder,
    /// The high-noise expert, or the only transformer.
    High,
    /// The low-noise expert.
    Low,
}

impl ComponentRole {
    /// All of them, in the order of the window.
    pub(in crate::app) const ALL: [Self; 4] = [Self::High, Self::Low, Self::TextEncoder, Self::Vae];

    /// Its name in the window.
    pub(in crate::app) fn label(self) -> &'static str {
        match self {
            Self::Vae => "VAE",
            Self::TextEncoder => "Text encoder",
            Self::High => "High-noise expert",
            Self::Low => "Low-noise expert",
        }
    }

    /// The chosen file.
    pub(in crate::app) fn file(self, files: &ComponentFiles) -> Option<&Path> {
        match self {
            Self::Vae => files.vae.as_deref(),
            Self::TextEncoder => files.text_encoder.as_deref(),
            Self::High => files.high.as_deref(),
            Self::Low => files.low.as_deref(),
        }
    }

    /// Chooses a file, or none.
    pub(in crate::app) fn set(self, files: &mut ComponentFiles, file: Option<PathBuf>) {
        let place = match self {
            Self::Vae => &mut files.vae,
            Self::TextEncoder => &mut files.text_encoder,
            Self::High => &mut files.high,
            Self::Low => &mut files.low,
        };
        *place = file;
    }
}

/// Draws a line for each file that is chosen by hand.
pub(in crate::app) fn chosen_files_ui(ui: &mut Ui, files: &ComponentFiles) {
    for role in ComponentRole::ALL {
        if let Some(file) = role.file(files) {
            let text = format!("{} chosen by you: {}", role.label(), file.display());
            let label = Label::new(RichText::new(text).small().color(theme::tokens(ui).warning))
                .truncate()
                .show_tooltip_when_elided(false);
            ui.add(label).on_hover_text(file.display().to_string());
        }
    }
}
