//! The monitor thread, which samples the metrics, and its handle.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use nvml_wrapper::Nvml;

use super::host::HostReader;
use super::metric::{DeviceMetric, HostMetric, Metric};
use super::nvidia;
use super::sample::{DeviceInfo, Machine, Sample};
use super::sample_log::SampleLog;
use super::timeline::Timeline;
use super::track::JobTrack;
use crate::core::{Bytes, DeviceId, Error, Event, Kind, Provider, Result, Secs};

/// Number of recent jobs of this session whose stages are kept.
const MAX_JOBS: usize = 64;
/// Shortest time between two samples.
const SHORTEST: Duration = Duration::from_millis(100);

/// Samples per second, from 1 to 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SampleRate(u32);

impl SampleRate {
    /// One per second, the rate of a hidden monitor.
    pub const SLOWEST: Self = Self(1);
    /// Four per second.
    pub const FASTEST: Self = Self(4);

    /// `per_second` samples per second, limited to 1 to 4.
    pub fn new(per_second: u32) -> Self {
        Self(per_second.clamp(Self::SLOWEST.0, Self::FASTEST.0))
    }

    /// Samples per second.
    pub fn per_second(self) -> u32 {
        self.0
    }

    /// The time between two samples.
    pub fn period(self) -> Duration {
        Duration::from_secs(1) / self.0
    }
}

/// The measurements so far; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct MonitorSnapshot {
    /// The machine.
    pub machine: Arc<Machine>,
    /// Samples since the start, oldest first; the older ones are down-sampled.
    pub samples: Arc<[Arc<Sample>]>,
    /// Jobs of this session, oldest first; the last one may still run.
    pub jobs: Arc<Vec<JobTrack>>,
    /// Current time on the clock of the samples and jobs.
    pub now: Secs,
}

impl From<&Timeline> for MonitorSnapshot {
    fn from(timeline: &Timeline) -> Self {
        Self {
            machine: Arc::new(timeline.machine.clone()),
            samples: timeline.samples.iter().cloned().map(Arc::new).collect(),
            jobs: Arc::new(vec![timeline.track.clone()]),
            now: timeline.duration(),
        }
    }
}

/// Handle of the monitor thread; the thread ends when the last clone is dropped.
#[derive(Clone)]
pub struct Monitor(Arc<Owner>);

struct Owner {
    shared: Arc<Shared>,
    wake: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Reports the memory of the weights that are loaded on a device.
type WeightsSource = fn(&DeviceId) -> Bytes;

struct Shared {
    began: Instant,
    rate: AtomicU32,
    state: Mutex<MonitorSnapshot>,
    /// The job that is being recorded.
    recording: Mutex<Option<u64>>,
    weights: Mutex<Option<WeightsSource>>,
}

impl Shared {
    fn now(&self) -> Secs {
        Secs::from(self.began.elapsed())
    }

    fn state(&self) -> MutexGuard<'_, MonitorSnapshot> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Monitor {
    /// Starts the monitor thread.
    pub fn start(rate: SampleRate) -> Result<Self> {
        let shared = Arc::new(Shared {
            began: Instant::now(),
            rate: AtomicU32::new(rate.per_second()),
            state: Mutex::default(),
            recording: Mutex::default(),
            weights: Mutex::default(),
        });
        let (wake, woken) = bounded(1);
        let of_thread = Arc::clone(&shared);
        let thread = Builder::new()
            .name("monitor".to_owned())
            .spawn(move || work(&of_thread, &woken))
            .map_err(|error| {
                Error::new(Kind::Io, "Cannot start the monitor thread")
                    .because(error)
                    .remedy("Restart the program")
            })?;
        Ok(Self(Arc::new(Owner { shared, wake: Some(wake), thread: Some(thread) })))
    }

    /// Samples what `source` reports as weights of loaded sessions on each device from now on.
    pub fn measure_weights(&self, source: WeightsSource) {
        *self.0.shared.weights.lock().unwrap_or_else(PoisonError::into_inner) = Some(source);
    }

    /// Changes the sample rate.
    pub fn set_rate(&self, rate: SampleRate) {
        if self.0.shared.rate.swap(rate.per_second(), Ordering::Relaxed) != rate.per_second() {
            self.sample_now();
        }
    }

