//! `wandeck presets`: shipped and own presets.

use std::path::Path;

use serde_json::json;

use super::args::{Common, Presets, PresetsVerb};
use super::data_dir;
use super::report::{note, out, print_document, print_json};
use crate::core::{Document, Draft, Error, Kind, Mode, Result};
use crate::library::SavedRequest;
use crate::plan::differences;
use crate::presets::{self, Preset};

pub(super) fn run(args: &Presets, common: &Common) -> Result<()> {
    let data_dir = data_dir(common)?;
    match &args.verb {
        PresetsVerb::List => list(&data_dir, common),
        PresetsVerb::Show { name } => show(&presets::find_preset(&data_dir, name)?, common),
        PresetsVerb::Save { name, from, replace } => {
            let preset = Preset { name: name.clone(), ..preset_of(from)? };
            presets::save_preset(&data_dir, &preset, *replace)?;
            note(&format!("Saved the preset {name}"));
            show(&preset, common)
        }
        PresetsVerb::Diff { first, second } => {
            let (first, second) =
                (presets::find_preset(&data_dir, first)?, presets::find_preset(&data_dir, second)?);
            diff(&first, &second, common);
            Ok(())
        }
        PresetsVerb::Remove { name } => {
            let removed = presets::remove_preset(&data_dir, name)?;
            note(&format!("Removed the preset {name}; this was in it"));
            show(&removed, common)
        }
    }
}

fn list(data_dir: &Path, common: &Common) -> Result<()> {
    let (own, errors) = presets::own_presets(data_dir);
    for error in &errors {
        note(&format!("Warning: {error:#}"));
    }
    let all: Vec<_> = presets::shipped()?.into_iter().chain(own).collect();
    if common.json {
        print_json(&all.iter().map(Document::new).collect::<Vec<_>>());
        return Ok(());
    }
    for preset in &all {
        out(&format!("{:<14} {}", preset.name, preset.description));
    }
    Ok(())
}

fn show(preset: &Preset, common: &Common) -> Result<()> {
    if common.json {
        print_json(&[Document::new(preset)]);
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
