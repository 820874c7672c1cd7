//! Durations in few characters, for tables and captions.

use crate::core::Secs;

/// "0.6 s", "42 s", "3:41" or "2:03:41".
pub(in crate::app) fn short_time(Secs(seconds): Secs) -> String {
    let whole = seconds.round() as u64;
    match (seconds, whole) {
        (seconds, _) if seconds < 9.95 => format!("{seconds:.1} s"),
        (_, 0..60) => format!("{whole} s"),
        (_, 60..3600) => format!("{}:{:02}", whole / 60, whole % 60),
        _ => format!("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let times = [0.55, 42.4, 221.0, 7421.0].map(|seconds| short_time(Secs(seconds)));
        assert_eq!(times, ["0.6 s", "42 s", "3:41", "2:03:41"]);
    }
}
