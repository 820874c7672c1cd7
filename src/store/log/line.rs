//! One line of the log, and the last lines in memory.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::file::write_to_file;
use crate::core::Utc;

/// Lines that are kept in memory.
const KEPT: usize = 2000;

/// How important a line is, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What happens.
    Info,
    /// Something to know about.
    Warning,
    /// Something failed.
    Error,
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Its number; later lines have larger ones.
    pub number: u64,
    /// When it was written.
    pub at: Utc,
    /// How important it is.
    pub level: LogLevel,
    /// What it says, in one line.
    pub text: String,
    /// Number of the job that it is about.
    pub job: Option<u64>,
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.at, self.level)?;
        if let Some(job) = self.job {
            write!(f, " job {job}")?;
        }
        write!(f, ": {}", self.text)
    }
}

struct Lines {
    lines: VecDeque<LogLine>,
    next: u64,
}

static LINES: Mutex<Lines> = Mutex::new(Lines { lines: VecDeque::new(), next: 0 });

/// Adds a line to the log, in memory and, if there is one, in the file.
pub fn record_log_line(level: LogLevel, text: &str, job: Option<u64>) {
    let text =
        text.split(['\n', '\r']).filter(|part| !part.trim().is_empty()).collect::<Vec<_>>().join(" | ");
    let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    let line = LogLine { number: lines.next, at: Utc::now(), level, text, job };
    lines.next += 1;
    write_to_file(&line);
    if lines.lines.len() == KEPT {
        lines.lines.pop_front();
    }
    lines.lines.push_back(line);
}

/// The lines in memory from the one with this number on, oldest first.
pub fn log_lines_after(number: u64) -> Vec<LogLine> {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    lines.lines.iter().filter(|line| line.number >= number).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kept_in_order_and_in_one_line_each() {
        let before = log_lines_after(0).last().map_or(0, |line| line.number + 1);
        record_log_line(LogLevel::Error, "it failed\n\nat this line", Some(7));
        let line = log_lines_after(before).into_iter().find(|line| line.job == Some(7)).unwrap();
        assert_eq!(line.text, "it failed | at this line");
        assert!(line.to_string().ends_with(" error job 7: it failed | at this line"), "{line}");
        assert!(log_lines_after(line.number + 1).iter().all(|other| other.number > line.number));
    }
}
