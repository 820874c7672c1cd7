//! What a running job has reported, as small files that the other programs of the data folder read.
//!
//! They are written a few times a second at most, without waiting for the disk: nothing depends on them, and the program
//! removes them when the job ends.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::follower::JobFollower;
use crate::core::{Event, Frame, Progress, Resolution, Secs, Stage};
use crate::jobs::JobId;
use crate::media::{read_image, write_png};

/// Shortest time between two writes.
const INTERVAL: Duration = Duration::from_millis(400);

/// What a job has reported to the program that runs it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LiveReport {
    /// Its progress.
    pub progress: Progress,
    /// The last note or warning of the current stage.
    pub message: Option<String>,
    /// Time since its first event.
    pub elapsed_s: Secs,
    /// Stage of the preview, and its number of frames.
    pub preview: Option<(Stage, u32)>,
}

/// A job that another program runs, or ran until it died.
#[derive(Clone, Debug)]
pub struct ElsewhereJob {
    /// The job.
    pub id: JobId,
    /// Whether its program has ended; the next program resumes it.
    pub is_interrupted: bool,
    /// What it has reported, if its program says so.
    pub report: Option<Arc<LiveReport>>,
    /// The last preview, one small image for each latent frame, and its stage.
    pub preview: Option<(Stage, Arc<[Frame]>)>,
    written: Option<SystemTime>,
}

impl ElsewhereJob {
    /// Whether nothing has been reported since `before`.
    pub(super) fn is_same(&self, before: &Self) -> bool {
        let about = |job: &Self| (job.id, job.is_interrupted, job.written);
        about(self) == about(before)
    }
}

/// The files of a data folder.
pub(super) struct LiveFiles {
    folder: PathBuf,
    /// The jobs that run in this program.
    jobs: Mutex<BTreeMap<JobId, Own>>,
}

struct Own {
    follower: JobFollower,
    written: Option<Instant>,
    preview: Option<(Stage, Arc<[Frame]>)>,
}

impl LiveFiles {
    pub(super) fn new(data_dir: &Path) -> Self {
        Self { folder: data_dir.join("queue").join("live"), jobs: Mutex::default() }
    }

    /// Writes what a job of this program reports.
    pub(super) fn observe(&self, id: JobId, event: &Event) {
        let now = Instant::now();
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Own { follower: JobFollower::new(now), written: None, preview: None };
        let job = jobs.entry(id).or_insert_with(new);
        job.follower.observe(event, now);
        if !job.follower.is_running() {
            jobs.remove(&id);
            drop(jobs);
            for path in [self.report_path(id), self.preview_path(id)] {
                drop(fs::remove_file(path));
            }
            return;
        }
        if let Event::Preview { stage, frames, .. } = event {
            job.preview = Some((*stage, Arc::clone(frames)));
        }
        if job.written.is_none_or(|written| now.saturating_duration_since(written) >= INTERVAL) {
            job.written = Some(now);
            let preview = job.preview.take();
            let report = LiveReport {
                progress: job.follower.progress().clone(),
                message: job.follower.message().map(str::to_owned),
                elapsed_s: Secs::from(now.saturating_duration_since(job.follower.started())),
                preview: preview.as_ref().map(|(stage, frames)| (*stage, frames.len() as u32)),
            };
            drop(jobs);
            if let Err(error) = self.write(id, &report, preview.map(|(_, frames)| frames).as_deref()) {
                tracing::debug!("Other programs do not see how far job {id} is: {error}");
            }
        }
    }

