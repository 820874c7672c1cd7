//! Points in time for records. Durations are measured with a monotonic clock instead.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

const DAY: i64 = 24 * 60 * 60;

/// Unix time in whole seconds, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Utc(pub i64);

impl Utc {
    /// The current time.
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// The time `hours` earlier, saturating at the range of `i64`.
    #[must_use]
    pub fn hours_before(self, hours: f64) -> Self {
        // a float out of range saturates in the cast
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
    /// Date and time of the system's time zone, for a person: `2026-11-21 09:05`. UTC if the zone is unknown.
    pub fn local(self) -> String {
        match jiff::Timestamp::from_second(self.0) {
            Ok(time) => {
                time.to_zoned_datetime(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
            }
            Err(_) => self.to_string(),
        }
    }

    /// The date alone, for instance `2026-11-21`.
    pub fn day(self) -> String {
        let (year, month, day) = date(self.0.div_euclid(DAY));
        format!("{year:04}-{month:02}-{day:02}")
    }
}

impl fmt::Display for Utc {
    /// Date and time in UTC without the zone, for instance `2026-11-21 08:05`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.rem_euclid(DAY);
        write!(f, "{} {:02}:{:02}", self.day(), seconds / 3600, seconds / 60 % 60)
    }
}

/// Year, month and day of the Gregorian calendar for a day number since 1970-01-01.
///
/// Counts from 1 March of the year 0 in cycles of 400, 100, 4 and 1 years, so that the leap day is a year's last day.
fn date(days_since_1970: i64) -> (i64, i64, i64) {
    const CYCLE_400: i64 = 146_097;
    const BEFORE_1970: i64 = 719_468;
    let days = days_since_1970.saturating_add(BEFORE_1970);
    let (era, in_era) = (days.div_euclid(CYCLE_400), days.rem_euclid(CYCLE_400));
    // the last day of a cycle of 4 or 400 years would fall into a fifth shorter cycle
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
    fn dates_agree_with_the_calendar() {
        // expected values from `date -u -d @SECONDS`
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
    fn hours_before_saturates() {
        assert_eq!(Utc(7200).hours_before(1.5), Utc(1800));
        assert_eq!(Utc(0).hours_before(f64::INFINITY), Utc(-i64::MAX));
        assert_eq!(Utc(5).hours_before(f64::NAN), Utc(5));
    }
}
