//! Collects the bundle's files.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::redact::Redactor;
use crate::core::{Error, FIRST_DEVICE, Kind, Result};
use crate::engine::{self, runtime};
use crate::jobs::HistoryEntry;
use crate::library::History;
use crate::monitor;
use crate::store::{LOG_FILE, Settings};

/// Jobs whose numbers are in the bundle.
const JOBS: usize = 20;
/// Jobs whose prompts are looked for in the texts.
const PROMPTS: usize = 2000;
/// Bytes of the log that are in the bundle, the last ones.
const LOG_BYTES: u64 = 400_000;

/// The files of a bundle, as they are shown before they are saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiagnosticsBundle {
    /// Name and text of each file.
    pub files: Vec<(String, String)>,
}

impl DiagnosticsBundle {
    /// Writes the bundle as a zip file that does not exist yet.
    pub fn save(&self, path: &Path) -> Result<()> {
        let write = || -> std::io::Result<()> {
            let mut zip = ZipWriter::new(File::create_new(path)?);
            for (name, text) in &self.files {
                zip.start_file(name.as_str(), SimpleFileOptions::default())?;
                zip.write_all(text.as_bytes())?;
            }
            zip.finish()?.sync_all()
        };
        write().map_err(|error| {
            Error::new(Kind::Io, format!("Cannot write the diagnostics to {}", path.display()))
                .because(error)
                .remedy("Give the name of a new file in a folder that can be written to")
        })
    }
}

/// Collects versions, devices, settings, the log and the numbers of the last jobs, without prompts, paths or names.
/// `secrets` are texts that must not be in it beside those of the history, such as the prompt in the form.
pub fn diagnostics_bundle(data_dir: &Path, secrets: &[String]) -> DiagnosticsBundle {
    let (settings, notes) = Settings::load(data_dir);
    let jobs = recent_jobs(data_dir);
    let redactor = Redactor::new(known_secrets(data_dir, &settings, &jobs, secrets));
    let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default();
    let numbers: Vec<_> = jobs.iter().take(JOBS).map(job_numbers).collect();
    let files = vec![
        ("about.txt".to_owned(), ABOUT.to_owned()),
        ("versions.json".to_owned(), pretty(&versions(data_dir))),
        ("settings.txt".to_owned(), settings_text(&settings, &notes)),
        ("jobs.json".to_owned(), pretty(&Value::Array(numbers))),
        ("log.txt".to_owned(), log_text(data_dir)),
    ];
    let cleaned = files.into_iter().map(|(name, text)| {
        let text = redactor.clean(&text);
        (name, text)
    });
    DiagnosticsBundle { files: cleaned.collect() }
}

const ABOUT: &str = "Diagnostics of Wandeck: versions and devices, the settings, the numbers of the last jobs, and the end of the \
log. Prompts, paths, names of files, of this user and of this machine were replaced. Read it before you send it.";

fn versions(data_dir: &Path) -> Value {
    let runtime = match runtime::open_installed(data_dir) {
        Ok((Some(runtime), _)) => {
            let info = runtime.info();
            let providers: Vec<_> = engine::providers(&runtime, FIRST_DEVICE)
                .iter()
                .map(|status| {
                    json!({
                        "provider": status.provider.to_string(),
                        "device": status.device.as_ref().map(ToString::to_string),
                        "unavailable": status.unavailable.as_ref().map(|why| why.reason.clone()),
                    })
                })
                .collect();
            json!({"version": info.version, "build": info.build, "providers": providers})
        }
        Ok((None, _)) => json!("not installed"),
        Err(error) => json!(format!("{error:#}")),
    };
    json!({
        "wandeck": env!("CARGO_PKG_VERSION"),
        "system": std::env::consts::OS,
        "machine": std::env::consts::ARCH,
        "cores": std::thread::available_parallelism().map_or(1, usize::from),
        "free_memory": monitor::free().map(|free| free.to_string()),
        "free_disk": monitor::free_space(data_dir).map(|free| free.to_string()),
        "onnxruntime": runtime,
    })
}

/// The settings without their texts, which may be paths and names.
fn settings_text(settings: &Settings, notes: &[String]) -> String {
    let entries = settings.entries().into_iter().map(|(key, value)| {
        let is_private = ["models.folder", "models.fallbacks"].contains(&key.as_str()) && value != "none";
        format!("{key} = {}", if is_private { "<set>" } else { &value })
    });
    entries.chain(notes.iter().cloned()).collect::<Vec<_>>().join("\n")
}

/// The last jobs, the newest first; none if the history cannot be read.
fn recent_jobs(data_dir: &Path) -> Vec<HistoryEntry> {
    if !History::path_in(data_dir).exists() {
        return Vec::new();
    }
    let read = || History::open(data_dir)?.0.recent(PROMPTS);
    read().inspect_err(|error| tracing::warn!("The history cannot be read: {error:#}")).unwrap_or_default()
}

