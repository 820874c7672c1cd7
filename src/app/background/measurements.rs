//! Measurements of the current session and of earlier jobs, with a thread that reads and writes their files.

use std::fs;
use std::path::{Path, PathBuf};

use super::task::TaskThread;
use crate::app::panels::monitor::{
    EarlierJob, ExportFormat, MonitorAction, MonitorView, PeakView, RowChoice,
};
use crate::core::{CancelToken, Error, Kind, Result, Secs, Utc, Waker, shortened};
use crate::library::{History, MachinePeak, PerformanceStore, Remedy};
use crate::monitor::{
    Alarm, DeviceInfo, JobTrack, Machine, Monitor, MonitorSnapshot, Price, SampleRate, StageRate, TimeRange,
    Timeline, alarms,
};
use crate::store::MonitorSettings;

/// Number of earlier jobs offered for comparison.
const OFFERED: usize = 30;
/// Characters of a prompt that name a job.
const PROMPT_CHARS: usize = 48;

/// Time between two looks for the record of the job that ended last, which is written after the job has ended.
const LOOK_AGAIN: Secs = Secs(1.0);
/// Number of these looks.
const LOOKS: u32 = 5;

/// An alarm that was over for this long is reported again.
const ALARM_PAUSE: Secs = Secs(60.0);

/// Something for the list of notifications.
#[derive(Clone, Debug)]
pub(in crate::app) enum Said {
    /// Something was done.
    Done(String),
    /// Something needs attention.
    Alarm(Error),
    /// Something could not be done.
    Failed(Error),
}

/// An answer of the thread.
enum Answer {
    Earlier(Vec<EarlierJob>),
    Show(EarlierJob, Box<Timeline>),
    Overlay(Box<Timeline>),
    Written(PathBuf),
    Peak(Option<MachinePeak>),
    Measured(MachinePeak),
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
    /// Looks that are left for its record, and when the last one was.
    looks: (u32, Secs),
    price: Option<Price>,
    rows: RowChoice,
    peak: Option<MachinePeak>,
    /// Whether the kept peak speed was asked for.
    is_peak_read: bool,
    is_measuring_peak: bool,
    /// Alarms that were reported, with the time at which they were last seen.
    raised: Vec<(Alarm, Secs)>,
    files: TaskThread<Result<Answer>>,
}

impl Measurements {
    /// Shows the measurements of `monitor` and the records in the data folder; `waker` is called after each file.
    pub(in crate::app) fn start(
        data_dir: PathBuf,
        monitor: Monitor,
        settings: &MonitorSettings,
        waker: Waker,
    ) -> Result<Self> {
        let files = TaskThread::start("measurements", waker)?;
        let measurements = Self {
            live: monitor.snapshot(),
            rate: SampleRate::new(settings.rate_hz),
            monitor,
            data_dir,
            earlier: Vec::new(),
            shown: None,
            overlay: None,
            num_ended: 0,
            looks: (0, Secs(0.0)),
            price: settings.price(),
            rows: RowChoice::default(),
            peak: None,
            is_peak_read: false,
            is_measuring_peak: false,
            raised: Vec::new(),
            files,
        };
        measurements.list();
        Ok(measurements)
    }

    /// Receives new measurements and answers; returns what the user should know.
    pub(in crate::app) fn update(&mut self) -> Vec<Said> {
        self.live = self.monitor.snapshot();
        let num_ended = self.live.jobs.iter().filter(|job| job.ended.is_some()).count();
        if num_ended != self.num_ended {
            self.num_ended = num_ended;
            self.looks = (LOOKS, self.live.now);
            self.list();
        }
        self.look_again();
        if !self.is_peak_read && !self.live.samples.is_empty() {
            self.is_peak_read = true;
            self.read_peak();
        }
        let mut said: Vec<_> = self.new_alarms().iter().map(alarm_message).collect();
        while let Some(answer) = self.files.poll() {
            match answer.flatten() {
                Ok(Answer::Earlier(earlier)) => self.earlier = earlier,
                Ok(Answer::Show(job, timeline)) => self.shown = Some((job, (&*timeline).into())),
                Ok(Answer::Overlay(timeline)) => self.overlay = Some(*timeline),
                Ok(Answer::Written(path)) => said.push(Said::Done(format!("Written: {}", path.display()))),
                Ok(Answer::Peak(peak)) => self.peak = peak,
                Ok(Answer::Measured(peak)) => {
                    self.is_measuring_peak = false;
                    said.push(Said::Done(format!(
                        "Peak speed of this machine: {}",
                        StageRate::text(peak.flops)
                    )));
                    self.peak = Some(peak);
                }
                Err(error) => {
                    self.is_measuring_peak = false;
                    said.push(Said::Failed(error));
                }
            }
        }
        said
    }

    /// Follows the settings of the price.
    pub(in crate::app) fn set_price(&mut self, settings: &MonitorSettings) {
        self.price = settings.price();
    }

