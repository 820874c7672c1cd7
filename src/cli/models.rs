//! `wandeck models verify` and `remove`.

use serde_json::json;

use super::Places;
use super::args::Common;
use super::report::{byte_bar, note, out, print_document};
use super::signals::cancel_on_stop;
use crate::core::{CancelToken, Error, Faults, Kind, Result, counted};
use crate::library::move_to_bin;
use crate::models::{self, Removal, VerifyOptions};
use crate::plan::{check_removable, jobs_that_need};
use crate::queue::Queue;

/// Reads every byte of a model; damaged tensors are an error.
pub(super) fn verify(model: &str, common: &Common) -> Result<()> {
    let places = Places::new(common)?;
    let path = models::find(model, &places.data_dir, places.models_dir.as_deref())?;
    let cancel = CancelToken::new();
    cancel_on_stop(&cancel)?;
    let options = VerifyOptions::new(&places.data_dir, &path);
    let bar = byte_bar();
    bar.set_length(models::size_to_verify(&path, &options)?.0);
    let report = models::verify(&path, &options, &cancel, &mut |bytes| bar.inc(bytes.0));
    bar.finish_and_clear();
    let report = report.map_err(|error| match error.kind {
        Kind::Cancelled => {
            error.remedy("Run the same command again to go on with the files that were not checked yet")
        }
        _ => error,
    })?;
    if common.json {
        print_document(json!({"model": model, "report": report}));
    } else {
        let tensors = counted(report.num_tensors as u64, "tensor");
        report.lines().for_each(|line| out(&line));
        let known = report.files.iter().filter(|file| file.known_by.is_some()).count();
        let checked =
            format!("{known} of {} compared with a checksum", counted(report.files.len() as u64, "file"));
        out(&format!("{tensors}, {} read, {checked}, {} damaged", report.read, report.num_damaged()));
    }
    if report.is_sound() {
        return Ok(());
    }
    Err(Error::new(
        Kind::CorruptModel,
        format!("{model} is damaged: {}", report.lines().next().unwrap_or_default()),
    )
    .remedy(report.remedy()))
}

/// Moves a model's own files to the bin, or says what that would do.
pub(super) fn remove(model: &str, dry_run: bool, common: &Common) -> Result<()> {
    let places = Places::new(common)?;
    let all = models::installed(&places.data_dir, places.models_dir.as_deref());
    let by_path = || all.iter().find(|one| one.path.as_os_str() == model);
    let found = models::called(model, &all).or_else(by_path).ok_or_else(|| {
        Error::new(Kind::MissingModel, format!("Model \"{model}\" not found"))
            .field("model")
            .remedy("\"wandeck models list\" shows the models")
    })?;
    let removal = Removal::plan(found, &all)?;
    let queue = Queue::open_to_read(&places.data_dir, "wandeck models", &Faults::from_env()?)?;
    let jobs = jobs_that_need(found, &removal, queue.jobs());
    if !dry_run {
        check_removable(&found.id, &jobs)?;
        removal.paths.iter().try_for_each(|path| move_to_bin(path))?;
    }
    if common.json {
        print_document(json!({
            "model": found.id, "dry_run": dry_run, "removed": removal.paths, "shared": removal.shared,
            "needed_by_jobs": jobs, "freed_bytes": removal.frees.0,
        }));
        return Ok(());
    }
    for path in &removal.paths {
        out(&path.display().to_string());
    }
    if let Some(folder) = &removal.stays_at {
        note(&format!("Only the link is removed; the files stay in {}", folder.display()));
    }
    for file in &removal.shared {
        note(&file.to_string());
    }
    if let Err(error) = check_removable(&found.id, &jobs) {
        note(&format!("{error:#}"));
    }
    let what = if dry_run { "Would move" } else { "Moved" };
    note(&format!("{what} {} to the bin, {}", found.id, removal.frees));
    Ok(())
}
