//! `wandeck lora`: the LoRAs on this machine, details of one, and how their keys match a model.

use std::path::Path;

use super::Places;
use super::args::{Common, Lora, LoraVerb};
use super::report::{out, print_document};
use crate::core::{CancelToken, Result, counted};
use crate::models::{self, RoleHints};
use crate::plan::{Folders, ListedLoraFile, LoraListDocument, installed_loras};
use crate::wan::lora::{LoraDocument, LoraFile, LoraFitDocument, LoraReport, LoraSummary, SkippedKey};

pub(super) fn run(args: &Lora, common: &Common) -> Result<()> {
    match &args.verb {
        LoraVerb::List { model } => list_loras(model.as_deref(), common),
        LoraVerb::Show { file, model } => show(file, model.as_deref(), common),
    }
}

fn list_loras(model: Option<&str>, common: &Common) -> Result<()> {
    let Places { data_dir, models_dir, .. } = Places::new(common)?;
    let model = model.map(|model| models::find(model, &data_dir, models_dir.as_deref())).transpose()?;
    let opened = model.map(|model| models::open_with(&model, RoleHints::remembered(&data_dir)));
    let mut loras = installed_loras(&Folders { data: data_dir, models: models_dir });
    if let Some(model) = &opened {
        for lora in &mut loras {
            lora.files =
                std::mem::take(&mut lora.files).into_iter().map(|file| file.with_fit(model)).collect();
        }
    }
    if common.json {
        print_document(LoraListDocument { loras });
        return Ok(());
    }
    if loras.is_empty() {
        out("No LoRAs found. Put them into the loras folder of the data folder");
    }
    for lora in &loras {
        out(&format!("{}  {}", lora.name, lora.size));
        for ListedLoraFile { file, expert, summary, problem, fit } in &lora.files {
            out(&format!("  {}", file.display()));
            if let Some(summary) = summary {
                let expert = expert.map(|expert| format!(", {expert}")).unwrap_or_default();
                let (methods, ranks) = (list(&summary.methods), list(&summary.ranks));
                out(&format!("    {}: {methods}, rank {ranks}{expert}", summary.format));
            }
            if let Some(fit) = fit {
                let matched: usize = fit.reports().iter().map(|(_, report)| report.matched.len()).sum();
                out(&format!("    {}: {}", fit.model, counted(matched as u64, "matched module")));
            }
            if let Some(problem) = problem {
                out(&format!("    Cannot be used: {problem}"));
            }
        }
    }
    Ok(())
}

fn show(file: &Path, model: Option<&str>, common: &Common) -> Result<()> {
    let file = LoraFile::open(file)?;
    let summary = file.summary();
    let places = Places::new(common)?;
    file.check_finite(&CancelToken::new())?;
    let mut fit = None;
    if let Some(model) = model {
        let checkpoint = models::open_with(
            &models::find(model, &places.data_dir, places.models_dir.as_deref())?,
            RoleHints::remembered(&places.data_dir),
        )?;
        fit = Some(LoraFitDocument::of(&file, &checkpoint)?);
    }
    if common.json {
        print_document(LoraDocument { summary: &summary, fit });
        return Ok(());
    }
    summary_out(&summary);
    if let Some(fit) = fit {
        fit_out(&fit);
    }
    Ok(())
}

fn list<T: ToString>(values: &[T]) -> String {
    if values.is_empty() {
        return "none".to_owned();
    }
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn summary_out(summary: &LoraSummary) {
    out(&summary.file.display().to_string());
    let format = if summary.format.is_empty() { "no LoRA keys" } else { &summary.format };
    out(&format!("  Format    {format}, {}", counted(summary.keys as u64, "key")));
    out(&format!("  Method    {}", list(&summary.methods)));
    out(&format!("  Size      {}", summary.size));
    out(&format!("  Rank      {}", list(&summary.ranks)));
    out(&format!("  Alpha     {}", list(&summary.alphas)));
    if let Some(width) = summary.width {
        out(&format!("  Width     {width}"));
    }
    if !summary.trigger_words.is_empty() {
        out(&format!("  Triggers  {}", list(&summary.trigger_words)));
    }
    if !summary.experts.is_empty() {
        out(&format!("  Experts   {}, by its keys", list(&summary.experts)));
    } else if let Some(expert) = summary.expert {
        out(&format!("  Expert    {expert}, by its name"));
    }
    if let Some(advice) = summary.advice {
        out(&format!("  Use with  {advice} (distilled LoRA)"));
    }
}

fn fit_out(fit: &LoraFitDocument) {
    for (expert, report) in fit.reports() {
        let of = if expert.is_empty() { String::new() } else { format!(", {expert}") };
        out(&format!("Applied to {}{of}", fit.model));
        report_out(report);
    }
    if let Some(problem) = &fit.problem {
        out(&format!("  Cannot be used: {problem}"));
    }
}

fn report_out(report: &LoraReport) {
    out(&format!("  Matched   {}", counted(report.matched.len() as u64, "module")));
    if report.magnitudes > 0 {
        out(&format!("  DoRA      magnitudes of {}", counted(report.magnitudes as u64, "module")));
    }
    out(&format!("  Scale     {}", list(&report.scales)));
    out(&format!("  Skipped   {}", counted(report.skipped.len() as u64, "key")));
    for SkippedKey { key, reason } in &report.skipped {
        out(&format!("    {key}: {reason}"));
    }
    out(&format!("  All-zero  {}, without effect", counted(report.all_zero.len() as u64, "key")));
    for key in &report.all_zero {
        out(&format!("    {key}"));
    }
    for note in &report.notes {
        out(&format!("  Note      {note}"));
    }
}
