//! Collects the facts for preflight, runs it and reports its findings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::distilled;
use super::inputs::resolve_inputs;
use super::memory_sample::MemorySample;
use super::profiles::Profiles;
use super::run_limits::RunLimits;
use super::toy;
use crate::core::{
    Bytes, CancelToken, DeviceId, Error, Event, Expert, FIRST_DEVICE, Finding, GenRequest, Kind, Provider,
    Quantisation, Result, Secs, Severity, Stage, Subject,
};
use crate::engine::runtime;
use crate::jobs::{EndStatus, HistoryEntry, JobSpec};
use crate::library::{History, HistoryEstimate, SimilarRuns, expected};
use crate::media::OutputTarget;
use crate::models::convert::default_name;
use crate::models::{self, RoleHints};
use crate::monitor::{self, CardMemory, free_card_memory, free_space};
use crate::pipeline::{ComputePlan, RepackedModel, Reporter, denoise_steps};
use crate::preflight::{
    self, DeviceFacts, DiskSpace, MeasuredRun, MeasuredTime, ModelSize, PreflightFacts, PreflightReport,
    ValueBytes, passes, work,
};
use crate::store::{Offload, Settings, WeightsCache};
use crate::wan::lora::LoraFile;
use crate::wan::{Checkpoint, vae_cost};

/// Number of earlier runs that are considered.
const EARLIER: usize = 60;
/// Number of comparable runs for the time estimate.
const NEAREST: usize = 20;
/// Maximum number of models, with that of the job, whose runs are considered.
const MODELS: usize = 4;
/// Upper bound of bytes per pixel in a file: for PNG frames and for video.
const PNG_BYTES_PER_PIXEL: u64 = 3;
const VIDEO_BYTES_PER_8_PIXELS: u64 = 8;
/// Copies of the latents in a resume point.
const LATENT_COPIES: u64 = 4;

/// The result of preflight for a job.
#[derive(Debug)]
pub struct PreflightResult {
    /// The request as it would run.
    pub request: GenRequest,
    /// Model id.
    pub model: String,
    /// Estimated cost and findings.
    pub preflight: PreflightReport,
    /// The folders that it writes to, with what is needed and free.
    pub disk_space: Vec<DiskSpace>,
    /// What its graphs run on.
    pub provider: Provider,
    /// The memory that it may take there, if the system reports it.
    pub free: Option<Bytes>,
}

/// The inputs of preflight for a job that can be parsed.
#[derive(Clone, Copy)]
pub(crate) struct PreparedJob<'a> {
    pub(crate) spec: &'a JobSpec,
    pub(crate) request: &'a GenRequest,
    pub(crate) model: &'a RepackedModel,
    pub(crate) compute: &'a ComputePlan,
    pub(crate) memory: MemorySample,
    pub(crate) limits: RunLimits,
}

/// Runs preflight on a job without running the job. Fails if it cannot become a request at all.
///
/// `keeps_sessions` says whether the program that runs it keeps sessions loaded for the next job.
pub fn examine(work: &JobSpec, data_dir: &Path, keeps_sessions: bool) -> Result<PreflightResult> {
    let checkpoint = work.open_model(Some(data_dir))?;
    let request = GenRequest::parse(&work.draft, &checkpoint.limits())?;
    let target = OutputTarget::parse(&work.output, request.frames, work.existing)?;
    let mut messages = Vec::new();
    let mut send = |event: Event| match event {
        Event::Warning { message } => messages.push((Severity::Warning, message)),
        Event::Note { message } => messages.push((Severity::Note, message)),
        _ => {}
    };
    let never = CancelToken::new();
    resolve_inputs(&target, &request, &checkpoint, Some(data_dir), &mut Reporter::new(&mut send), &never)?;
    let compute = compute_plan(&checkpoint, &request, data_dir)?;
    let settings = Settings::load(data_dir).0;
    let limits = RunLimits::from(&settings);
    limits.check_prompts(&request, &checkpoint)?;
    let keeps_sessions = keeps_sessions && settings.models.offload == Offload::Auto;
    let memory = MemorySample::now(&compute, keeps_sessions, limits);
    let model = &repacked_model(&checkpoint, &compute, data_dir)?;
    let job = PreparedJob { spec: work, request: &request, model, compute: &compute, memory, limits };
    let (mut found, disk_space) = report(job, data_dir)?;
    let finding = |(severity, message)| Finding {
        severity,
        subject: Subject::Settings,
        message,
        fixes: Vec::new(),
        figures: Vec::new(),
    };
    found.add(messages.into_iter().map(finding));
    let provider = compute.device.provider;
    let free = if provider.uses_host_memory() { memory.host } else { memory.device.and_then(|gpu| gpu.free) };
    Ok(PreflightResult { request, model: checkpoint.id, preflight: found, disk_space, provider, free })
}

