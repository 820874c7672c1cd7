//! `wandeck lora show`: details of a LoRA, and how its keys match a model.

use super::Places;
use super::args::{Common, Lora, LoraVerb};
use super::report::{out, print_document};
use crate::core::Result;
use crate::models;
use crate::wan::lora::{
    LoraDocument, LoraFile, LoraFitDocument, LoraReport, LoraSummary, SkippedKey, match_keys,
};

pub(super) fn run(args: &Lora, common: &Common) -> Result<()> {
    let LoraVerb::Show { file, model } = &args.verb;
    let file = LoraFile::open(file)?;
    let summary = file.summary();
    let places = Places::new(common)?;
    let mut fits = Vec::new();
    if let Some(model) = model {
        let checkpoint = models::open(&models::find(model, &places.data_dir, places.models_dir.as_deref())?)?;
        // both experts have the same modules
        let part = &checkpoint.transformer;
        let fit = match_keys(&file, &part.weights, "strength")?;
        let problem = fit.check(&file, &checkpoint.id, part.config.width()).err();
        fits.push((checkpoint.id, fit.report, problem.map(|error| format!("{error:#}"))));
    }
    if common.json {
        let fit = fits.pop().map(|(model, fit, problem)| LoraFitDocument { model, fit, problem });
        print_document(LoraDocument { summary: &summary, fit });
        return Ok(());
    }
    summary_out(&summary);
    for (model, report, problem) in &fits {
        report_out(model, report, problem.as_deref());
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
    out(&format!("  Format    {format}, {} keys", summary.keys));
    out(&format!("  Rank      {}", list(&summary.ranks)));
    out(&format!("  Alpha     {}", list(&summary.alphas)));
    if let Some(width) = summary.width {
        out(&format!("  Width     {width}"));
    }
    if let Some(expert) = summary.expert {
        out(&format!("  Expert    {expert}, by its file name"));
    }
    if let Some(advice) = summary.advice {
        out(&format!(
            "  Use with  {} steps, guidance {}, shift {} (distilled LoRA)",
            advice.steps, advice.guidance, advice.shift
        ));
    }
}

fn report_out(model: &str, report: &LoraReport, problem: Option<&str>) {
    out(&format!("Applied to {model}"));
    out(&format!("  Matched   {} modules", report.matched.len()));
    out(&format!("  Scale     {}", list(&report.scales)));
    out(&format!("  Skipped   {} keys", report.skipped.len()));
    for SkippedKey { key, reason } in &report.skipped {
        out(&format!("    {key}: {reason}"));
    }
    out(&format!("  All-zero  {} keys have no effect", report.all_zero.len()));
    for key in &report.all_zero {
        out(&format!("    {key}"));
    }
    for note in &report.notes {
        out(&format!("  Note      {note}"));
    }
    if let Some(problem) = problem {
        out(&format!("  Cannot be used: {problem}"));
    }
}
