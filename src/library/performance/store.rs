//! The folder `performance` of a data folder: one file for each of the newest jobs.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::record::{Record, VERSION};
use crate::core::{Bytes, Error, Kind, Result};
use crate::monitor::{Timeline, trace};
use crate::store::write_whole;

const FOLDER: &str = "performance";
const EXTENSION: &str = "json";
/// Folder of ONNX Runtime's profiles, one folder for each profiled job.
const PROFILES: &str = "profiles";
/// Number of profiled jobs that are kept.
const MAX_PROFILED: usize = 5;
/// Maximum number of kept jobs.
const MAX_JOBS: usize = 500;
/// Maximum disk space of all files.
const MAX_SIZE: Bytes = Bytes(64 << 20);
/// Maximum size of a file; a larger one is not read.
const MAX_FILE: u64 = 4 << 20;

/// A job with measurements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedJob {
    /// Id of the job, for [`PerformanceStore::load`].
    pub uid: String,
    /// When the file was written.
    pub written: SystemTime,
    size: u64,
}

/// The measurement files of a data folder.
#[derive(Clone, Debug)]
pub struct PerformanceStore {
    folder: PathBuf,
}

impl PerformanceStore {
    /// The store of a data folder; its folder is created with the first file.
    pub fn new(data_dir: &Path) -> Self {
        Self { folder: data_dir.join(FOLDER) }
    }

    /// Saves the measurements of a job, appended to those of its earlier attempts, and deletes the oldest files above
    /// the limits.
    pub fn add(&self, timeline: Timeline) -> Result<()> {
        match self.load(&timeline.track.uid) {
            Ok(Some(earlier)) => self.save(&timeline.after(earlier)),
            // an unreadable file is replaced
            Ok(None) | Err(_) => self.save(&timeline),
        }
    }

    /// The folder for ONNX Runtime's profiles of a job; only the newest such folders are kept.
    pub fn profile_folder(&self, uid: &str) -> Result<PathBuf> {
        self.path(uid)?;
        let parent = self.folder.join(PROFILES);
        let folder = parent.join(uid);
        fs::create_dir_all(&folder).map_err(|error| {
            Error::new(Kind::Io, format!("Cannot create {}", folder.display()))
                .because(error)
                .remedy("Check that the data folder can be written to")
        })?;
        let entries = fs::read_dir(&parent).into_iter().flatten().filter_map(std::result::Result::ok);
        let mut others: Vec<_> = entries
            .filter(|entry| entry.path() != folder)
            .map(|entry| (entry.metadata().and_then(|file| file.modified()).ok(), entry.path()))
            .collect();
        others.sort();
        let num_old = others.len().saturating_sub(MAX_PROFILED - 1);
        for (_, old) in others.into_iter().take(num_old) {
            if let Err(error) = fs::remove_dir_all(&old) {
                tracing::debug!("Old profiles cannot be deleted: {error}");
            }
        }
        Ok(folder)
    }

    /// Writes the trace of a profiled job beside its profiles, with what they have, and returns its path.
    pub fn save_trace(&self, timeline: &Timeline) -> Result<PathBuf> {
        let path = self.profile_folder(&timeline.track.uid)?.join("trace.json");
        let text = trace(&timeline.machine, std::slice::from_ref(&timeline.track), &timeline.samples);
        write_whole(&path, text.as_bytes())?;
        Ok(path)
    }

    fn save(&self, timeline: &Timeline) -> Result<()> {
        let path = self.path(&timeline.track.uid)?;
        let bytes = serde_json::to_vec(&Record::from(timeline)).map_err(|error| {
            Error::new(Kind::Bug, format!("Cannot write the measurements {}", path.display())).because(error)
        })?;
        write_whole(&path, &bytes)?;
        self.prune(MAX_JOBS, MAX_SIZE);
        Ok(())
    }

    /// The timeline of a job; `None` if there are no measurements.
    pub fn load(&self, uid: &str) -> Result<Option<Timeline>> {
        let path = self.path(uid)?;
        let broken = |why: String| {
            Error::new(Kind::Io, format!("Cannot read the measurements {}: {why}", path.display()))
                .remedy("Delete the file; the video and its history stay")
        };
        let bytes = match fs::metadata(&path) {
            Ok(file) if file.len() > MAX_FILE => return Err(broken("the file is too large".to_owned())),
            Ok(_) => fs::read(&path).map_err(|error| broken(error.to_string()))?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(broken(error.to_string())),
        };
        let record: Record = serde_json::from_slice(&bytes).map_err(|error| broken(error.to_string()))?;
        if record.version > VERSION {
            return Err(broken(format!(
                "it has version {}, this program reads up to {VERSION}",
                record.version
            )));
        }
        Ok(Some(record.into()))
    }

    /// All jobs with measurements, newest first.
    pub fn list(&self) -> Vec<RecordedJob> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let record = |entry: fs::DirEntry| {
            let path = entry.path();
            let file = entry.metadata().ok().filter(fs::Metadata::is_file)?;
            let uid = path.file_stem()?.to_str()?.to_owned();
            let ours = path.extension().is_some_and(|extension| extension == EXTENSION) && is_name(&uid);
            let written = file.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            ours.then_some(RecordedJob { uid, written, size: file.len() })
        };
        let mut jobs: Vec<_> = entries.filter_map(Result::ok).filter_map(record).collect();
        jobs.sort_by(|a, b| b.written.cmp(&a.written).then_with(|| b.uid.cmp(&a.uid)));
        jobs
    }

    /// Deletes the oldest files above `jobs` files or `size` bytes.
    fn prune(&self, jobs: usize, size: Bytes) {
        let mut sum = 0;
        for (index, job) in self.list().iter().enumerate() {
            sum += job.size;
            if (index >= jobs || sum > size.0)
                && let Ok(path) = self.path(&job.uid)
                && let Err(error) = fs::remove_file(path)
            {
                tracing::debug!("Old measurements cannot be deleted: {error}");
            }
        }
    }

    fn path(&self, uid: &str) -> Result<PathBuf> {
        if is_name(uid) {
            return Ok(self.folder.join(format!("{uid}.{EXTENSION}")));
        }
        Err(Error::new(Kind::Input, format!("\"{uid}\" is not the id of a job")))
    }
}