    /// Samples per second.
    pub fn rate(&self) -> SampleRate {
        SampleRate::new(self.0.shared.rate.load(Ordering::Relaxed))
    }

    /// The measurements so far.
    pub fn snapshot(&self) -> MonitorSnapshot {
        let snapshot = self.0.shared.state().clone();
        MonitorSnapshot { now: self.0.shared.now(), ..snapshot }
    }

    /// Starts recording the stages of a job.
    pub fn begin_job(&self, uid: &str, job: u64) {
        let now = self.0.shared.now();
        let mut state = self.0.shared.state();
        let jobs = Arc::make_mut(&mut state.jobs);
        if jobs.len() == MAX_JOBS {
            jobs.remove(0);
        }
        jobs.push(JobTrack::new(uid, job, now));
        drop(state);
        *self.recording() = Some(job);
        self.sample_now();
    }

    /// Records an event of job `job`; ignored unless that job is running.
    pub fn observe(&self, job: u64, event: &Event) {
        if matches!(event, Event::Preview { .. }) {
            return;
        }
        let now = self.0.shared.now();
        let mut state = self.0.shared.state();
        let runs = |track: &JobTrack| track.job == job && track.ended.is_none();
        if state.jobs.last().is_some_and(runs)
            && let Some(track) = Arc::make_mut(&mut state.jobs).last_mut()
        {
            track.observe(now, event);
        }
        drop(state);
        if matches!(event, Event::StageStarted { .. }) {
            self.sample_now();
        }
    }

    /// Stops recording job `job`, which ended or was paused, and returns its timeline. `None` if it was not being
    /// recorded.
    pub fn end_job(&self, job: u64) -> Option<Timeline> {
        // a resumed job may end before its recording starts
        self.recording().take_if(|recording| *recording == job)?;
        let now = self.0.shared.now();
        let mut state = self.0.shared.state();
        let track = Arc::make_mut(&mut state.jobs).last_mut().filter(|track| track.job == job)?;
        track.end(now);
        let job = track.clone();
        let snapshot = state.clone();
        drop(state);
        Some(Timeline::cut(&job, &snapshot.machine, &snapshot.samples))
    }

