//! Counters of Linux from `/proc`: page faults, swap traffic and pressure.

/// Counters since the start of the process or the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Counters {
    /// Page faults of this process that read from a disk.
    pub(super) major_faults: Option<f64>,
    /// Bytes swapped in and out by the machine.
    pub(super) swapped: Option<f64>,
    /// Seconds in which some task waited for a core, for memory and for a disk.
    pub(super) stalled: [Option<f64>; 3],
}

impl Counters {
    /// The current counters; all `None` on systems other than Linux.
    #[cfg(target_os = "linux")]
    pub(super) fn read() -> Self {
        use std::fs::read_to_string;
        let text = |path: &str| read_to_string(path).ok();
        let page = rustix::param::page_size() as f64;
        let pressure = |of: &str| stalled(&text(&format!("/proc/pressure/{of}"))?);
        Self {
            major_faults: text("/proc/self/stat").and_then(|text| major_faults(&text)),
            swapped: text("/proc/vmstat").and_then(|text| swapped_pages(&text)).map(|pages| pages * page),
            stalled: ["cpu", "memory", "io"].map(pressure),
        }
    }

    /// All `None`, because this system has no such counters.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn read() -> Self {
        Self::default()
    }
}

/// Field 12 of `/proc/self/stat`; the process name in parentheses may contain any character.
#[cfg(any(target_os = "linux", test))]
fn major_faults(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(9)?.parse().ok()
}

/// Pages swapped in and out.
#[cfg(any(target_os = "linux", test))]
fn swapped_pages(vmstat: &str) -> Option<f64> {
    let count =
        |name: &str| vmstat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
    Some(count("pswpin ")? + count("pswpout ")?)
}

/// Seconds of the line `some` of a file in `/proc/pressure`, which counts microseconds.
#[cfg(any(target_os = "linux", test))]
fn stalled(pressure: &str) -> Option<f64> {
    let line = pressure.lines().find(|line| line.starts_with("some "))?;
    let total: f64 = line.rsplit_once("total=")?.1.trim().parse().ok()?;
    Some(total / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found() {
        let stat = "42 (a) b (c)) S 1 42 42 0 -1 4194304 1234 0 77 0 5 6 0 0 20 0 9 0 100 1 1";
        assert_eq!(major_faults(stat), Some(77.0));
        assert_eq!(swapped_pages("pgpgin 1\npswpin 3\npswpout 4\n"), Some(7.0));
        let pressure = "some avg10=0.00 avg60=0.00 avg300=0.00 total=2500000\nfull avg10=0.00 total=7\n";
        assert_eq!(stalled(pressure), Some(2.5));
        assert_eq!(
            (major_faults(""), swapped_pages("pswpin 3"), stalled("full total=7")),
            (None, None, None)
        );
    }
}
