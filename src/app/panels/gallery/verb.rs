//! Actions on results: one list for keys and the context menu.

use std::path::PathBuf;

use eframe::egui::{Key, KeyboardShortcut, Modifiers};

use crate::app::background::comparison::comparison::{BlindItem, COMPARED, RANKED};
use crate::core::Draft;
use crate::library::GalleryItem;
use crate::media::Format;

/// The key for each number of stars.
pub(super) const STARS: [Key; 6] = [Key::Num0, Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5];

/// An action on the selected results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::app) enum GalleryVerb {
    Open,
    Compare,
    RankBlind,
    ReuseAll,
    ReusePrompt,
    ReuseSeed,
    Remix,
    SavePreset,
    ContinueFrom,
    UseAsStartImage,
    ExportMp4,
    ExportGif,
    ExportFrames,
    Reveal,
    OpenWith,
    Delete,
}

/// Actions of the gallery.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::app) enum GalleryAction {
    /// Show this file in the player.
    Open(PathBuf),
    /// Compare these videos; the first one, which is the oldest, is the reference.
    Compare(Vec<PathBuf>),
    /// Compare pairs of these videos without their names, and rank them.
    RankBlind(Vec<BlindItem>),
    /// Put these settings into the form.
    Reuse(Box<Draft>),
    /// Only the prompt and negative prompt.
    ReusePrompt { prompt: String, negative_prompt: String },
    /// Only the seed.
    ReuseSeed(u64),
    /// All settings with a new random seed.
    Remix(Box<Draft>),
    /// Save these settings as a preset of this name.
    SavePreset(String, Box<Draft>),
    /// Continue from the last frame of this clip.
    ContinueFrom(PathBuf),
    /// Use the last frame, or the image, as start image.
    UseAsStartImage(PathBuf),
    /// Write this file in another format beside it.
    Export(PathBuf, Format),
    /// Open the folder in the file manager.
    Reveal(PathBuf),
    /// Open in the system's own program.
    OpenWith(PathBuf),
    /// Give the entry stars, 0 for none.
    Rate { id: String, stars: u8 },
    /// Move these files to the bin.
    Delete(Vec<PathBuf>),
    /// Restore what was moved to the bin last.
    UndoDelete,
}

impl GalleryVerb {
    /// Every verb, in the order of the context menu.
    pub(in crate::app) const ALL: [Self; 16] = [
        Self::Open,
        Self::Compare,
        Self::RankBlind,
        Self::ReuseAll,
        Self::Remix,
        Self::ReusePrompt,
        Self::ReuseSeed,
        Self::SavePreset,
        Self::ContinueFrom,
        Self::UseAsStartImage,
        Self::ExportMp4,
        Self::ExportGif,
        Self::ExportFrames,
        Self::Reveal,
        Self::OpenWith,
        Self::Delete,
    ];

