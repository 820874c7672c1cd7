//! Runs a conversion: checks, shards, report, final name.

use std::fs;
use std::path::{Path, PathBuf};

use super::config_files;
use super::lock::FolderLock;
use super::plan::{ConversionTarget, Shard, shards};
use super::progress::{PROGRESS_FILE, Progress, replace};
use super::report::{ConversionReport, ConvertedSize, REPORT};
use super::shard::{self, ShardContext, failed};
use crate::core::{Bytes, CancelToken, Error, Kind, Result, sha256_hex};
use crate::models::{self, RoleHints};
use crate::monitor::free_space;
use crate::wan::Checkpoint;

/// Disk space for configurations, the tokenizer and headers.
const CONFIG_FILES_SIZE: u64 = 64 << 20;

/// Options of a conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConversionOptions {
    /// Target precision.
    pub target: ConversionTarget,
    /// Maximum size of a weight file. A component with more weights is split into shards; an interruption loses at most
    /// one.
    pub shard: Bytes,
}

impl ConversionOptions {
    /// Options with shards of 2 GiB.
    pub fn new(target: ConversionTarget) -> Self {
        Self { target, shard: Bytes(2 << 30) }
    }
}

/// A finished conversion.
#[derive(Clone, Debug)]
pub struct Converted {
    /// Folder of the converted model.
    pub path: PathBuf,
    /// Sizes and errors.
    pub report: ConversionReport,
    /// Number of shards kept from an interrupted conversion.
    pub resumed_shards: usize,
    /// Whether an interrupted conversion was discarded because its source has changed.
    pub restarted: bool,
}

/// Default folder name of the model `id` converted to `target`: `t2v-A14B-int8` for `t2v-A14B-fp16`.
pub fn default_name(id: &str, target: ConversionTarget) -> String {
    format!("{}-{}", unconverted_name(id), target.word())
}

/// The name of the model `id` without its owner and its precision.
fn unconverted_name(id: &str) -> &str {
    const PRECISIONS: [&str; 5] = ["-fp32", "-bf16", "-fp16", "-fp8_scaled", "-fp8"];
    let name = id.rsplit('/').next().unwrap_or(id);
    PRECISIONS.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name)
}

/// Converts the model in `source` into the new folder `dir`.
///
/// `report` is called with the total size first, then after each piece of work. A conversion that was cancelled or
/// failed continues after its last complete shard when it is called again with the same arguments.
///
/// # Errors
///
/// [`Kind::Unsupported`] for a model of exported graphs, [`Kind::Input`] if `dir` is not empty, in use or nothing would
/// change, [`Kind::Io`] if the disk space is not enough, [`Kind::Cancelled`] after a cancel.
pub fn convert(
    source: &Path,
    dir: &Path,
    options: ConversionOptions,
    cancel: &CancelToken,
    report: &mut dyn FnMut(ConversionStep),
) -> Result<Converted> {
    convert_with(source, RoleHints::NONE, dir, options, cancel, report)
}

/// Converts the model in `source` like [`convert`], opened with the choices of a person.
pub fn convert_with(
    source: &Path,
    hints: RoleHints<'_>,
    dir: &Path,
    options: ConversionOptions,
    cancel: &CancelToken,
    report: &mut dyn FnMut(ConversionStep),
) -> Result<Converted> {
    let model = models::open_with(source, hints)?;
    if model.exported.is_some() {
        return Err(Error::new(
            Kind::Unsupported,
            format!("{} consists of exported ONNX graphs, which cannot be converted", model.id),
        )
        .remedy("Convert the checkpoint that the graphs were exported from"));
    }
    let plan = shards(&model, options.target, options.shard)?;
    let lock = FolderLock::take(dir)?;
    if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) || dir.is_file() {
        return Err(Error::new(Kind::Input, format!("{} already exists", dir.display()))
            .remedy("Use it, delete it, or give another folder with -o"));
    }
    let work = unfinished(dir);
    let (mut progress, restarted) = Progress::open(&work, identity(&model), options.target, options.shard)?;
    let left = |shard: &&Shard<'_>| progress.finished(&work, shard).is_none();
    let needed = plan.iter().filter(left).map(Shard::size).sum::<u64>() + CONFIG_FILES_SIZE;
    check_free_space(Bytes(needed), free_space(&work), &work)?;
    report(ConversionStep::Total(Bytes(plan.iter().map(source_size).sum())));

    let (mut layers, mut resumed_shards) = (Vec::new(), 0);
    for shard in &plan {
        if let Some(known) = progress.finished(&work, shard) {
            layers.extend_from_slice(known);
            resumed_shards += 1;
            report(ConversionStep::Done(Bytes(source_size(shard))));
            continue;
        }
        let mut more = |bytes| report(ConversionStep::Done(bytes));
        let mut writing = ShardContext { target: options.target, cancel, done: &mut more };
        let errors = shard::write(shard, &work, &mut writing)?;
        layers.extend_from_slice(&errors);
        progress.add(&work, shard, errors)?;
    }
    config_files::write(&model, source, &plan, &work)?;
    let summary = ConversionReport {
        wandeck: env!("CARGO_PKG_VERSION").to_owned(),
        precision: options.target,
        remark: options.target.remark().to_owned(),
        source: model.id.clone(),
        source_path: source.to_path_buf(),
        source_fingerprint: model.fingerprint(),
        components: component_sizes(&model, &plan),
        mean_relative_l2: layers.iter().map(|layer| layer.relative_l2).sum::<f64>()
            / layers.len().max(1) as f64,
        layers,
    };
    let text = serde_json::to_vec_pretty(&summary).map_err(|error| {
        Error::new(Kind::Bug, "Cannot encode the conversion report as JSON").because(error)
    })?;
    replace(&work.join(REPORT), &text)?;
    // the converted model must open before it gets its final name
    models::open(&work)?;
    finish(&work, dir)?;
    lock.remove();
    Ok(Converted { path: dir.to_path_buf(), report: summary, resumed_shards, restarted })
}