/// The compute plan of a run; for the CPU if ONNX Runtime is not installed yet.
pub(super) fn compute_plan(
    checkpoint: &Checkpoint,
    request: &GenRequest,
    data_dir: &Path,
) -> Result<ComputePlan> {
    // without a runtime, one is fetched before the run, and that computes on the CPU
    match runtime::open_installed(data_dir)? {
        (Some(runtime), _) => {
            ComputePlan::choose(&runtime, FIRST_DEVICE, checkpoint, request, free_card_memory)
        }
        (None, _) => ComputePlan::on(Provider::Cpu, None, request.precision, checkpoint),
    }
}

/// The model as a run with the data folder computes with it.
pub(super) fn repacked_model(
    model: &Checkpoint,
    compute: &ComputePlan,
    data_dir: &Path,
) -> Result<RepackedModel> {
    RepackedModel::plan(model, compute, WeightsCache::new(Some(data_dir)).dir())
}

/// Estimates the cost of a job, lists findings, and returns the disk space that it needs. Fails for a value outside the
/// range of its mode.
pub(super) fn report(job: PreparedJob<'_>, data_dir: &Path) -> Result<(PreflightReport, Vec<DiskSpace>)> {
    let PreparedJob { spec: work, request, model: repacked, compute, memory, limits } = job;
    let model = repacked.checkpoint();
    let profiles = Profiles::open(data_dir)?.limited(&Settings::load(data_dir).0.modes)?;
    let (mode, family) = (request.mode, model.family());
    if let Some(problem) = profiles.problems(&work.draft, mode, family).into_iter().next() {
        return Err(problem);
    }
    let size = ModelSize::of(model);
    let mut disk_space = disk_space(work, request, &size, data_dir);
    disk_space.extend(repacked_space(repacked, data_dir));
    let history = history(data_dir);
    let own = MeasuredModel { model, size: &size };
    let like = history.as_ref().and_then(|history| like_runs(history, job, own));
    let earlier = history.map(|history| earlier(&history, own, data_dir)).unwrap_or_default();
    let facts = PreflightFacts {
        request,
        model: &size,
        steps: denoise_steps(model, request).map(|steps| steps as u32),
        loras: loras(request),
        device: memory.device,
        second_device: memory.second,
        free_memory: memory.host,
        keeps_sessions: memory.keeps_sessions,
        disk_space: &disk_space,
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        has_fast_int8: crate::core::has_fast_int8(),
        provider: compute.device.provider,
        variants: &if limits.suggests_quantised { variants(work, data_dir) } else { Vec::new() },
        suggests_quantised: limits.suggests_quantised,
        history: &earlier,
        time_limit: work.time_limit(),
        similar_runs: like
            .map(|expected| MeasuredTime { seconds: expected.seconds, num_runs: expected.num_runs }),
    };
    let mut found = preflight::check(&facts);
    found.add(profiles.notes(&work.draft, mode, family));
    found.add(toy::note(&work.draft, &model.id));
    found.add(distilled::note(request, model));
    found.add(model.assumption.clone().map(|message| Finding {
        severity: Severity::Warning,
        subject: Subject::Model,
        message,
        fixes: Vec::new(),
        figures: Vec::new(),
    }));
    Ok((found, disk_space))
}

/// Runs preflight if there is a data folder, and sends the findings as events.
pub(crate) fn report_preflight(
    job: PreparedJob<'_>,
    data_dir: Option<&Path>,
    reporter: &mut Reporter<'_>,
) -> Result<()> {
    data_dir.map_or(Ok(()), |data_dir| send_findings(&report(job, data_dir)?.0, reporter))
}

