//! Measurements of the machine and of this process, and their evaluation.
//!
//! A thread samples processor, memory, disk and devices. The stages of jobs are recorded on the same clock. Pure
//! functions evaluate both. This module does not depend on the queue, the library or the window.

mod alarm;
mod align;
mod card;
mod cgroup;
mod csv;
mod disk;
mod document;
mod energy;
mod host;
mod memory;
mod metric;
mod nvidia;
mod procfs;
mod range;
mod rapl;
mod rate;
mod sample;
mod sample_log;
mod sampler;
mod slow;
mod steps;
mod threshold;
mod timeline;
mod trace;
mod track;

pub use alarm::{Alarm, alarms};
pub use align::{StageMap, stage_lengths};
pub use card::{CardHolder, CardMemory, card_holders, card_memory, free_card_memory, has_gpu};
pub use cgroup::memory_kills;
pub use csv::csv;
pub use disk::free_space;
pub use document::{MonitorDocument, SampleDocument};
pub use energy::{Energy, Price};
pub use memory::{free, peak_resident, reset_peak_resident, resident, total_memory};
pub use metric::{DeviceMetric, HostMetric, Metric, Unit};
pub use range::{MetricSummary, RangeTotals, TimeRange, in_range};
pub use rate::{StageRate, stage_rates};
pub use sample::{DeviceInfo, Machine, Sample, Throttle};
pub use sample_log::downsampled;
pub use sampler::{Monitor, MonitorSnapshot, SampleRate};
pub use slow::{SlowCause, Slowdown, slowdowns, why_slow};
pub use steps::{StepOutlier, StepStatistics};
pub use threshold::{Level, Thresholds};
pub use timeline::{MAX_SAMPLES, Timeline};
pub use trace::trace;
pub use track::{JobTrack, ProfileFile, StageSpan, StepSpan};
