//! A conversion from start to end.

use std::fs;
use std::path::{Path, PathBuf};

use super::ledger::{LEDGER, Ledger, replace};
use super::lock::FolderLock;
use super::others;
use super::plan::{ConversionTarget, Shard, shards};
use super::report::{ConversionReport, PartSize};
use super::shard::{self, Writing, failed};
use crate::core::{Bytes, CancelToken, Error, Kind, Result, sha256_hex};
use crate::models;
use crate::monitor::free_space;
use crate::wan::Checkpoint;

/// Name of the report in the converted folder.
const REPORT: &str = "conversion.json";
/// Room for configurations, the tokenizer and headers.
const SMALL_FILES: u64 = 64 << 20;

/// How a model is converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// What to.
    pub target: ConversionTarget,
    /// Size from which on a component's weights come in several files; a stop costs at most one.
    pub shard: Bytes,
}

impl Options {
    /// Usual sizes.
    pub fn new(target: ConversionTarget) -> Self {
        Self { target, shard: Bytes(2 << 30) }
    }
}

/// A conversion that is done.
#[derive(Clone, Debug)]
pub struct Converted {
    /// The new model's folder.
    pub path: PathBuf,
    /// What it cost.
    pub report: ConversionReport,
    /// Shards that an earlier, stopped conversion had made.
    pub resumed: usize,
    /// Whether an earlier conversion was thrown away, because its source has changed since.
    pub restarted: bool,
}

/// The folder's name for the converted model `id`.
pub fn default_name(id: &str, target: ConversionTarget) -> String {
    format!("{id}-{}", target.word())
}

/// Converts the model in `source` into the new folder `dir`. `done` hears the bytes to do, then how many more of them
/// are done. Stopped or failed, it goes on from the last whole shard when it is called again.
pub fn convert(
    source: &Path,
    dir: &Path,
    options: Options,
    cancel: &CancelToken,
    done: &mut dyn FnMut(Step),
) -> Result<Converted> {
    let model = models::open(source)?;
    if model.exported.is_some() {
        return Err(Error::new(
            Kind::Unsupported,
            format!("{} is made of graphs that were exported elsewhere", model.id),
        )
        .remedy("Convert the checkpoint that they were exported from"));
    }
    let plan = shards(&model, options.target, options.shard)?;
    let lock = FolderLock::take(dir)?;
    if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) || dir.is_file() {
        return Err(Error::new(Kind::Input, format!("{} is there already", dir.display()))
            .remedy("Use it, remove it, or give another folder with -o"));
    }
    let work = unfinished(dir);
    let (mut ledger, restarted) = Ledger::open(&work, identity(&model), options.target, options.shard)?;
    let left = |shard: &&Shard<'_>| ledger.finished(&work, shard).is_none();
    let needed = plan.iter().filter(left).map(Shard::size).sum::<u64>() + SMALL_FILES;
    check_room(Bytes(needed), free_space(&work), &work)?;
    done(Step::Total(Bytes(plan.iter().map(source_size).sum())));

    let (mut layers, mut resumed) = (Vec::new(), 0);
    for shard in &plan {
        if let Some(known) = ledger.finished(&work, shard) {
            layers.extend_from_slice(known);
            resumed += 1;
            done(Step::Done(Bytes(source_size(shard))));
            continue;
        }
        let mut more = |bytes| done(Step::Done(bytes));
        let mut writing = Writing { target: options.target, cancel, done: &mut more };
        let errors = shard::write(shard, &work, &mut writing)?;
        layers.extend_from_slice(&errors);
        ledger.add(&work, shard, errors)?;
    }
    others::write(&model, source, &plan, &work)?;
    let report = ConversionReport {
        wandeck: env!("CARGO_PKG_VERSION").to_owned(),
        precision: options.target,
        remark: options.target.remark().to_owned(),
        source: model.id.clone(),
        source_path: source.to_path_buf(),
        source_fingerprint: model.fingerprint(),
        parts: parts(&model, &plan),
        mean_relative_l2: layers.iter().map(|layer| layer.relative_l2).sum::<f64>()
            / layers.len().max(1) as f64,
        layers,
    };
    let text = serde_json::to_vec_pretty(&report)
        .map_err(|error| Error::new(Kind::Bug, "The report cannot be written down").because(error))?;
    replace(&work.join(REPORT), &text)?;
    // what was written must open before it takes its name
    models::open(&work)?;
    finish(&work, dir)?;
    lock.remove();
    Ok(Converted { path: dir.to_path_buf(), report, resumed, restarted })
}

/// How far a conversion is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Bytes of the source that will be read, reported once.
    Total(Bytes),
    /// So many more are done.
    Done(Bytes),
}

/// The folder's name until it is whole.
fn unfinished(dir: &Path) -> PathBuf {
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(".unfinished");
    dir.with_file_name(name)
}

fn finish(work: &Path, dir: &Path) -> Result<()> {
    let ledger = work.join(LEDGER);
    let moved = fs::remove_file(&ledger)
        .and_then(|()| if dir.is_dir() { fs::remove_dir(dir) } else { Ok(()) })
        .and_then(|()| fs::rename(work, dir));
    moved.map_err(|error| failed(dir, error))
}

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

/// Bytes of the source that a shard is made of.
fn source_size(shard: &Shard<'_>) -> u64 {
    shard.tensors.iter().filter_map(|tensor| shard.source.get(&tensor.name).ok()).map(|info| info.len).sum()
}

fn parts(model: &Checkpoint, plan: &[Shard<'_>]) -> Vec<PartSize> {
    let weights = [
        ("transformer", Some(&model.transformer.weights)),
        ("transformer_2", model.transformer_2.as_ref().map(|second| &second.weights)),
        ("text_encoder", Some(&model.text_encoder.weights)),
        ("vae", Some(&model.vae.weights)),
    ];
    let part = |(component, weights): (&str, Option<&crate::onnx::Weights>)| {
        let after = plan.iter().filter(|shard| shard.component == component).map(Shard::size).sum();
        Some(PartSize { component: component.to_owned(), before: weights?.size(), after: Bytes(after) })
    };
    weights.into_iter().filter_map(part).collect()
}

fn check_room(needed: Bytes, free: Option<Bytes>, dir: &Path) -> Result<()> {
    match free {
        Some(free) if free < needed => Err(Error::new(
            Kind::Io,
            format!("The converted model takes {needed} more and {} has {free} free", dir.display()),
        )
        .remedy("Free some space, or choose another disk with -o")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_too_small_is_told_before() {
        let check = |needed, free| check_room(Bytes(needed), free, Path::new("models"));
        let error = check(3 << 30, Some(Bytes(2 << 30))).unwrap_err();
        assert_eq!(error.kind, Kind::Io);
        assert!(error.message.contains("3.0 GiB more") && error.message.contains("2.0 GiB free"), "{error}");
        assert!(check(1, Some(Bytes(1))).is_ok() && check(u64::MAX, None).is_ok());
    }
}