/// Sends notes and warnings as events, and returns the first blocker as an error.
fn send_findings(found: &PreflightReport, reporter: &mut Reporter<'_>) -> Result<()> {
    if let Some(blocker) = found.blockers().next() {
        return Err(error_from_finding(blocker));
    }
    let peak = found.peak();
    reporter.send(Event::Preflight {
        findings: found.findings.clone(),
        seconds: found.time.as_ref().map(|time| time.seconds),
        durations: found.durations.clone(),
        peak_mb: (peak > Bytes(0)).then(|| peak.0 as f64 / f64::from(1 << 20)),
        stages: found.stage_forecasts(),
    });
    for finding in &found.findings {
        let message = sentence(finding);
        match finding.severity {
            Severity::Note => reporter.note(message),
            _ => reporter.warn(message),
        }
    }
    Ok(())
}

/// A finding with its suggested fixes.
fn sentence(finding: &Finding) -> String {
    match (changes(finding), finding.severity) {
        (Some(changes), Severity::Warning) => format!("{}. Suggested fix: {changes}", finding.message),
        _ => finding.message.clone(),
    }
}

fn changes(finding: &Finding) -> Option<String> {
    let all = finding.suggestions();
    (!all.is_empty()).then(|| all.join("; or "))
}

fn error_from_finding(finding: &Finding) -> Error {
    let kind = match finding.subject {
        Subject::Memory => Kind::OutOfMemory,
        Subject::Disk => Kind::Io,
        Subject::Model => Kind::MissingModel,
        Subject::Settings | Subject::Time => Kind::Input,
        Subject::Hardware => Kind::Unsupported,
    };
    let remedy = changes(finding).map_or_else(
        || match finding.subject {
            Subject::Disk => "Free some space, or choose another place".to_owned(),
            _ => "Use a smaller model, or a machine with more memory".to_owned(),
        },
        |changes| format!("Suggested fix: {changes}"),
    );
    let error = Error::new(kind, finding.message.clone()).remedy(remedy).with_fixes(finding.fixes.clone());
    match finding.subject {
        // the queue rests for it, as when a write finds the disk full
        Subject::Disk => error.of_full_disk(),
        _ => error,
    }
}

/// The GPU that computes, if there is one and its driver answers. Without NVML only its total memory is known.
pub(super) fn device(compute: &ComputePlan) -> Option<DeviceFacts> {
    facts(compute, &compute.device, compute.device_memory)
}

/// The same of the second GPU, if there is one.
pub(super) fn second_device(compute: &ComputePlan) -> Option<DeviceFacts> {
    let second = compute.second.as_ref()?;
    facts(compute, &second.id, second.memory)
}

fn facts(compute: &ComputePlan, device: &DeviceId, total: Option<Bytes>) -> Option<DeviceFacts> {
    let (total, free) = match monitor::card_memory(device) {
        Some(CardMemory { total, free }) => (total, Some(free)),
        None => (total?, None),
    };
    let ComputePlan { text, transformer, vae, .. } = compute;
    let value_bytes = ValueBytes {
        text_encoder: text.bytes() as u64,
        transformer: transformer.bytes() as u64,
        vae: vae.bytes() as u64,
    };
    Some(DeviceFacts { total, free, value_bytes })
}

/// Memory of the LoRAs on each expert.
pub(super) fn loras(request: &GenRequest) -> [Bytes; 2] {
    let files: Vec<_> =
        request.loras.iter().filter_map(|lora| Some((lora, LoraFile::open(&lora.file).ok()?))).collect();
    Expert::ALL.map(|expert| {
        let here = files.iter().filter(|(lora, _)| lora.changes(expert));
        Bytes(here.map(|(_, file)| file.memory(expert).0).sum())
    })
}