fn job_numbers(job: &HistoryEntry) -> Value {
    let draft = job.draft();
    let size = draft.as_ref().map(|draft| draft.size.to_string());
    let error = job.error.as_ref().map(|error| json!({"kind": error.kind, "category": error.category}));
    json!({
        "job": job.job,
        "status": job.status,
        "mode": job.mode,
        "size": size,
        "frames": draft.as_ref().map(|draft| draft.frames),
        "steps": draft.as_ref().map(|draft| draft.steps),
        "loras": draft.as_ref().map(|draft| draft.loras.len()),
        "provider": job.provider,
        "precision": job.precision,
        "seconds": job.generation_time_s,
        "stages": job.stages,
        "step_seconds": job.steps,
        "peak_memory_mib": job.peak_rss_mb,
        "peak_gpu_memory_mib": job.peak_vram_mb,
        "estimated_seconds": job.estimated_s,
        "estimated_peak_mib": job.estimated_peak_mb,
        "retries": job.retries,
        "error": error,
    })
}

/// The end of the log file, from the start of a line.
fn log_text(data_dir: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(data_dir.join(LOG_FILE))?;
        let len = file.metadata()?.len();
        file.seek(SeekFrom::Start(len.saturating_sub(LOG_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(LOG_BYTES).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(match text.split_once('\n') {
            Some((_, rest)) if len > LOG_BYTES => rest.to_owned(),
            _ => text,
        })
    };
    read().unwrap_or_else(|error| format!("There is no log: {error}"))
}

/// Texts that must not be in the bundle, each with what stands in its place.
fn known_secrets(
    data_dir: &Path,
    settings: &Settings,
    jobs: &[HistoryEntry],
    more: &[String],
) -> BTreeSet<(String, &'static str)> {
    let mut secrets: BTreeSet<(String, &'static str)> = BTreeSet::new();
    for job in jobs {
        secrets.insert((job.prompt.clone(), "<prompt>"));
        if let Some(draft) = job.draft() {
            secrets.insert((draft.prompt, "<prompt>"));
            secrets.insert((draft.negative_prompt, "<prompt>"));
        }
        if let Some(stem) = job.output.as_deref().and_then(Path::file_stem) {
            secrets.insert((stem.to_string_lossy().into_owned(), "<file>"));
        }
    }
    secrets.extend(more.iter().map(|secret| (secret.clone(), "<prompt>")));
    // a prompt of several lines is in the log in one
    let first_lines: Vec<_> = secrets
        .iter()
        .filter(|(text, _)| text.contains('\n'))
        .flat_map(|(text, instead)| text.lines().map(|line| (line.to_owned(), *instead)))
        .collect();
    secrets.extend(first_lines);
    let models = settings.models.folder.as_deref();
    let folders = [Some(data_dir), models].into_iter().flatten().map(|dir| dir.display().to_string());
    let home = directories::BaseDirs::new().map(|dirs| dirs.home_dir().display().to_string());
    secrets.extend(folders.chain(home).map(|dir| (dir, "<path>")));
    for variable in ["USER", "LOGNAME", "USERNAME"] {
        secrets.extend(std::env::var(variable).ok().map(|name| (name, "<user>")));
    }
    let host = std::fs::read_to_string("/etc/hostname").ok().or_else(|| std::env::var("COMPUTERNAME").ok());
    secrets.extend(host.map(|host| (host.trim().to_owned(), "<machine>")));
    secrets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_has_numbers_and_no_prompts_paths_or_names() {
        let dir = tempfile::tempdir().unwrap();
        let (history, _) = History::open(dir.path()).unwrap();
        let prompt = "a unicorn of my own".to_owned();
        let output = Some(dir.path().join("outputs/unicorn-1.mp4"));
        let entry = HistoryEntry {
            id: HistoryEntry::new_id(),
            job: 4,
            prompt: prompt.clone(),
            output,
            peak_rss_mb: Some(321.0),
            ..HistoryEntry::default()
        };
        history.record(&entry).unwrap();
        let log = format!(
            "info job 4: wrote {}\nerror: \"{prompt}\" and what is in the form\n",
            dir.path().join("outputs/unicorn-1.mp4").display()
        );
        std::fs::write(dir.path().join(LOG_FILE), log).unwrap();
        let mut settings = Settings::default();
        settings.set("models.folder", "/srv/private models").unwrap();
        settings.save(dir.path()).unwrap();
        let bundle = diagnostics_bundle(dir.path(), &["what is in the form".to_owned()]);
        let all: String = bundle.files.iter().map(|(_, text)| text.as_str()).collect();
        for secret in ["unicorn", "what is in the form", "private", &dir.path().display().to_string()] {
            assert!(!all.contains(secret), "{secret}: {all}");
        }
        for kept in ["321.0", "generation.retries = 2", "<prompt>", "\"job\": 4"] {
            assert!(all.contains(kept), "{kept}: {all}");
        }
        let path = dir.path().join("bundle.zip");
        bundle.save(&path).unwrap();
        let zip = zip::ZipArchive::new(File::open(&path).unwrap()).unwrap();
        assert_eq!(zip.len(), bundle.files.len());
        let error = bundle.save(&path).unwrap_err();
        assert!(error.message.contains("bundle.zip"), "an existing file is kept: {error}");
    }
}