/// The path of a job's file; ids are hexadecimal digits and hyphens.
fn is_name(uid: &str) -> bool {
    !uid.is_empty() && uid.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::core::{Event, Secs, Stage, Utc};
    use crate::monitor::{
        DeviceInfo, DeviceMetric, HostMetric, JobTrack, MAX_SAMPLES, Machine, Metric, Sample,
    };

    const VERSION_1: &str = include_str!("../../../tests/performance/v1.json");

    fn timeline(uid: &str, samples: usize) -> Timeline {
        let stage = Stage::DenoiseHigh;
        let mut track = JobTrack::new(uid, 7, Secs(0.0));
        track.forecast = Some(Bytes(1 << 30));
        track.observe(Secs(0.5), &Event::StageStarted { stage });
        track.observe(Secs(2.0), &Event::Step { stage, step: 1, of: 1, seconds: Secs(1.5) });
        track.end(Secs(600.0));
        let sample = |at| {
            Sample::new(Secs(f64::from(at)))
                .with(HostMetric::Cpu, 97.125)
                .with(HostMetric::ProcessMemory, 3e9)
                .with(Metric::Device(0, DeviceMetric::Power), 88.5)
        };
        Timeline {
            started: Utc(1_800_000_000),
            track,
            machine: Machine {
                cores: 2,
                memory: Bytes(8 << 30),
                devices: vec![DeviceInfo { name: "Test device".into(), ..DeviceInfo::default() }],
                no_device: None,
            },
            samples: (0..samples as u32).map(sample).collect(),
        }
    }

    #[test]
    fn what_is_saved_is_loaded_again_and_is_small() {
        let dir = tempfile::tempdir().unwrap();
        let store = PerformanceStore::new(dir.path());
        assert_eq!((store.load("a").unwrap(), store.list()), (None, Vec::new()));
        let saved = timeline("a", MAX_SAMPLES);
        store.save(&saved).unwrap();
        assert_eq!(store.load("a").unwrap().unwrap(), saved);
        let size = fs::metadata(dir.path().join("performance/a.json")).unwrap().len();
        assert!(size < 64 << 10, "{size}");
        assert_eq!(
            fs::read_dir(dir.path().join("performance")).unwrap().count(),
            1,
            "nothing is left beside it"
        );
    }

    #[test]
    fn a_job_that_goes_on_adds_to_its_record() {
        let dir = tempfile::tempdir().unwrap();
        let store = PerformanceStore::new(dir.path());
        for _ in 0..2 {
            store.add(timeline("a", 3)).unwrap();
        }
        let whole = store.load("a").unwrap().unwrap();
        assert_eq!((whole.duration(), whole.track.stages.len()), (Secs(1200.0), 2));
        fs::write(dir.path().join("performance/a.json"), "{").unwrap();
        store.add(timeline("a", 3)).unwrap();
        assert_eq!(store.load("a").unwrap().unwrap().duration(), Secs(600.0), "a broken record is replaced");
    }

    #[test]
    fn a_version_1_file_is_read_whole() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(FOLDER)).unwrap();
        fs::write(dir.path().join("performance/a.json"), VERSION_1).unwrap();
        let timeline = PerformanceStore::new(dir.path()).load("a").unwrap().unwrap();
        assert_eq!((timeline.track.job, timeline.duration()), (7, Secs(12.5)));
        assert_eq!(timeline.track.stages[1].stage, Stage::DenoiseHigh);
        assert_eq!(timeline.track.steps[0].seconds, Secs(4.0));
        assert_eq!(timeline.samples[1].host(HostMetric::Cpu), Some(97.0));
        assert_eq!(timeline.samples[0].host(HostMetric::Cpu), None);
        assert_eq!(timeline.samples[1].get(Metric::Device(0, DeviceMetric::Temperature)), Some(71.0));
    }

    #[test]
    fn the_oldest_are_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let store = PerformanceStore::new(dir.path());
        for (age, uid) in ["new", "middle", "old"].into_iter().enumerate() {
            store.save(&timeline(uid, 1)).unwrap();
            let written = SystemTime::UNIX_EPOCH + Duration::from_secs(1000 - age as u64);
            let file = fs::File::options().write(true).open(store.path(uid).unwrap()).unwrap();
            file.set_modified(written).unwrap();
        }
        store.prune(2, MAX_SIZE);
        let left: Vec<_> = store.list().into_iter().map(|job| job.uid).collect();
        assert_eq!(left, ["new", "middle"]);
        store.prune(2, Bytes(store.list()[0].size));
        assert_eq!(store.list().len(), 1);
    }

    #[test]
    fn a_broken_file_is_named_and_an_id_is_no_path() {
        let dir = tempfile::tempdir().unwrap();
        let store = PerformanceStore::new(dir.path());
        fs::create_dir(dir.path().join(FOLDER)).unwrap();
        fs::write(dir.path().join("performance/a.json"), "{").unwrap();
        assert!(format!("{:#}", store.load("a").unwrap_err()).contains("a.json"));
        fs::write(dir.path().join("performance/b.json"), r#"{"version":9}"#).unwrap();
        assert!(format!("{:#}", store.load("b").unwrap_err()).contains("version 9"));
        assert!(store.load("../settings").is_err());
    }
}
