//! What measuring costs: the processor time of the monitor thread, as a part of one core, at each rate.
//!
//!     cargo bench --bench sampler
//!
//! Linux only: the time comes from `/proc/self/task/*/schedstat`.

#![expect(clippy::expect_used, reason = "a bench that cannot go on should stop")]
#![expect(clippy::print_stdout, reason = "the figures are the result")]

use std::fs;
use std::time::{Duration, Instant};

use wandeck::monitor::{Monitor, SampleRate};

/// Time before the measurement, in which devices and counters are opened.
const START: Duration = Duration::from_secs(2);
/// Time of one measurement.
const MEASURED: Duration = Duration::from_secs(20);
/// The limit of the cost, percent of one core.
const LIMIT: f64 = 0.5;

fn main() {
    for rate in [SampleRate::SLOWEST, SampleRate::new(2), SampleRate::FASTEST] {
        let monitor = Monitor::start(rate).expect("the monitor starts");
        std::thread::park_timeout(START);
        let (began, before) = (Instant::now(), processor_time());
        std::thread::park_timeout(MEASURED);
        let spent = processor_time().zip(before).map(|(after, before)| after - before);
        let samples = monitor.snapshot().samples.len();
        match spent {
            Some(spent) => {
                let cost = 100.0 * spent as f64 / began.elapsed().as_nanos() as f64;
                let judgement = if cost < LIMIT { "within" } else { "OVER" };
                println!(
                    "{} Hz: {cost:.3} % of one core ({judgement} the limit of {LIMIT} %), {samples} samples",
                    rate.per_second()
                );
            }
            None => println!("{} Hz: this system reports no processor time of a thread", rate.per_second()),
        }
    }
}

/// Nanoseconds that the monitor thread was on a processor.
fn processor_time() -> Option<u64> {
    let threads = fs::read_dir("/proc/self/task").ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let is_monitor = |name: String| name.trim() == "monitor";
    let mut threads = threads.filter(|path| fs::read_to_string(path.join("comm")).is_ok_and(is_monitor));
    let text = fs::read_to_string(threads.next()?.join("schedstat")).ok()?;
    text.split_whitespace().next()?.parse().ok()
}