    fn write(
        &self,
        id: JobId,
        report: &LiveReport,
        preview: Option<&[Frame]>,
    ) -> Result<(), Box<dyn std::error::Error>> {
        // only this folder: a queue that was moved away must not seem to be a new, empty one
        match fs::create_dir(&self.folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error.into()),
            _ => {}
        }
        if let Some(strip) = preview.and_then(strip) {
            let new = self.folder.join(format!("{id}.new.png"));
            write_png(&new, &strip)?;
            fs::rename(new, self.preview_path(id))?;
        }
        let new = self.folder.join(format!("{id}.new.json"));
        fs::write(&new, serde_json::to_vec(report)?)?;
        Ok(fs::rename(new, self.report_path(id))?)
    }

    /// What another program has written of a job since `before`.
    pub(super) fn read(
        &self,
        id: JobId,
        is_interrupted: bool,
        before: Option<&ElsewhereJob>,
    ) -> ElsewhereJob {
        let path = self.report_path(id);
        let written = fs::metadata(&path).and_then(|file| file.modified()).ok();
        let known = before.filter(|before| before.written == written && written.is_some());
        if let Some(known) = known {
            return ElsewhereJob { is_interrupted, ..known.clone() };
        }
        let text = fs::read(&path).ok().filter(|_| !is_interrupted);
        let report = text.and_then(|text| serde_json::from_slice::<LiveReport>(&text).ok());
        let shown = report.as_ref().and_then(|report| report.preview).and_then(|(stage, count)| {
            let strip = read_image(&self.preview_path(id)).ok()?;
            Some((stage, frames_of(&strip, count)?))
        });
        // a report without a new preview keeps the last one
        let preview = shown.or_else(|| before?.preview.clone()).filter(|_| !is_interrupted);
        ElsewhereJob { id, is_interrupted, report: report.map(Arc::new), preview, written }
    }

    fn report_path(&self, id: JobId) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }

    fn preview_path(&self, id: JobId) -> PathBuf {
        self.folder.join(format!("{id}.png"))
    }
}

/// The frames of a preview, one below the other.
fn strip(frames: &[Frame]) -> Option<Frame> {
    let size = frames.first()?.size;
    let height = size.height.checked_mul(u32::try_from(frames.len()).ok()?)?;
    let rgb = frames.iter().flat_map(|frame| frame.rgb.iter().copied()).collect();
    Some(Frame { size: Resolution::new(size.width, height), rgb })
}

/// The frames of a strip; nothing if it does not hold so many.
fn frames_of(strip: &Frame, count: u32) -> Option<Arc<[Frame]>> {
    if count == 0 || !strip.size.height.is_multiple_of(count) {
        return None;
    }
    let size = Resolution::new(strip.size.width, strip.size.height / count);
    let bytes = size.width as usize * size.height as usize * 3;
    Some(strip.rgb.chunks_exact(bytes.max(1)).map(|rgb| Frame { size, rgb: rgb.to_vec() }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Seed;

    #[test]
    fn another_program_reads_progress_and_preview_until_the_job_ends() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("queue")).unwrap();
        let (writer, reader) = (LiveFiles::new(dir.path()), LiveFiles::new(dir.path()));
        let (id, stage) = (JobId(3), Stage::DenoiseHigh);
        let size = Resolution::new(4, 2);
        let frames: Arc<[Frame]> = [10, 20, 30].map(|value| Frame { size, rgb: vec![value; 24] }).into();
        for event in [
            Event::Started { seed: Seed(1), plan: vec![(stage, 4)] },
            Event::StageStarted { stage },
            Event::Step { stage, step: 1, of: 4, seconds: Secs(2.0) },
        ] {
            writer.observe(id, &event);
        }
        std::thread::park_timeout(INTERVAL * 2);
        writer.observe(id, &Event::Preview { stage, frames: Arc::clone(&frames), seconds: Secs(0.1) });
        let job = reader.read(id, false, None);
        let report = job.report.clone().unwrap();
        assert_eq!(report.progress.stage(), Some((stage, 1, 4)));
        let (shown, preview) = job.preview.clone().unwrap();
        assert_eq!((shown, preview.len()), (stage, 3));
        assert!(preview.iter().zip(frames.iter()).all(|(read, made)| read.rgb == made.rgb));
        let again = reader.read(id, false, Some(&job));
        assert!(Arc::ptr_eq(again.report.as_ref().unwrap(), &report), "an unchanged file is not read again");
        writer.observe(id, &Event::Cancelled);
        let gone = reader.read(id, true, Some(&job));
        assert!(gone.report.is_none() && gone.preview.is_none());
    }
}
