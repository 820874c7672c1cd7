//! `wandeck models list` and `show`.

use serde::Serialize;

use super::Places;
use super::args::{Common, Models, ModelsVerb};
use super::report::{out, print_json};
use super::{convert, fetch, synth};
use crate::core::{Document, Limits, Result, counted};
use crate::models::{self, Installed, ModelDocument, ModelInfo};
use crate::plan::{Catalog, Folders, ModelReport, Planner, Profiles};

pub(super) fn models(args: &Models, common: &Common) -> Result<()> {
    let places = Places::new(common)?;
    match &args.verb {
        ModelsVerb::List => {
            list(&places, common.json);
            Ok(())
        }
        ModelsVerb::Show { model } => {
            let folders = places.folders();
            show(&folders.open(model)?, folders, &places, common.json)
        }
        ModelsVerb::Available => fetch::available(common),
        ModelsVerb::Fetch(args) => fetch::fetch(args, common),
        ModelsVerb::Import { path } => fetch::import(path, common),
        ModelsVerb::Verify { model } => super::models::verify(model, common),
        ModelsVerb::Remove { model, dry_run } => super::models::remove(model, *dry_run, common),
        ModelsVerb::Convert(args) => convert::run(args, common),
        ModelsVerb::Synth(args) => synth::run(args, common),
    }
}

/// Prints all models, and the files beside them that belong to none.
fn list(places: &Places, json: bool) {
    let (data_dir, models_dir) = (&places.data_dir, places.models_dir.as_deref());
    let found = models::installed(data_dir, models_dir);
    let others = models::other_files(data_dir, models_dir, &found);
    if json {
        let listed = found.iter().map(|model| ListedFile::Model(ModelDocument::new(model)));
        let documents = listed.chain(others.iter().map(ListedFile::Other)).map(Document::new);
        print_json(&documents.collect::<Vec<_>>());
        return;
    }
    for model in &found {
        out(&format!("{}\n  {}", model.id, model.folder().display()));
        match &model.limits {
            Ok(limits) => out(&format!("  {}", described(limits))),
            Err(error) => out(&format!("  cannot be used: {error:#}")),
        }
        for line in model.info.iter().map(summary) {
            out(&format!("  {line}"));
        }
    }
    if !others.is_empty() {
        out("Other files, not part of any model:");
    }
    for other in &others {
        let what = other.seems_to_be.as_ref().map(|what| format!("seems to be {what}"));
        out(&format!(
            "  {}\n    {}",
            other.path.display(),
            what.unwrap_or_else(|| format!("{:#}", other.error))
        ));
    }
    if found.is_empty() {
        out(&format!(
            "No models found. \"wandeck models available\" lists what can be fetched; or put a model's folder into {}",
            data_dir.join("models").display()
        ));
    }
}

/// Prints everything that is known about one model.
fn show(model: &Installed, folders: Folders, places: &Places, json: bool) -> Result<()> {
    let profiles = Profiles::open(&places.data_dir)?.limited(&places.settings.modes)?;
    let catalog = Catalog::new(vec![model.clone()], profiles)?;
    let report = Planner::new(folders, places.settings.clone(), catalog).model_report(model)?;
    if json {
        print_json(&[Document::new(ShownModel { model: ModelDocument::new(model), report: &report })]);
        return Ok(());
    }
    out(&format!("{}\n  {}", model.id, model.folder().display()));
    // what was given may be its path
    let is_place = |name: &&str| model.path.ends_with(name) || model.folder().ends_with(name);
    let names: Vec<_> = model.names.iter().map(String::as_str).filter(|name| !is_place(name)).collect();
    if !names.is_empty() {
        out(&format!("  also called {}", names.join(", ")));
    }
    if let Ok(limits) = &model.limits {
        out(&format!("  {}", described(limits)));
    }
    for line in answers(&report).into_iter().chain(model.info.iter().flat_map(made_of)) {
        out(&format!("  {line}"));
    }
    Ok(())
}

/// An entry of the list.
#[derive(Serialize)]
#[serde(untagged)]
enum ListedFile<'a> {
    Model(ModelDocument<'a>),
    Other(&'a models::OtherFile),
}

/// A model with what it needs on this machine.
#[derive(Serialize)]
struct ShownModel<'a> {
    #[serde(flatten)]
    model: ModelDocument<'a>,
    report: &'a ModelReport,
}

/// A line for each question about a model.
fn answers(report: &ModelReport) -> Vec<String> {
    let mut lines = Vec::new();
    if !report.sizes.is_empty() {
        lines.push(format!("sizes: {}", report.sizes.join(", ")));
    }
    lines.push(format!(
        "by default {} and {}; {}",
        counted(report.default_steps.0, "step"),
        counted(report.default_frames.0, "frame"),
        report.build_words()
    ));
    lines.extend(report.publisher.iter().map(|publisher| format!("published by {publisher}")));
    let stages = report.memory.iter().map(|stage| ("memory", stage));
    for (what, stage) in stages.chain(report.device.iter().map(|stage| ("GPU memory", stage))) {
        let name = stage.stage.name(report.experts > 1);
        lines.push(format!("{what}, {name}: {:.0} MiB", stage.peak_mb));
    }
    lines.push(report.fit_words());
    lines
}

/// Layout, precisions and size of a model in one line.
fn summary(about: &ModelInfo) -> String {
    let mut precisions: Vec<_> = about.components.iter().map(|component| component.precision).collect();
    precisions.dedup();
    format!("{}, {}, {}", about.layout, precisions.join(" "), about.size())
}

/// A line for each component, its files, and the notes.
fn made_of(about: &ModelInfo) -> Vec<String> {
    let mut lines = vec![summary(about)];
    for part in &about.components {
        let role_source = part.role_source.as_ref().map(|source| format!(", {source}")).unwrap_or_default();
        lines.push(format!("{}: {}, {}{role_source}", part.role, part.precision, part.size));
        lines.extend(part.files.iter().map(|file| format!("  {}", file.display())));
    }
    lines.extend(about.distilled.iter().map(|distilled| format!("note: {distilled}")));
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
