//! `wandeck presets`: shipped and own presets, and those that models bring.

use std::path::Path;

use serde_json::json;

use super::Places;
use super::args::{Common, Presets, PresetsVerb};
use super::report::{note, out, print_document, print_json};
use crate::core::{Document, Draft, Error, Kind, Mode, Result};
use crate::library::SavedRequest;
use crate::plan::{Folders, all_presets, brought_presets, differences, find_preset, installed_loras};
use crate::presets::{self, Preset, PresetDocument, PresetOrigin};

pub(super) fn run(args: &Presets, common: &Common) -> Result<()> {
    let folders = Places::new(common)?.folders();
    match &args.verb {
        PresetsVerb::List => list(&folders, common),
        PresetsVerb::Show { name } => show(&find_preset(&folders, name)?, common),
        PresetsVerb::Save { name, source, fields, values, replace } => {
            let source = match (&source.from, &source.like) {
                (Some(file), _) => preset_of(file)?,
                (None, Some(like)) => find_preset(&folders, like)?,
                (None, None) => return Err(Error::new(Kind::Bug, "A new preset has no source")),
            };
            let mut preset = Preset { name: name.clone(), origin: PresetOrigin::Own, ..source };
            if !fields.is_empty() {
                preset = preset.with_only(&fields.iter().copied().collect());
            }
            for (field, value) in values {
                preset.set(*field, value)?;
            }
            presets::save_preset(&folders.data, &preset, *replace)?;
            note(&format!("Saved the preset {name}"));
            show(&preset, common)
        }
        PresetsVerb::Diff { first, second } => {
            diff(&find_preset(&folders, first)?, &find_preset(&folders, second)?, common);
            Ok(())
        }
        PresetsVerb::Remove { name } => {
            let removed = presets::remove_preset(&folders.data, name)?;
            note(&format!("Removed the preset {name}; this was in it"));
            show(&removed, common)
        }
    }
}

fn list(folders: &Folders, common: &Common) -> Result<()> {
    let (mut all, errors) = all_presets(folders)?;
    for error in &errors {
        note(&format!("Warning: {error:#}"));
    }
    all.extend(brought_presets(&folders.scan(), &installed_loras(folders)));
    if common.json {
        print_json(&all.iter().map(|preset| Document::new(PresetDocument::of(preset))).collect::<Vec<_>>());
        return Ok(());
    }
    for preset in &all {
        out(&format!("{:<18} {:<13} {}", preset.name, preset.origin.word(), preset.description));
    }
    Ok(())
}

fn show(preset: &Preset, common: &Common) -> Result<()> {
    if common.json {
        print_json(&[Document::new(PresetDocument::of(preset))]);
    } else {
        out(&preset.to_ron()?);
    }
    Ok(())
}

fn diff(first: &Preset, second: &Preset, common: &Common) {
    let found = differences(&draft_beside(first, second), &draft_beside(second, first));
    if common.json {
        let fields: Vec<_> = found
            .iter()
            .map(|one| json!({"field": one.field.label(), "first": one.before, "second": one.after}))
            .collect();
        return print_document(json!({"first": first.name, "second": second.name, "differences": fields}));
    }
    for one in &found {
        out(&format!("{:<16} {} -> {}", one.field.label(), one.before, one.after));
    }
    if found.is_empty() {
        note("The presets have the same settings");
    }
}

/// The draft of `preset`; what it does not set comes from `other` if that is complete, so that only what it sets can
/// differ.
fn draft_beside(preset: &Preset, other: &Preset) -> Draft {
    if preset.is_complete() || !other.is_complete() {
        return preset.draft("");
    }
    let mut draft = other.draft("");
    preset.apply(&mut draft);
    draft
}

/// The preset in a RON file, or the settings that a video carries.
fn preset_of(file: &Path) -> Result<Preset> {
    if file.extension().is_some_and(|extension| extension == "ron") {
        return presets::read_preset(file);
    }
    let saved = SavedRequest::read(file)?.ok_or_else(|| {
        Error::new(Kind::Input, format!("{} carries no settings", file.display()))
            .remedy("Give a video or image made with Wandeck, or a preset's RON file")
    })?;
    let natural = if saved.draft.start_image.is_some() { Mode::I2V } else { Mode::T2V };
    let mode = saved.draft.mode.unwrap_or(natural);
    Ok(Preset::of(&saved.draft, mode, "", &format!("Settings of {}", file.display())))
}