/// The folders that a run writes to.
fn disk_space(work: &JobSpec, request: &GenRequest, size: &ModelSize, data_dir: &Path) -> Vec<DiskSpace> {
    let pixels = request.size.area() * u64::from(request.frames.0);
    let is_video = work.output.extension().is_some();
    let video = if is_video { pixels * VIDEO_BYTES_PER_8_PIXELS / 8 } else { pixels * PNG_BYTES_PER_PIXEL };
    let latent = size.strides.latent(size.vae.z_dim, request.size, request.frames);
    let latents = latent.dims().iter().product::<usize>() as u64 * 4 * LATENT_COPIES;
    [(DiskSpace::VIDEO, work.output.parent(), video), ("the resume point", Some(data_dir), latents)]
        .into_iter()
        .filter_map(|(content, path, needed)| {
            let path = nearest(path?)?;
            Some(DiskSpace { content, free: free_space(&path), path, needed: Bytes(needed) })
        })
        .collect()
}

/// The disk space of repacked weights that are not there yet.
fn repacked_space(model: &RepackedModel, data_dir: &Path) -> Option<DiskSpace> {
    let (needed, path) = (model.size_to_write(), nearest(data_dir)?);
    let free = free_space(&path);
    (needed > Bytes(0)).then_some(DiskSpace { content: "the repacked weights", free, path, needed })
}

/// The folder, or its nearest existing ancestor.
fn nearest(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().find(|folder| folder.is_dir()).map(Path::to_path_buf)
}

/// The installed int8 or int4 copy of the same model, by the default name of `models convert`.
fn variants(work: &JobSpec, data_dir: &Path) -> Vec<(Quantisation, String)> {
    let is_path = Path::new(&work.draft.model).is_absolute();
    let own = work.model_name();
    let source = own.strip_suffix("-int8").unwrap_or(&own);
    let variant = |integers: Quantisation| {
        let name = default_name(source, integers.into());
        let made = data_dir.join("models").join(&name);
        let path = [work.model.with_file_name(&name), made].into_iter().find(|path| path.is_dir())?;
        (name != own).then(|| (integers, if is_path { path.display().to_string() } else { name }))
    };
    [Quantisation::Int8, Quantisation::Int4].into_iter().filter_map(variant).collect()
}

/// The history of the data folder, if it has one that can be read.
fn history(data_dir: &Path) -> Option<History> {
    if !History::path_in(data_dir).exists() {
        return None;
    }
    read(History::open(data_dir)).map(|(history, _)| history)
}

/// Reads from the history; an error is logged and gives the default.
fn read<T>(read: Result<T>) -> Option<T> {
    read.inspect_err(|error| tracing::warn!("Earlier runs cannot be read: {error:#}")).ok()
}

/// A model with its size, which is measured once: it takes a hash over all tensors.
#[derive(Clone, Copy)]
struct MeasuredModel<'a> {
    model: &'a Checkpoint,
    size: &'a ModelSize,
}

/// The duration of a job, estimated from comparable runs of the same size.
fn like_runs(history: &History, job: PreparedJob<'_>, own: MeasuredModel<'_>) -> Option<HistoryEstimate> {
    let PreparedJob { spec, request, compute, .. } = job;
    let like = SimilarRuns {
        model_fingerprint: &own.size.fingerprint,
        mode: request.mode,
        provider: compute.device.provider.word(),
        precision: compute.precision,
    };
    let mut tasks = read(history.like_runs(&like, NEAREST))?;
    // attention grows faster than the frame; only the cost formulas account for that
    let is_same = |run: MeasuredRun| run.size == request.size && run.frames == request.frames;
    tasks.retain(|task| measured(task, own).is_some_and(is_same));
    expected(&spec.draft, &tasks)
}

/// Earlier runs of this data folder as measurements.
fn earlier(history: &History, own: MeasuredModel<'_>, data_dir: &Path) -> Vec<MeasuredRun> {
    let tasks = read(history.recent(EARLIER)).unwrap_or_default();
    let mut others = BTreeMap::new();
    let mut found = Vec::new();
    for task in tasks {
        let Some(fingerprint) = &task.model_fingerprint else { continue };
        if *fingerprint == own.size.fingerprint {
            found.extend(measured(&task, own));
            continue;
        }
        if others.len() + 1 >= MODELS && !others.contains_key(fingerprint) {
            continue;
        }
        let other = others
            .entry(fingerprint.clone())
            .or_insert_with(|| other_model(&task.model, fingerprint, data_dir));
        let other = other.as_ref().map(|(model, size)| MeasuredModel { model, size });
        found.extend(other.and_then(|other| measured(&task, other)));
    }
    found
}

