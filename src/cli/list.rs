//! `wandeck models list` and `show`.

use super::Places;
use super::args::{Common, Models, ModelsVerb};
use super::report::{out, print_json};
use super::{convert, fetch, synth};
use crate::core::{Document, Limits, Result};
use crate::models::{self, Installed, ModelDocument, ModelInfo};

pub(super) fn models(args: &Models, common: &Common) -> Result<()> {
    let places = Places::new(common)?;
    let (data_dir, models_dir) = (&places.data_dir, places.models_dir.as_deref());
    let found = match &args.verb {
        ModelsVerb::List => models::installed(data_dir, models_dir),
        ModelsVerb::Show { model } => {
            let path = models::find(model, data_dir, models_dir)?;
            let opened = models::inspect(&path)?;
            vec![Installed::new(opened.checkpoint.id.clone(), path, Ok(opened))]
        }
        ModelsVerb::Available => return fetch::available(common),
        ModelsVerb::Fetch(args) => return fetch::fetch(args, common),
        ModelsVerb::Import { path } => return fetch::import(path, common),
        ModelsVerb::Verify { model } => return super::models::verify(model, common),
        ModelsVerb::Remove { model } => return super::models::remove(model, common),
        ModelsVerb::Convert(args) => return convert::run(args, common),
        ModelsVerb::Synth(args) => return synth::run(args, common),
    };
    if common.json {
        let documents = found.iter().map(|model| Document::new(ModelDocument::new(model)));
        print_json(&documents.collect::<Vec<_>>());
        return Ok(());
    }
    for model in &found {
        out(&format!("{}\n  {}", model.id, model.path.display()));
        match &model.limits {
            Ok(limits) => out(&format!("  {}", described(limits))),
            Err(error) => out(&format!("  cannot be used: {error:#}")),
        }
        for line in model.info.iter().flat_map(|about| made_of(about, &args.verb)) {
            out(&format!("  {line}"));
        }
    }
    if found.is_empty() {
        out(&format!(
            "No models found. \"wandeck models available\" lists what can be fetched; or put a model's folder into {}",
            data_dir.join("models").display()
        ));
    }
    Ok(())
}

/// The details of a model: one line in a list, else a line for each component and note.
fn made_of(about: &ModelInfo, verb: &ModelsVerb) -> Vec<String> {
    let mut precisions: Vec<_> = about.components.iter().map(|component| component.precision).collect();
    precisions.dedup();
    let mut lines = vec![format!("{}, {}, {}", about.layout, precisions.join(" "), about.size())];
    if matches!(verb, ModelsVerb::List) {
        return lines;
    }
    for part in &about.components {
        let role_source = part.role_source.as_ref().map(|source| format!(", {source}")).unwrap_or_default();
        lines.push(format!("{}: {}, {}{role_source}", part.role, part.precision, part.size));
        lines.extend(part.files.iter().map(|file| format!("  {}", file.display())));
    }
    lines.extend(about.notes.iter().map(|note| format!("note: {note}")));
    lines
}

fn described(limits: &Limits) -> String {
    let modes: Vec<_> = limits.modes.iter().map(ToString::to_string).collect();
    let strides = limits.strides;
    format!(
        "{}, width and height in multiples of {}, {}n+1 frames",
        modes.join(" "),
        strides.size_multiple(),
        strides.temporal
    )
}
