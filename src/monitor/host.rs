//! Metrics of the machine and of this process.

use std::path::Path;
use std::time::Instant;

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System, get_current_pid};

use super::metric::HostMetric as M;
use super::procfs::Counters;
use super::rapl::Rapl;
use super::sample::Sample;
use crate::core::Bytes;

/// Where Linux lists the energy counters of the CPU packages.
const POWERCAP: &str = "/sys/class/powercap";

/// Reads metrics of the machine and of this process; rates are since the previous reading.
pub(super) struct HostReader {
    system: Option<(System, Pid)>,
    energy: Rapl,
    before: Option<(Instant, Totals)>,
}

/// Counters from which rates are computed.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    read: Option<f64>,
    written: Option<f64>,
    /// Joules of all CPU packages.
    energy: Option<f64>,
    counters: Counters,
}

impl HostReader {
    pub(super) fn new() -> Self {
        let system = System::new().and_then(|system| Ok((system, get_current_pid()?)));
        let system =
            system.inspect_err(|error| tracing::debug!("cannot read the system's counters: {error}")).ok();
        let mut reader = Self { system, energy: Rapl::open(Path::new(POWERCAP)), before: None };
        if let Some((system, _)) = &mut reader.system {
            system.refresh_memory();
            system.refresh_cpu_usage();
        }
        reader
    }

    /// Logical cores and memory of the machine.
    pub(super) fn size(&self) -> (usize, Bytes) {
        let size = |(system, _): &(System, Pid)| (system.cpus().len(), Bytes(system.total_memory()));
        self.system.as_ref().map(size).unwrap_or_default()
    }

    /// Adds the current metrics to `sample`.
    pub(super) fn read(&mut self, mut sample: Sample) -> Sample {
        let now = Instant::now();
        let mut totals =
            Totals { counters: Counters::read(), energy: self.energy.joules(), ..Totals::default() };
        if let Some((system, pid)) = &mut self.system {
            system.refresh_cpu_usage();
            system.refresh_memory();
            let kind =
                ProcessRefreshKind::nothing().with_cpu().with_memory().with_disk_usage().without_tasks();
            system.refresh_processes_specifics(ProcessesToUpdate::Some(&[*pid]), false, kind);
            let used = system.total_memory().saturating_sub(system.available_memory());
            sample = sample
                .with(M::UsedMemory, used as f64)
                .with(M::Swap, system.used_swap() as f64)
                .with_cores(system.cpus().iter().map(sysinfo::Cpu::usage).collect::<Vec<_>>());
            if self.before.is_some() {
                // the first value is the average since the machine was started
                sample = sample.with(M::Cpu, f64::from(system.global_cpu_usage()));
            }
            if let Some(process) = system.process(*pid) {
                let disk = process.disk_usage();
                totals.read = Some(disk.total_read_bytes as f64);
                totals.written = Some(disk.total_written_bytes as f64);
                sample = sample.with(M::ProcessMemory, process.memory() as f64);
                if self.before.is_some() {
                    let cores = system.cpus().len().max(1) as f64;
                    sample = sample.with(M::ProcessCpu, (f64::from(process.cpu_usage()) / cores).min(100.0));
                }
            }
        }
        if let Some((before, last)) = self.before.replace((now, totals)) {
            sample = with_rates(sample, &last, &totals, (now - before).as_secs_f64());
        }
        sample
    }
}

/// Adds the rates of counters over `seconds`.
fn with_rates(sample: Sample, last: &Totals, now: &Totals, seconds: f64) -> Sample {
    let rate = |last: Option<f64>, now: Option<f64>| {
        (seconds > 0.0).then_some(()).and(Some((now? - last?).max(0.0) / seconds))
    };
    let stalled = |index: usize| {
        let part = rate(last.counters.stalled[index], now.counters.stalled[index])?;
        Some((part * 100.0).min(100.0))
    };
    sample
        .with(M::DiskRead, rate(last.read, now.read))
        .with(M::DiskWrite, rate(last.written, now.written))
        .with(M::CpuPower, rate(last.energy, now.energy))
        .with(M::MajorFaults, rate(last.counters.major_faults, now.counters.major_faults))
        .with(M::SwapTraffic, rate(last.counters.swapped, now.counters.swapped))
        .with(M::CpuPressure, stalled(0))
        .with(M::MemoryPressure, stalled(1))
        .with(M::DiskPressure, stalled(2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Secs;

    #[test]
    fn counts_become_rates() {
        let counters = |faults, swapped| Counters {
            major_faults: Some(faults),
            swapped: Some(swapped),
            stalled: [None, Some(swapped), None],
        };
        let last = Totals {
            read: Some(100.0),
            energy: Some(5.0),
            counters: counters(1.0, 0.0),
            ..Totals::default()
        };
        let now = Totals {
            read: Some(300.0),
            written: Some(5.0),
            energy: Some(95.0),
            counters: counters(5.0, 1.0),
        };
        let sample = with_rates(Sample::new(Secs(0.0)), &last, &now, 2.0);
        assert_eq!(sample.host(M::DiskRead), Some(100.0));
        assert_eq!(sample.host(M::CpuPower), Some(45.0));
        assert_eq!((sample.host(M::DiskWrite), sample.host(M::CpuPressure)), (None, None));
        assert_eq!((sample.host(M::MajorFaults), sample.host(M::MemoryPressure)), (Some(2.0), Some(50.0)));
        let stopped = with_rates(Sample::new(Secs(0.0)), &last, &now, 0.0);
        assert_eq!(stopped.host(M::DiskRead), None, "no rate without time");
    }
}