    fn recording(&self) -> MutexGuard<'_, Option<u64>> {
        self.0.shared.recording.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests a sample now, unless one is already requested.
    fn sample_now(&self) {
        if self.0.wake.as_ref().is_some_and(|wake| wake.try_send(()).is_err()) {
            tracing::trace!("a sample is already requested");
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("The monitor thread panicked");
        }
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").field("rate", &self.rate()).finish_non_exhaustive()
    }
}

/// The identity of a measured device for whoever computes on it.
fn device_id(info: &DeviceInfo) -> DeviceId {
    DeviceId { provider: Provider::Cuda, ordinal: 0, uuid: Some(info.uuid.clone()) }
}

/// Samples until the handle is dropped.
fn work(shared: &Shared, wake: &Receiver<()>) {
    let nvml = Nvml::init();
    let mut devices = nvml.as_ref().map(nvidia::devices).unwrap_or_default();
    let no_device = match &nvml {
        Err(error) => Some(nvidia::absent(error)),
        Ok(_) if devices.is_empty() => Some("The NVIDIA driver reports no device".to_owned()),
        Ok(_) => None,
    };
    let mut host = HostReader::new();
    let (cores, memory) = host.size();
    let infos = devices.iter().map(nvidia::DeviceReader::info).collect();
    let ids: Vec<_> = devices.iter().map(|device| device_id(&device.info())).collect();
    shared.state().machine = Arc::new(Machine { cores, memory, devices: infos, no_device });
    let mut log = SampleLog::default();
    loop {
        let began = Instant::now();
        let mut sample = host.read(Sample::new(shared.now()));
        for (index, device) in devices.iter_mut().enumerate() {
            device.read(index, &mut sample);
        }
        let weights = *shared.weights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(weights) = weights {
            sample.set(HostMetric::Weights.into(), Some(weights(&DeviceId::CPU).0 as f64));
            for (index, id) in ids.iter().enumerate() {
                sample.set(Metric::Device(index, DeviceMetric::Weights), Some(weights(id).0 as f64));
            }
        }
        log.push(sample);
        shared.state().samples = log.all();
        let period = SampleRate::new(shared.rate.load(Ordering::Relaxed)).period();
        match wake.recv_timeout(period.saturating_sub(began.elapsed())) {
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
            // CPU use must be measured over a minimum time
            Ok(()) => {
                let rest = SHORTEST.saturating_sub(began.elapsed());
                if !rest.is_zero() && wake.recv_timeout(rest) == Err(RecvTimeoutError::Disconnected) {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::core::Stage;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// Waits until `done` accepts the measurements.
    fn wait(monitor: &Monitor, done: impl Fn(&MonitorSnapshot) -> bool) -> MonitorSnapshot {
        let began = Instant::now();
        loop {
            let snapshot = monitor.snapshot();
            if done(&snapshot) {
                return snapshot;
            }
            assert!(began.elapsed() < PATIENCE, "{:?}", snapshot.samples.last());
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_busy_thread_is_measured() {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            Builder::new()
                .spawn_scoped(scope, || {
                    while !stop.load(Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                })
                .unwrap();
            let monitor = Monitor::start(SampleRate::FASTEST).unwrap();
            let snapshot = wait(&monitor, |snapshot| {
                let busy =
                    |sample: &Arc<Sample>| sample.host(HostMetric::ProcessCpu).is_some_and(|cpu| cpu > 1.0);
                snapshot.samples.iter().filter(|sample| busy(sample)).count() >= 3
            });
            stop.store(true, Ordering::Relaxed);
            let machine = &snapshot.machine;
            let last = snapshot.samples.last().unwrap();
            let host = |metric| last.host(metric).unwrap();
            assert!(host(HostMetric::Cpu) > 1.0 && host(HostMetric::Cpu) <= 100.0, "{last:?}");
            assert_eq!(last.cores().len(), machine.cores);
            assert!(host(HostMetric::ProcessMemory) > 1e6);
            assert!(host(HostMetric::UsedMemory) < machine.memory.0 as f64);
            for metric in [HostMetric::DiskRead, HostMetric::MajorFaults, HostMetric::SwapTraffic] {
                assert!(host(metric) >= 0.0, "{metric:?}");
            }
            assert!(machine.no_device.is_some() == machine.devices.is_empty());
        });
    }

    #[test]
    fn a_job_is_recorded_on_the_clock_of_the_samples() {
        let monitor = Monitor::start(SampleRate::FASTEST).unwrap();
        wait(&monitor, |snapshot| !snapshot.samples.is_empty());
        monitor.begin_job("a", 7);
        monitor.observe(7, &Event::StageStarted { stage: Stage::Text });
        let during = wait(&monitor, |snapshot| snapshot.samples.last().unwrap().at > snapshot.jobs[0].began);
        assert_eq!(during.jobs[0].stages[0].ended, None);
        monitor.observe(6, &Event::Cancelled);
        assert_eq!(monitor.snapshot().jobs[0].ended, None, "that was another job");
        monitor.observe(7, &Event::Cancelled);
        let timeline = monitor.end_job(7).unwrap();
        assert_eq!(
            (timeline.track.uid.as_str(), timeline.track.job, timeline.track.began),
            ("a", 7, Secs(0.0))
        );
        assert!(!timeline.samples.is_empty() && timeline.samples[0].at >= Secs(0.0));
        assert!(timeline.track.stages[0].ended.is_some());
        assert!(monitor.end_job(7).is_none(), "it was over already");
        monitor.observe(7, &Event::StageStarted { stage: Stage::Text });
        assert_eq!(monitor.snapshot().jobs[0].stages.len(), 1, "events of an ended job are ignored");
    }

    #[test]
    fn rates_stay_in_their_bounds() {
        assert_eq!((SampleRate::new(0), SampleRate::new(9)), (SampleRate::SLOWEST, SampleRate::FASTEST));
        assert_eq!(SampleRate::new(2).period(), Duration::from_millis(500));
    }
}
