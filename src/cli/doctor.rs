//! `wandeck doctor`: checks everything that is needed, and makes a small test video.

use std::path::Path;
use std::thread::available_parallelism;

use serde_json::json;

use super::args::{Common, Doctor as Args};
use super::diagnosis::{Diagnosis, DoctorDocument, Level};
use super::report::{out, print_document};
use super::{ExitCode, Places};
use crate::attempt::run_job;
use crate::core::{
    Bytes, CancelToken, Draft, Error, FIRST_DEVICE, Faults, Kind, Outcome, Resolution, Result, counted,
    has_fast_int8,
};
use crate::engine::runtime::{self, Runtime};
use crate::engine::{self, ProviderStatus};
use crate::jobs::JobSpec;
use crate::library::{History, diagnostics_bundle};
use crate::monitor::free_space;
use crate::queue::Queue;
use crate::store::{Settings, StoredTensors};
use crate::{models, monitor, presets};

/// With less free memory even the small models may fail.
const LITTLE_MEMORY: Bytes = Bytes(1 << 30);
/// With less free disk space, videos of the large models or their resume points may not fit.
const LITTLE_DISK: Bytes = Bytes(2 << 30);
/// Preset of the test video.
const PRESET: &str = "toy-t2v";
const PROMPT: &str = "a red circle moves right on a black background";

pub(super) fn run(args: &Args, common: &Common) -> Result<ExitCode> {
    let (places, _) = Places::quiet(common)?;
    if let Some(file) = &args.bundle {
        return bundle(file, &places, common);
    }
    let mut found = Vec::new();
    let mut report = |diagnosis: Diagnosis| {
        // printed one by one, because the test video takes a moment
        if !common.json {
            out(&diagnosis.to_string());
        }
        found.push(diagnosis);
    };
    report(system());
    report(data_folder(&places.data_dir));
    report(disk(&places.data_dir));
    report(settings(&places.data_dir));
    report(database(&places.data_dir));
    let (diagnoses, runtime) = onnx_runtime(&places.data_dir);
    diagnoses.into_iter().for_each(&mut report);
    model_folders(&places).into_iter().for_each(&mut report);
    if let Some(runtime) = runtime {
        report(video(&runtime, &places));
    }
    let worst = found.iter().map(|diagnosis| diagnosis.level).filter(|level| *level != Level::Note).max();
    let worst = worst.unwrap_or(Level::Ok);
    if common.json {
        print_document(DoctorDocument { status: worst, findings: &found });
    }
    Ok(if worst == Level::Problem { ExitCode::Failed } else { ExitCode::Done })
}

/// Saves the diagnostics as a file, and prints what is in it.
fn bundle(file: &Path, places: &Places, common: &Common) -> Result<ExitCode> {
    let queue = Queue::open(&places.data_dir, "wandeck doctor", &Faults::default())?;
    let drafts: Vec<_> = queue.jobs().into_iter().map(|job| &job.spec.draft).collect();
    let prompts = drafts.into_iter().flat_map(|draft| [draft.prompt.clone(), draft.negative_prompt.clone()]);
    let bundle = diagnostics_bundle(&places.data_dir, &prompts.collect::<Vec<_>>());
    bundle.save(file)?;
    if common.json {
        let names: Vec<_> = bundle.files.iter().map(|(name, _)| name).collect();
        print_document(json!({"bundle": file, "files": names}));
    } else {
        for (name, text) in &bundle.files {
            out(&format!("== {name}\n{text}\n"));
        }
        out(&format!("Saved as {}. Read it before you send it", file.display()));
    }
    Ok(ExitCode::Done)
}

fn system() -> Diagnosis {
    let cores = available_parallelism().map_or(1, usize::from);
    let int8 = if has_fast_int8() { "" } else { " without VNNI (int8 saves memory but no time)" };
    let machine = format!("{} on {}, {cores} cores{int8}", std::env::consts::OS, std::env::consts::ARCH);
    match monitor::free() {
        Some(free) if free < LITTLE_MEMORY => Diagnosis::warning(
            "system",
            format!("{machine}, only {free} memory free"),
            "Close other programs, or use a model converted to int8",
        ),
        Some(free) => Diagnosis::ok("system", format!("{machine}, {free} memory free")),
        None => Diagnosis::ok("system", machine),
    }
}

fn data_folder(data_dir: &Path) -> Diagnosis {
    let written = std::fs::create_dir_all(data_dir)
        .and_then(|()| tempfile::NamedTempFile::new_in(data_dir))
        .and_then(tempfile::NamedTempFile::close);
    match written {
        Ok(()) => Diagnosis::ok("data folder", format!("{} is writable", data_dir.display())),
        Err(error) => {
            let error = Error::new(Kind::Io, format!("Cannot write to {}", data_dir.display()))
                .because(error)
                .remedy("Choose another data folder with --data-dir or WANDECK_DATA_DIR");
            Diagnosis::of(Level::Problem, "data folder", &error)
        }
    }
}

fn disk(data_dir: &Path) -> Diagnosis {
    let place = data_dir.ancestors().find(|place| place.is_dir()).unwrap_or(data_dir);
    match free_space(place) {
        Some(free) if free < LITTLE_DISK => Diagnosis::warning(
            "disk",
            format!("Only {free} free on the disk of the data folder"),
            "Free disk space, or choose another data folder with --data-dir",
        ),
        Some(free) => Diagnosis::ok("disk", format!("{free} free on the disk of the data folder")),
        None => Diagnosis::ok("disk", "The system does not report the free disk space"),
    }
}