/// Progress of a conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConversionStep {
    /// Size of the source tensors, reported once at the start.
    Total(Bytes),
    /// Size of the source tensors converted since the last report.
    Done(Bytes),
}

/// The folder in which an unfinished model is written: `NAME.unfinished`.
fn unfinished(dir: &Path) -> PathBuf {
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(".unfinished");
    dir.with_file_name(name)
}

/// Renames the finished folder to its final name.
fn finish(work: &Path, dir: &Path) -> Result<()> {
    let progress = work.join(PROGRESS_FILE);
    let moved = fs::remove_file(&progress)
        .and_then(|()| if dir.is_dir() { fs::remove_dir(dir) } else { Ok(()) })
        .and_then(|()| fs::rename(work, dir));
    moved.map_err(|error| failed(dir, error))
}

/// Identity of the source, which changes when one of its files changes.
fn identity(model: &Checkpoint) -> String {
    let second = model.transformer_2.as_ref().map(|second| second.identity());
    let parts = [
        model.transformer.identity(),
        second.unwrap_or_default(),
        model.text_encoder.identity(),
        model.vae.identity(),
    ];
    sha256_hex(parts.join(" ").as_bytes())
}

/// Size of the source tensors of a shard.
fn source_size(shard: &Shard<'_>) -> u64 {
    shard.tensors.iter().filter_map(|tensor| shard.source.get(&tensor.name).ok()).map(|info| info.len).sum()
}

fn component_sizes(model: &Checkpoint, plan: &[Shard<'_>]) -> Vec<ConvertedSize> {
    let weights = [
        ("transformer", Some(&model.transformer.weights)),
        ("transformer_2", model.transformer_2.as_ref().map(|second| &second.weights)),
        ("text_encoder", Some(&model.text_encoder.weights)),
        ("vae", Some(&model.vae.weights)),
    ];
    let part = |(component, weights): (&str, Option<&crate::onnx::Weights>)| {
        let after = plan.iter().filter(|shard| shard.component == component).map(Shard::size).sum();
        Some(ConvertedSize { component: component.to_owned(), before: weights?.size(), after: Bytes(after) })
    };
    weights.into_iter().filter_map(part).collect()
}

fn check_free_space(needed: Bytes, free: Option<Bytes>, dir: &Path) -> Result<()> {
    match free {
        Some(free) if free < needed => Err(Error::new(
            Kind::Io,
            format!(
                "Not enough disk space for the converted model: {needed} needed, {free} free in {}",
                dir.display()
            ),
        )
        .remedy("Free disk space, or choose another disk with -o")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_reported_before_the_conversion() {
        let check = |needed, free| check_free_space(Bytes(needed), free, Path::new("models"));
        let error = check(3 << 30, Some(Bytes(2 << 30))).unwrap_err();
        assert_eq!(error.kind, Kind::Io);
        assert!(error.message.contains("3.0 GiB needed, 2.0 GiB free"), "{error}");
        assert!(check(1, Some(Bytes(1))).is_ok() && check(u64::MAX, None).is_ok());
    }
}
