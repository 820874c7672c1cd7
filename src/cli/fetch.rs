//! `wandeck models available`, `fetch` and `import`.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::Places;
use super::args::{Common, FetchModel};
use super::report::{note, out, print_document, print_done, print_json};
use super::signals::cancel_on_stop;
use crate::core::{Document, Error, Kind, Result, counted};
use crate::models::fetch::{
    FetchPlan, FetchPlanDocument, FetchProgress, Fetcher, ManifestItemDocument, ModelFetchEvent, SizeFit,
    import_model,
};
use crate::models::manifest::load_manifest;
use crate::monitor;

/// How often progress is printed where there is no bar.
const PRINT_EVERY: Duration = Duration::from_secs(10);

/// Lists what the manifest has.
pub(super) fn available(common: &Common) -> Result<()> {
    let places = Places::new(common)?;
    let manifest = load_manifest(&places.data_dir)?;
    let fetcher = Fetcher::new(&places.data_dir, places.models_dir.as_deref());
    let memory = monitor::total_memory();
    let mut documents = Vec::new();
    for selection in manifest.selections() {
        let fetched = fetcher.fetched(&manifest, &selection);
        let fit = SizeFit::new(&selection, memory);
        if common.json {
            let document = Document::new(ManifestItemDocument::new(&selection, fit, fetched.as_deref()));
            documents.push(serde_json::to_value(document).map_err(|error| {
                Error::new(Kind::Bug, "Cannot encode the manifest as JSON").because(error)
            })?);
            continue;
        }
        if selection.item.variants.first() == Some(selection.variant) {
            let item = selection.item;
            out(&format!("{}@{}  {}  {}", item.id, item.version, item.licence, item.purpose));
        }
        let state = if fetched.is_some() { ", here" } else { "" };
        let size = selection.size_words().unwrap_or_else(|| "size known after the plan".to_owned());
        out(&format!("  {:<20} {size}, {fit}{state}", selection.variant.name));
    }
    if common.json {
        print_json(&documents);
    } else {
        note("\"wandeck models fetch ID --variant NAME\" fetches one; --dry-run shows the exact sizes first");
    }
    Ok(())
}

/// Fetches a model.
pub(super) fn fetch(args: &FetchModel, common: &Common) -> Result<()> {
    let places = Places::new(common)?;
    let manifest = load_manifest(&places.data_dir)?;
    let mut fetcher = Fetcher::new(&places.data_dir, places.models_dir.as_deref());
    fetcher.options.limit = args.limit_rate.or_else(|| places.settings.models.download_limit());
    cancel_on_stop(&fetcher.cancel)?;
    let plan = fetcher.plan(&manifest, &args.model, args.variant.as_deref())?;
    if args.dry_run && common.json {
        print_document(FetchPlanDocument::new(&plan));
    } else if args.dry_run {
        out(&plan_lines(&plan).join("\n"));
    }
    if args.dry_run {
        return plan.check_space();
    }
    if !common.json {
        note(&plan_lines(&plan).join("\n"));
    }
    let began = Instant::now();
    let folder = printed(|report| fetcher.run(&plan, report))?;
    if common.json {
        let seconds = began.elapsed().as_secs_f64();
        print_done(json!({"plan": FetchPlanDocument::new(&plan), "folder": folder, "seconds": seconds}));
    } else {
        out(&folder.display().to_string());
        note(&format!("{} is complete and checked, in {:.1} s", plan.id, began.elapsed().as_secs_f64()));
    }
    Ok(())
}

/// Fetches a model that a job names and that is not here; the settings allow it.
pub(super) fn fetch_missing(name: &str, places: &Places) -> Result<()> {
    let manifest = load_manifest(&places.data_dir)?;
    let mut fetcher = Fetcher::new(&places.data_dir, places.models_dir.as_deref());
    fetcher.options.limit = places.settings.models.download_limit();
    let planned = |plan: &FetchPlan| {
        note(&format!(
            "The model {} is not here and is fetched, as the setting models.auto_fetch allows",
            plan.id
        ));
        note(&plan_lines(plan).join("\n"));
    };
    printed(|report| fetcher.resolve(&manifest, name, None, &planned, report)).map(drop)
}

/// Fetches with its progress printed.
fn printed(fetch: impl FnOnce(&(dyn Fn(ModelFetchEvent) + Sync)) -> Result<PathBuf>) -> Result<PathBuf> {
    let printer = Printer::new();
    let done = fetch(&|event| printer.event(&event));
    printer.finish();
    done.map_err(|error| match error.kind {
        Kind::Cancelled => error.remedy("What was received is kept; run the same command again to continue"),
        _ => error,
    })
}

/// The plan, a line for each file and a sum.
fn plan_lines(plan: &FetchPlan) -> Vec<String> {
    let mut lines = vec![format!("{}@{} {}, licence {}", plan.id, plan.version, plan.variant, plan.licence)];
    for file in &plan.files {
        let state = file.state_words();
        lines.push(format!("  {:>10}  {}  {state}", file.file.size.to_string(), file.to));
    }
    let free = plan.free.map(|free| format!(", {free} free")).unwrap_or_default();
    lines.push(format!(
        "{}, {} in all, {} to fetch into {}{free}",
        counted(plan.files.len() as u64, "file"),
        plan.total(),
        plan.to_fetch(),
        plan.folder.display()
    ));
    lines
}

/// Makes a model known that lies elsewhere.
pub(super) fn import(path: &Path, common: &Common) -> Result<()> {
    let places = Places::new(common)?;
    let imported = import_model(&places.data_dir, path)?;
    if common.json {
        print_done(json!({"path": imported.path, "models": imported.models}));
        return Ok(());
    }
    out(&imported.path.display().to_string());
    match imported.models.as_slice() {
        [] => note("Imported; the other components of the model are still missing"),
        models => note(&format!("Imported without copying: {}", models.join(", "))),
    }
    Ok(())
}

/// Prints a fetch: a bar on a terminal, else a line now and then.
struct Printer {
    bar: Option<ProgressBar>,
    printed: Mutex<Instant>,
}

impl Printer {
    fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:30} {percent:>3}%  {msg}");
            ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { bar, printed: Mutex::new(Instant::now()) }
    }

    fn event(&self, event: &ModelFetchEvent) {
        let say = |text: &str| match &self.bar {
            Some(bar) => bar.suspend(|| note(text)),
            None => note(text),
        };
        match event {
            ModelFetchEvent::File { .. } => {}
            ModelFetchEvent::Waiting { path } => {
                say(&format!("Waiting for another program that fetches {path}"));
            }
            ModelFetchEvent::Adopted { from } => say(&format!("Linked {}", from.display())),
            ModelFetchEvent::NotAdopted { at, reason } => {
                say(&format!("Cannot use {}: {reason}; fetching it instead", at.display()));
            }
            ModelFetchEvent::Progress(progress) => self.progress(progress),
        }
    }

    fn progress(&self, progress: &FetchProgress) {
        let text = progress.to_string();
        if let Some(bar) = &self.bar {
            bar.set_length(progress.of.0);
            bar.set_position(progress.done.0);
            bar.set_message(text);
            return;
        }
        let Ok(mut printed) = self.printed.lock() else { return };
        if printed.elapsed() >= PRINT_EVERY {
            *printed = Instant::now();
            note(&text);
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