fn settings(data_dir: &Path) -> Diagnosis {
    let path = Settings::path_in(data_dir);
    match Settings::read(data_dir) {
        Ok((_, notes)) if !notes.is_empty() => {
            Diagnosis::warning("settings", notes.join("; "), format!("Correct {}", path.display()))
        }
        Ok(_) if path.is_file() => Diagnosis::ok("settings", format!("{} is valid", path.display())),
        Ok(_) => Diagnosis::ok("settings", "No settings file; all settings have their defaults"),
        Err(error) => Diagnosis::of(Level::Problem, "settings", &error),
    }
}

fn database(data_dir: &Path) -> Diagnosis {
    let look = || {
        let (history, notes) = History::open(data_dir)?;
        Ok((history.problems()?, notes, history.recent(1)?.len()))
    };
    match look() {
        Ok((problems, ..)) if !problems.is_empty() => Diagnosis {
            level: Level::Problem,
            subject: "history",
            message: format!("The database is damaged: {}", problems.join("; ")),
            remedy: Some("Run \"wandeck tasks --rebuild\"".to_owned()),
        },
        Ok((_, notes, _)) if !notes.is_empty() => {
            Diagnosis::warning("history", notes.join("; "), "Run \"wandeck tasks --rebuild\"")
        }
        Ok((.., 0)) => Diagnosis::ok("history", "The database is intact and empty"),
        Ok(_) => Diagnosis::ok("history", "The database is intact"),
        Err(error) => Diagnosis::of(Level::Problem, "history", &error),
    }
}

fn onnx_runtime(data_dir: &Path) -> (Vec<Diagnosis>, Option<Runtime>) {
    const SUBJECT: &str = "ONNX Runtime";
    match runtime::open_installed(data_dir) {
        Ok((Some(runtime), _)) => {
            let info = runtime.info();
            let place = format!("{}, {} ({})", info.version, info.path.display(), info.origin);
            let providers = engine::providers(&runtime, FIRST_DEVICE);
            let found = std::iter::once(Diagnosis::ok(SUBJECT, place)).chain(providers.iter().map(provider));
            (found.collect(), Some(runtime))
        }
        Ok((None, refused)) => {
            let looked: Vec<_> = refused.iter().map(ToString::to_string).collect();
            let remedy = format!(
                "\"wandeck generate\" downloads version {} at the first video, or set ORT_DYLIB_PATH. The test video was \
                 skipped",
                runtime::VERSION
            );
            (vec![Diagnosis::warning(SUBJECT, format!("Not installed: {}", looked.join("; ")), remedy)], None)
        }
        Err(error) => (vec![Diagnosis::of(Level::Problem, SUBJECT, &error)], None),
    }
}

/// An unavailable provider is a note, not a warning: the CPU always works, and most machines have no other.
fn provider(status: &ProviderStatus) -> Diagnosis {
    const SUBJECT: &str = "provider";
    let message = status.to_string();
    match &status.unavailable {
        None => Diagnosis::ok(SUBJECT, message),
        Some(unavailable) => {
            let remedy = Some(unavailable.remedy.clone());
            Diagnosis { level: Level::Note, subject: SUBJECT, message, remedy }
        }
    }
}

fn model_folders(places: &Places) -> Vec<Diagnosis> {
    let models = models::installed(&places.data_dir, places.models_dir.as_deref());
    if models.is_empty() {
        return vec![Diagnosis {
            level: Level::Problem,
            subject: "models",
            message: "No models found".to_owned(),
            remedy: Some(format!("Put a model's folder into {}", places.data_dir.join("models").display())),
        }];
    }
    let look = |model: &models::Installed| match &model.limits {
        Ok(limits) => {
            let modes: Vec<_> = limits.modes.iter().map(ToString::to_string).collect();
            let size = model.info.as_ref().map(|about| format!(", {}", about.size())).unwrap_or_default();
            Diagnosis::ok("model", format!("{}: {}{size}", model.id, modes.join(" ")))
        }
        // a warning only, because the other models can be used
        Err(error) => {
            let mut diagnosis = Diagnosis::of(Level::Warning, "model", error);
            diagnosis.message = format!("{} cannot be used: {}", model.id, diagnosis.message);
            diagnosis
        }
    };
    models.iter().map(look).collect()
}

fn video(runtime: &Runtime, places: &Places) -> Diagnosis {
    match small_video(runtime, places) {
        Ok(outcome) => match outcome.checks.iter().find(|check| !check.passed) {
            None => Diagnosis::ok(
                "video",
                format!("{} in {}", counted(outcome.request.frames.0, "frame"), outcome.generation_time_s),
            ),
            Some(failed) => Diagnosis {
                level: Level::Problem,
                subject: "video",
                message: format!("The video fails the check \"{}\": {}", failed.name, failed.detail),
                remedy: Some("Please report it".to_owned()),
            },
        },
        Err(error) => Diagnosis::of(Level::Problem, "video", &error),
    }
}

/// Makes a video with the smallest model in a temporary folder.
fn small_video(runtime: &Runtime, places: &Places) -> Result<Outcome> {
    let dir = tempfile::tempdir().map_err(|error| {
        Error::new(Kind::Io, "Cannot create a temporary folder")
            .because(error)
            .remedy("Set TMPDIR to a writable folder")
    })?;
    let preset = presets::by_name(PRESET)?;
    let model = models::find(&preset.model, &places.data_dir, places.models_dir.as_deref())?;
    let draft = Draft { steps: 2, frames: 5, size: Resolution::new(64, 64), ..preset.draft(PROMPT) };
    let work = JobSpec::new(draft, model, dir.path().join("video.mp4"));
    let mut cache = StoredTensors::new(dir.path());
    run_job(runtime, &work, &mut cache, &CancelToken::new(), &mut |_| {})
}