    /// Alarms that were not reported yet.
    fn new_alarms(&mut self) -> Vec<Alarm> {
        let now = self.live.now;
        self.raised.retain(|(_, seen)| now.0 - seen.0 < ALARM_PAUSE.0);
        let mut new = Vec::new();
        for alarm in alarms(&self.live) {
            if let Some((_, seen)) = self.raised.iter_mut().find(|(raised, _)| raised.is_same_kind(&alarm)) {
                *seen = now;
            } else {
                self.raised.push((alarm.clone(), now));
                new.push(alarm);
            }
        }
        new
    }

    /// Samples at the chosen rate while the monitor is visible, else once per second.
    pub(in crate::app) fn set_visible(&self, visible: bool) {
        self.monitor.set_rate(if visible { self.rate } else { SampleRate::SLOWEST });
    }

    /// The data that the monitor panel draws.
    /// The GPUs of this machine.
    pub(in crate::app) fn devices(&self) -> &[DeviceInfo] {
        &self.live.machine.devices
    }

    pub(in crate::app) fn view(&self) -> MonitorView<'_> {
        MonitorView {
            snapshot: self.shown.as_ref().map_or(&self.live, |(_, snapshot)| snapshot),
            shown: self.shown.as_ref().map(|(job, _)| job),
            overlay: self.overlay.as_ref(),
            earlier: &self.earlier,
            rate: self.rate,
            peak: match &self.peak {
                _ if self.is_measuring_peak => PeakView::Measuring,
                Some(peak) => PeakView::Known(peak),
                None => PeakView::Unknown,
            },
            price: self.price.as_ref(),
            rows: self.rows,
        }
    }

    /// Shows these rows.
    pub(in crate::app) fn set_rows(&mut self, rows: RowChoice) {
        self.rows = rows;
    }

    /// Carries out an action of the user; returns the remedy that the window has to carry out, if any.
    pub(in crate::app) fn apply(&mut self, action: MonitorAction) -> Result<Option<Remedy>> {
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
            MonitorAction::Rows(rows) => self.rows = rows,
            MonitorAction::MeasurePeak => self.measure_peak()?,
            MonitorAction::Apply(remedy) => return Ok(Some(remedy)),
        }
        Ok(None)
    }

    /// Reads the list again while it lacks the job that ended last.
    fn look_again(&mut self) {
        let (left, last) = self.looks;
        if left == 0 || self.live.now.0 - last.0 < LOOK_AGAIN.0 {
            return;
        }
        let newest = self.live.jobs.iter().rev().find(|job| job.ended.is_some());
        let is_listed = |job: &JobTrack| self.earlier.iter().any(|earlier| earlier.uid == job.uid);
        if newest.is_none_or(is_listed) {
            self.looks.0 = 0;
            return;
        }
        self.looks = (left - 1, self.live.now);
        self.list();
    }

    fn list(&self) {
        let store = PerformanceStore::new(&self.data_dir);
        let data_dir = self.data_dir.clone();
        let list = move || {
            // without its history a job is still known by number and time
            let history = History::open_to_read(&data_dir).ok().map(|(history, _)| history);
            let prompt = |uid: &str| Some(history.as_ref()?.of_id(uid).ok()??.prompt);
            let job = |uid: String| {
                let timeline = store.load(&uid).ok().flatten()?;
                Some(EarlierJob { name: earlier_name(&timeline, prompt(&uid).as_deref()), uid })
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
        let (overlay, price, rows) = (self.overlay.clone(), self.price.clone(), self.rows);
        let folder = self.data_dir.join("outputs");
        self.submit(move || {
            let view = MonitorView {
                snapshot: &snapshot,
                shown: None,
                overlay: overlay.as_ref(),
                earlier: &[],
                rate: SampleRate::SLOWEST,
                peak: PeakView::Unknown,
                price: price.as_ref(),
                rows,
            };
            written(&folder, format, &view.export(format, range)?).map(Answer::Written)
        })
    }

    fn read_peak(&self) {
        let (data_dir, machine) = (self.data_dir.clone(), Machine::clone(&self.live.machine));
        if !self.files.submit(move || MachinePeak::load(&data_dir, &machine).map(Answer::Peak)) {
            tracing::debug!("The peak speed is not read");
        }
    }

    fn measure_peak(&mut self) -> Result<()> {
        let (data_dir, machine) = (self.data_dir.clone(), Machine::clone(&self.live.machine));
        self.submit(move || {
            let peak = MachinePeak::measure(&data_dir, &machine, &CancelToken::new())?;
            peak.save(&data_dir)?;
            Ok(Answer::Measured(peak))
        })?;
        self.is_measuring_peak = true;
        Ok(())
    }

    fn submit(&self, task: impl FnOnce() -> Result<Answer> + Send + 'static) -> Result<()> {
        if self.files.submit(task) {
            return Ok(());
        }
        Err(Error::new(Kind::Io, "Too many files are being read").remedy("Wait a moment"))
    }
}

/// For instance "job 41 · a red circle moves right · 2026-11-26 13:18".
fn earlier_name(timeline: &Timeline, prompt: Option<&str>) -> String {
    let words: Vec<_> = prompt.unwrap_or_default().split_whitespace().collect();
    let short = shortened(&words.join(" "), PROMPT_CHARS);
    let number = format!("job {}", timeline.track.job);
    let parts = [number, short, timeline.started.to_string()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

fn alarm_message(alarm: &Alarm) -> Said {
    Said::Alarm(Error::new(Kind::Device, alarm.message()).remedy(alarm.remedy()))
}

/// Writes a file to the videos' folder under a free name, and returns its path.
fn written(folder: &Path, format: ExportFormat, bytes: &[u8]) -> Result<PathBuf> {
    let extension = match format {
        ExportFormat::Csv => "csv",
        ExportFormat::Trace => "trace.json",
        ExportFormat::Png { .. } => "png",
    };
    let stem = format!("performance-{}", Utc::now().0);
    let names = std::iter::once(stem.clone()).chain((2..).map(|number| format!("{stem}-{number}")));
    let mut paths = names.map(|name| folder.join(format!("{name}.{extension}")));
    let path = paths.find(|path| !path.exists()).unwrap_or_else(|| folder.join(extension));
    fs::create_dir_all(folder).and_then(|()| fs::write(&path, bytes)).map_err(|error| {
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
    use crate::jobs::HistoryEntry;
    use crate::monitor::SampleRate;

    const PATIENCE: Duration = Duration::from_mins(2);

    fn wait(measurements: &mut Measurements, done: impl Fn(&Measurements, &[Said]) -> bool) -> Vec<Said> {
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
    fn a_job_whose_record_is_written_late_is_listed_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let monitor = Monitor::start(SampleRate::FASTEST).unwrap();
        let settings = MonitorSettings::default();
        let recorded = monitor.clone();
        let mut shown = Measurements::start(dir.path().into(), monitor, &settings, Arc::new(|| {})).unwrap();
        recorded.begin_job("late", 7);
        let timeline = recorded.end_job(7).unwrap();
        wait(&mut shown, |shown, _| shown.looks.0 == LOOKS - 1);
        PerformanceStore::new(dir.path()).add(timeline).unwrap();
        wait(&mut shown, |shown, _| shown.earlier.iter().any(|job| job.uid == "late"));
    }

    #[test]
    fn earlier_jobs_are_shown_and_laid_over_and_files_are_written() {
        let dir = tempfile::tempdir().unwrap();
        let mut track = JobTrack::new("a", 41, Secs(0.0));
        track.end(Secs(9.0));
        let timeline = Timeline { track, ..Timeline::default() };
        PerformanceStore::new(dir.path()).add(timeline).unwrap();
        let entry =
            HistoryEntry { id: "a".into(), prompt: "a red\ncircle".into(), ..HistoryEntry::default() };
        History::open(dir.path()).unwrap().0.record(&entry).unwrap();
        let monitor = Monitor::start(SampleRate::FASTEST).unwrap();
        let mut shown = {
            let settings = MonitorSettings { price_per_kwh: 0.3, ..MonitorSettings::default() };
            Measurements::start(dir.path().into(), monitor, &settings, Arc::new(|| {})).unwrap()
        };
        wait(&mut shown, |shown, _| !shown.earlier.is_empty() && !shown.live.samples.is_empty());
        assert!(shown.view().earlier[0].name.starts_with("job 41 · a red circle · "));
        for action in [MonitorAction::Show(Some("a".into())), MonitorAction::Overlay(Some("a".into()))] {
            assert_eq!(shown.apply(action).unwrap(), None);
        }
        wait(&mut shown, |shown, _| shown.view().shown.is_some() && shown.view().overlay.is_some());
        assert_eq!(shown.view().snapshot.jobs[0].job, 41);
        shown.apply(MonitorAction::Show(None)).unwrap();
        assert!(shown.view().shown.is_none());
        let range = TimeRange { from: Secs(0.0), to: Secs(9.0) };
        let image = ExportFormat::Png { is_dark: true };
        for format in [ExportFormat::Csv, ExportFormat::Csv, ExportFormat::Trace, image] {
            shown.apply(MonitorAction::Export(format, range)).unwrap();
        }
        let said = wait(&mut shown, |_, said| said.len() == 4);
        assert!(said.iter().all(|said| matches!(said, Said::Done(_))), "{said:?}");
        assert_eq!(fs::read_dir(dir.path().join("outputs")).unwrap().count(), 4, "none replaces another");
        shown.apply(MonitorAction::Overlay(Some("b".into()))).unwrap();
        let said = wait(&mut shown, |_, said| !said.is_empty());
        assert!(matches!(said[0], Said::Failed(_)), "what is missing is said");
    }
}
