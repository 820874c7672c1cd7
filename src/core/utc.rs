//! Points in time, for records. Durations are measured by a monotonic clock instead.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

const DAY: i64 = 24 * 60 * 60;

/// Whole seconds since 1970 began in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Utc(pub i64);

impl Utc {
    /// What the clock says.
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// So many hours before; never before the beginning of time.
    #[must_use]
    pub fn hours_before(self, hours: f64) -> Self {
        // a float that does not fit becomes the nearest integer, which is what is meant
        Self(self.0.saturating_sub((hours * 3600.0) as i64))
    }
}

impl From<SystemTime> for Utc {
    fn from(time: SystemTime) -> Self {
        Self(match time.duration_since(UNIX_EPOCH) {
            Ok(after) => after.as_secs() as i64,
            Err(before) => -(before.duration().as_secs() as i64),
        })
    }
}

impl Utc {
    /// The day alone, for instance `2026-11-21`.
    pub fn day(self) -> String {
        let (year, month, day) = date(self.0.div_euclid(DAY));
        format!("{year:04}-{month:02}-{day:02}")
    }
}

impl fmt::Display for Utc {
    /// For instance `2026-11-21 08:05`; the reader is told elsewhere that it is UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.rem_euclid(DAY);
        write!(f, "{} {:02}:{:02}", self.day(), seconds / 3600, seconds / 60 % 60)
    }
}

/// Year, month and day of a day since 1970, in the calendar of today, walked in its cycles of 400, 100, 4 and 1
/// years from the first of March of the year 0, so that the leap day is a year's last.
fn date(days_since_1970: i64) -> (i64, i64, i64) {
    const CYCLE_400: i64 = 146_097;
    const BEFORE_1970: i64 = 719_468;
    let days = days_since_1970.saturating_add(BEFORE_1970);
    let (era, in_era) = (days.div_euclid(CYCLE_400), days.rem_euclid(CYCLE_400));
    // the last day of a cycle of 4 or 400 years is one that the shorter cycle has no room for
    let centuries = (in_era / 36_524).min(3);
    let in_century = in_era - centuries * 36_524;
    let fours = in_century / 1_461;
    let in_four = in_century % 1_461;
    let years = (in_four / 365).min(3);
    let mut left = in_four - years * 365;
    let mut year = era * 400 + centuries * 100 + fours * 4 + years;
    const FROM_MARCH: [i64; 12] = [31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31, 29];
    let mut month = 3;
    for length in FROM_MARCH {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    if month > 12 {
        month -= 12;
        year += 1;
    }
    (year, month, left + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        // each as `date -u -d @SECONDS` has it
        for (seconds, text) in [
            (0, "1970-01-01 00:00"),
            (-1, "1969-12-31 23:59"),
            (951_782_400, "2000-02-29 00:00"),
            (951_868_800, "2000-03-01 00:00"),
            (978_220_800, "2000-12-31 00:00"),
            (1_709_164_800, "2024-02-29 00:00"),
            (1_763_640_300, "2025-11-20 12:05"),
            (4_107_542_399, "2100-02-28 23:59"),
            (4_107_542_400, "2100-03-01 00:00"),
            (13_574_563_200, "2400-02-29 00:00"),
        ] {
            assert_eq!(Utc(seconds).to_string(), text, "{seconds}");
        }
    }

    #[test]
    fn hours_go_back_and_stop_at_the_end() {
        assert_eq!(Utc(7200).hours_before(1.5), Utc(1800));
        assert_eq!(Utc(0).hours_before(f64::INFINITY), Utc(-i64::MAX));
        assert_eq!(Utc(5).hours_before(f64::NAN), Utc(5));
    }
}
