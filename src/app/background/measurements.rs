//! Measurements of the current session and of earlier jobs, with a thread that reads and writes their files.

use std::fs;
use std::path::{Path, PathBuf};

use super::task::TaskThread;
use crate::app::panels::monitor::{EarlierJob, ExportFormat, MonitorAction, MonitorView, export};
use crate::core::{Error, Fix, Kind, Result, Utc, Waker};
use crate::library::PerformanceStore;
use crate::monitor::{Monitor, MonitorSnapshot, SampleRate, TimeRange, Timeline};

/// Number of earlier jobs offered for comparison.
const OFFERED: usize = 30;

/// An answer of the thread.
enum Answer {
    Earlier(Vec<EarlierJob>),
    Show(EarlierJob, Box<Timeline>),
    Overlay(Box<Timeline>),
    Written(PathBuf),
}

/// The measurements that the monitor panel shows.
pub(in crate::app) struct Measurements {
    monitor: Monitor,
    /// The sample rate chosen by the user.
    rate: SampleRate,
    data_dir: PathBuf,
    live: MonitorSnapshot,
    earlier: Vec<EarlierJob>,
    shown: Option<(EarlierJob, MonitorSnapshot)>,
    overlay: Option<Timeline>,
    /// Number of ended jobs of this session; a change means that there is a new record.
    num_ended: usize,
    files: TaskThread<Result<Answer>>,
}

impl Measurements {
    /// Shows the measurements of `monitor` and the records in the data folder; `waker` is called after each file.
    pub(in crate::app) fn start(data_dir: PathBuf, monitor: Monitor, waker: Waker) -> Result<Self> {
        let files = TaskThread::start("measurements", waker)?;
        let measurements = Self {
            live: monitor.snapshot(),
            rate: monitor.rate(),
            monitor,
            data_dir,
            earlier: Vec::new(),
            shown: None,
            overlay: None,
            num_ended: 0,
            files,
        };
        measurements.list();
        Ok(measurements)
    }

    /// Receives new measurements and answers; returns messages about written files, and errors.
    pub(in crate::app) fn update(&mut self) -> Vec<Result<String>> {
        self.live = self.monitor.snapshot();
        let num_ended = self.live.jobs.iter().filter(|job| job.ended.is_some()).count();
        if num_ended != self.num_ended {
            self.num_ended = num_ended;
            self.list();
        }
        let mut said = Vec::new();
        while let Some(answer) = self.files.poll() {
            match answer.flatten() {
                Ok(Answer::Earlier(earlier)) => self.earlier = earlier,
                Ok(Answer::Show(job, timeline)) => self.shown = Some((job, (&*timeline).into())),
                Ok(Answer::Overlay(timeline)) => self.overlay = Some(*timeline),
                Ok(Answer::Written(path)) => said.push(Ok(format!("Written: {}", path.display()))),
                Err(error) => said.push(Err(error)),
            }
        }
        said
    }

    /// Samples at the chosen rate while the monitor is visible, else once per second.
    pub(in crate::app) fn set_visible(&self, visible: bool) {
        self.monitor.set_rate(if visible { self.rate } else { SampleRate::SLOWEST });
    }

    /// The data that the monitor panel draws.
    pub(in crate::app) fn view(&self) -> MonitorView<'_> {
        MonitorView {
            snapshot: self.shown.as_ref().map_or(&self.live, |(_, snapshot)| snapshot),
            shown: self.shown.as_ref().map(|(job, _)| job),
            overlay: self.overlay.as_ref(),
            earlier: &self.earlier,
            rate: self.rate,
        }
    }

    /// Carries out an action of the user; returns the fix that the window has to apply to the draft, if any.
    pub(in crate::app) fn apply(&mut self, action: MonitorAction) -> Result<Option<Fix>> {
        match action {
            MonitorAction::SetRate(rate) => {
                self.rate = rate;
                self.monitor.set_rate(rate);
            }
            MonitorAction::Show(None) => self.shown = None,
            MonitorAction::Overlay(None) => self.overlay = None,
            MonitorAction::Show(Some(uid)) => {
                let job = self.earlier.iter().find(|job| job.uid == uid).cloned();
                if let Some(job) = job {
                    self.load(uid, move |timeline| Answer::Show(job, timeline))?;
                }
            }
            MonitorAction::Overlay(Some(uid)) => self.load(uid, Answer::Overlay)?,
            MonitorAction::Export(format, range) => self.write(format, range)?,
            MonitorAction::Apply(fix) => return Ok(Some(fix)),
        }
        Ok(None)
    }

    fn list(&self) {
        let store = PerformanceStore::new(&self.data_dir);
        let list = move || {
            let name = |timeline: &Timeline| format!("job {}, {}", timeline.track.job, timeline.started);
            let job = |uid: String| {
                let timeline = store.load(&uid).ok().flatten()?;
                Some(EarlierJob { name: name(&timeline), uid })
            };
            let recorded = store.list().into_iter().take(OFFERED);
            Ok(Answer::Earlier(recorded.filter_map(|recorded| job(recorded.uid)).collect()))
        };
        if !self.files.submit(list) {
            tracing::debug!("The list of earlier jobs is read later");
        }
    }

    fn load(&self, uid: String, answer: impl FnOnce(Box<Timeline>) -> Answer + Send + 'static) -> Result<()> {
        let store = PerformanceStore::new(&self.data_dir);
        self.submit(move || {
            let timeline = store.load(&uid)?.ok_or_else(|| {
                Error::new(Kind::Io, "The measurements of this job were deleted")
                    .remedy("Choose a newer job: only the newest are kept")
            })?;
            Ok(answer(Box::new(timeline)))
        })
    }

    fn write(&self, format: ExportFormat, range: TimeRange) -> Result<()> {
        let snapshot = self.view().snapshot.clone();
        let folder = self.data_dir.join("outputs");
        self.submit(move || written(&folder, format, &export(&snapshot, format, range)).map(Answer::Written))
    }

    fn submit(&self, task: impl FnOnce() -> Result<Answer> + Send + 'static) -> Result<()> {
        if self.files.submit(task) {
            return Ok(());
        }
        Err(Error::new(Kind::Io, "Too many files are being read").remedy("Wait a moment"))
    }
}