/// The installed model of an earlier run, if it still is the one of that run.
fn other_model(name: &str, fingerprint: &str, data_dir: &Path) -> Option<(Checkpoint, ModelSize)> {
    let path = models::find(name, data_dir, None).ok()?;
    let model = models::open_with(&path, RoleHints::remembered(data_dir)).ok()?;
    let size = ModelSize::of(&model);
    // the folder may contain a different model by now
    (size.fingerprint == fingerprint).then_some((model, size))
}

/// A finished job as a measurement; `None` if its settings were changed by retries.
fn measured(task: &HistoryEntry, MeasuredModel { model, size }: MeasuredModel<'_>) -> Option<MeasuredRun> {
    // skipped steps take no time
    if task.status != EndStatus::Done || task.retries > 0 || task.step_cache.is_some() {
        return None;
    }
    let draft = task.draft()?;
    let request = GenRequest::parse(&draft, &model.limits()).ok()?;
    let steps = denoise_steps(model, &request).map(|steps| steps as u32);
    let name = task.provider.clone()?;
    let provider = Provider::ALL.into_iter().find(|one| one.word() == name)?;
    // a resumed run did not compute all steps
    if task.steps.len() != (steps[0] + steps[1]) as usize {
        return None;
    }
    let mut seconds = task.steps.clone();
    seconds.sort_by(|a, b| a.0.total_cmp(&b.0));
    Some(MeasuredRun {
        model_fingerprint: task.model_fingerprint.clone()?,
        mode: request.mode,
        size: request.size,
        frames: request.frames,
        steps,
        passes: passes(&request),
        precision: task.precision.clone()?,
        provider: task.provider.clone()?,
        weights: request.weights,
        vae_tile: vae_cost::split(&model.vae.config, request.size, request.vae_tile, provider).tile(),
        stages: task.stages.iter().map(|stage| (stage.name, stage.seconds)).collect(),
        stepping: stepping(&task.steps, steps),
        work: work(&request, size, steps, provider),
        seconds_per_step: seconds.get(seconds.len() / 2).copied(),
        peak: task.peak_rss_mb.map(|mib| Bytes((mib * f64::from(1 << 20)) as u64)),
    })
}

/// Seconds of the steps of each expert.
fn stepping(seconds: &[Secs], steps: [u32; 2]) -> Vec<(Stage, Secs)> {
    let (high, low) = seconds.split_at((steps[0] as usize).min(seconds.len()));
    [(Stage::DenoiseHigh, high), (Stage::DenoiseLow, low)]
        .into_iter()
        .filter(|(_, steps)| !steps.is_empty())
        .map(|(stage, steps)| (stage, Secs(steps.iter().map(|step| step.0).sum())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Draft;
    use crate::core::testing::draft;

    #[test]
    fn variants_are_found_where_they_are_made() {
        let dir = tempfile::tempdir().unwrap();
        let (beside, made) = (dir.path().join("mine"), dir.path().join("data/models"));
        let of = |model: &str, asked: &str| {
            let work = JobSpec::new(
                Draft { model: asked.to_owned(), ..draft() },
                beside.join(model),
                dir.path().join("o.mp4"),
            );
            variants(&work, &dir.path().join("data"))
        };
        assert_eq!(of("toy", "toy"), []);
        for path in [beside.join("toy-int4"), made.join("toy-int4"), made.join("toy-int8")] {
            std::fs::create_dir_all(path).unwrap();
        }
        let (int8, int4) =
            ((Quantisation::Int8, "toy-int8".to_owned()), (Quantisation::Int4, "toy-int4".to_owned()));
        assert_eq!(of("toy", "toy"), [int8.clone(), int4.clone()]);
        // a quantised model offers other copies of its source, never itself
        assert_eq!(of("toy-int8", "toy-int8"), [int4]);
        let paths = of("toy", beside.join("toy").to_str().unwrap());
        assert_eq!(paths[1].1, beside.join("toy-int4").display().to_string());
    }
}
