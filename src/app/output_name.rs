//! Names of outputs, and seeds by chance.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::core::{Draft, Mode};

/// Characters of the prompt that go into a file's name.
const SLUG_CHARS: usize = 40;
const SECONDS_PER_DAY: u64 = 86_400;

/// `outputs/{date}_{mode}_{seed}_{slug}.mp4` in the data folder; the date is in UTC.
pub(super) fn output_path(data_dir: &Path, draft: &Draft, mode: Mode, now: SystemTime) -> PathBuf {
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (year, month, day) = date_from_days(seconds / SECONDS_PER_DAY);
    let words: String = draft
        .prompt
        .chars()
        .take(SLUG_CHARS)
        .map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { ' ' })
        .collect();
    let slug = words.split_whitespace().collect::<Vec<_>>().join("-");
    let name = format!("{year:04}-{month:02}-{day:02}_{mode}_{}_{slug}.mp4", draft.seed);
    data_dir.join("outputs").join(name)
}

/// Year, month and day of the Gregorian calendar, from days since 1970-01-01.
fn date_from_days(days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut left) = (1970, days);
    loop {
        let length = if leap(year) { 366 } else { 365 };
        if left < length {
            break;
        }
        left -= length;
        year += 1;
    }
    let february = if leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        for (days, date) in [
            (0, (1970, 1, 1)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (19_782, (2024, 2, 29)),
            (19_783, (2024, 3, 1)),
            (20_818, (2026, 12, 31)),
            (47_541, (2100, 3, 1)),
        ] {
            assert_eq!(date_from_days(days), date, "{days}");
        }
    }
}