/// Writes a file to the videos' folder under a free name, and returns its path.
fn written(folder: &Path, format: ExportFormat, text: &str) -> Result<PathBuf> {
    let extension = match format {
        ExportFormat::Csv => "csv",
        ExportFormat::Trace => "trace.json",
    };
    let stem = format!("performance-{}", Utc::now().0);
    let names = std::iter::once(stem.clone()).chain((2..).map(|number| format!("{stem}-{number}")));
    let mut paths = names.map(|name| folder.join(format!("{name}.{extension}")));
    let path = paths.find(|path| !path.exists()).unwrap_or_else(|| folder.join(extension));
    fs::create_dir_all(folder).and_then(|()| fs::write(&path, text)).map_err(|error| {
        Error::new(Kind::Io, format!("Cannot write {}", path.display()))
            .because(error)
            .remedy("Check that the data folder can be written to")
    })?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::core::Secs;
    use crate::monitor::{JobTrack, SampleRate};

    const PATIENCE: Duration = Duration::from_secs(20);

    fn wait(
        measurements: &mut Measurements,
        done: impl Fn(&Measurements, &[Result<String>]) -> bool,
    ) -> Vec<Result<String>> {
        let began = Instant::now();
        let mut said = Vec::new();
        while !done(measurements, &said) {
            assert!(began.elapsed() < PATIENCE, "{said:?}");
            said.extend(measurements.update());
            std::thread::park_timeout(Duration::from_millis(2));
        }
        said
    }

    #[test]
    fn earlier_jobs_are_shown_and_laid_over_and_files_are_written() {
        let dir = tempfile::tempdir().unwrap();
        let mut track = JobTrack::new("a", 41, Secs(0.0));
        track.end(Secs(9.0));
        let timeline = Timeline { track, ..Timeline::default() };
        PerformanceStore::new(dir.path()).add(timeline).unwrap();
        let monitor = Monitor::start(SampleRate::FASTEST).unwrap();
        let mut shown = Measurements::start(dir.path().into(), monitor, Arc::new(|| {})).unwrap();
        wait(&mut shown, |shown, _| !shown.earlier.is_empty() && !shown.live.samples.is_empty());
        assert!(shown.view().earlier[0].name.starts_with("job 41, "));
        for action in [MonitorAction::Show(Some("a".into())), MonitorAction::Overlay(Some("a".into()))] {
            assert_eq!(shown.apply(action).unwrap(), None);
        }
        wait(&mut shown, |shown, _| shown.view().shown.is_some() && shown.view().overlay.is_some());
        assert_eq!(shown.view().snapshot.jobs[0].job, 41);
        shown.apply(MonitorAction::Show(None)).unwrap();
        assert!(shown.view().shown.is_none());
        let range = TimeRange { from: Secs(0.0), to: Secs(9.0) };
        for format in [ExportFormat::Csv, ExportFormat::Csv, ExportFormat::Trace] {
            shown.apply(MonitorAction::Export(format, range)).unwrap();
        }
        let said = wait(&mut shown, |_, said| said.len() == 3);
        assert!(said.iter().all(Result::is_ok), "{said:?}");
        assert_eq!(fs::read_dir(dir.path().join("outputs")).unwrap().count(), 3, "none replaces another");
        shown.apply(MonitorAction::Overlay(Some("b".into()))).unwrap();
        assert!(wait(&mut shown, |_, said| !said.is_empty())[0].is_err(), "what is missing is said");
    }
}