    /// The label of the context menu.
    pub(in crate::app) fn label(self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::Compare => "Compare videos",
            Self::RankBlind => "Rank blind",
            Self::ReuseAll => "Reuse all settings",
            Self::ReusePrompt => "Reuse the prompt",
            Self::ReuseSeed => "Reuse the seed",
            Self::Remix => "Remix (all but the seed)",
            Self::SavePreset => "Save as a preset",
            Self::ContinueFrom => "Continue from the last frame",
            Self::UseAsStartImage => "Use as start image",
            Self::ExportMp4 => "Export as MP4",
            Self::ExportGif => "Export as GIF",
            Self::ExportFrames => "Export as PNG frames",
            Self::Reveal => "Show in folder",
            Self::OpenWith => "Open in another program",
            Self::Delete => "Move to the bin",
        }
    }

    /// The key that does it while the gallery has the focus.
    pub(in crate::app) fn shortcut(self) -> Option<KeyboardShortcut> {
        let plain = |key| Some(KeyboardShortcut::new(Modifiers::NONE, key));
        match self {
            Self::Open => plain(Key::Enter),
            Self::Compare => plain(Key::C),
            Self::ReuseAll => plain(Key::A),
            Self::ReusePrompt => plain(Key::P),
            Self::ReuseSeed => plain(Key::S),
            Self::Remix => plain(Key::R),
            Self::Delete => plain(Key::Delete),
            Self::Reveal => Some(KeyboardShortcut::new(Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::R)),
            Self::RankBlind
            | Self::SavePreset
            | Self::ContinueFrom
            | Self::UseAsStartImage
            | Self::ExportMp4
            | Self::ExportGif
            | Self::ExportFrames
            | Self::OpenWith => None,
        }
    }

    /// Why it is not possible for what is selected.
    pub(in crate::app) fn needs(self) -> &'static str {
        match self {
            Self::Compare => "Select two to four videos whose files are there",
            Self::RankBlind => "Select 2 to 50 videos whose files are there",
            Self::ExportMp4 | Self::ExportGif | Self::ExportFrames => {
                "The file has this format already, is a single image, or is missing"
            }
            _ => "The file or its settings are missing",
        }
    }

    /// The action on `items`, the first of which has the focus; `None` if it is not possible.
    pub(in crate::app) fn action(self, items: &[&GalleryItem]) -> Option<GalleryAction> {
        let first = items.first()?;
        let output = first.output.clone().filter(|_| first.exists);
        let draft = || first.draft.clone().map(Box::new);
        match self {
            Self::Open => output.map(GalleryAction::Open),
            Self::Compare => {
                let mut found: Vec<_> = existing(items).collect();
                // the oldest one is the reference
                found.sort_by_key(|(item, _)| item.ended);
                let outputs: Vec<_> = found.into_iter().map(|(_, output)| output).collect();
                COMPARED.contains(&outputs.len()).then_some(GalleryAction::Compare(outputs))
            }
            Self::RankBlind => {
                let items: Vec<_> =
                    existing(items).map(|(item, path)| BlindItem { id: item.id.clone(), path }).collect();
                RANKED.contains(&items.len()).then_some(GalleryAction::RankBlind(items))
            }
            Self::ReuseAll => draft().map(GalleryAction::Reuse),
            Self::Remix => draft().map(GalleryAction::Remix),
            Self::ReusePrompt => draft().map(|draft| GalleryAction::ReusePrompt {
                prompt: draft.prompt,
                negative_prompt: draft.negative_prompt,
            }),
            Self::ReuseSeed => first.seed.map(|seed| GalleryAction::ReuseSeed(seed.0)),
            Self::SavePreset => {
                let name = first.output.as_ref()?.file_stem()?.to_string_lossy().into_owned();
                draft().map(|draft| GalleryAction::SavePreset(name, draft))
            }
            Self::ContinueFrom => output.map(GalleryAction::ContinueFrom),
            Self::UseAsStartImage => output.map(GalleryAction::UseAsStartImage),
            Self::ExportMp4 => exported(output, Format::Mp4),
            Self::ExportGif => exported(output, Format::Gif),
            Self::ExportFrames => exported(output, Format::PngSequence),
            Self::Reveal => output.map(GalleryAction::Reveal),
            Self::OpenWith => output.map(GalleryAction::OpenWith),
            Self::Delete => {
                let outputs: Vec<_> =
                    items.iter().filter(|item| item.exists).filter_map(|item| item.output.clone()).collect();
                (!outputs.is_empty()).then_some(GalleryAction::Delete(outputs))
            }
        }
    }
}

/// The keys of a result that has the keyboard, with what each does.
pub(in crate::app) fn keys() -> Vec<(KeyboardShortcut, &'static str)> {
    let plain = |key| KeyboardShortcut::new(Modifiers::NONE, key);
    let arrows = [Key::ArrowLeft, Key::ArrowRight, Key::ArrowUp, Key::ArrowDown];
    let arrows = arrows.map(|key| (plain(key), "Go to the next one"));
    let verbs = GalleryVerb::ALL.into_iter().filter_map(|verb| Some((verb.shortcut()?, verb.label())));
    let stars = STARS.map(|key| (plain(key), "Rate with so many stars"));
    arrows.into_iter().chain(verbs).chain(stars).collect()
}

/// The items whose file is on disk, with the file.
fn existing<'a>(items: &'a [&GalleryItem]) -> impl Iterator<Item = (&'a GalleryItem, PathBuf)> {
    items.iter().filter(|item| item.exists).filter_map(|item| Some((*item, item.output.clone()?)))
}

/// The export of an output that does not have this format already.
fn exported(output: Option<PathBuf>, format: Format) -> Option<GalleryAction> {
    let output = output?;
    let extension = output.extension().unwrap_or_default().to_ascii_lowercase();
    let is_same = match format {
        Format::Mp4 => extension == "mp4",
        Format::Gif => extension == "gif",
        Format::Png => extension == "png",
        Format::PngSequence => extension.is_empty(),
    };
    // a still has no frames to export
    (!is_same && extension != "png").then_some(GalleryAction::Export(output, format))
}
