//! Notifications: each is shown in the status bar for a few seconds and kept in a list.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::core::{Error, Utc};
use crate::jobs::JobId;
use crate::store::{LogLevel, record_log_line};

/// Maximum number of kept notifications.
const KEPT: usize = 500;
/// Maximum number of recent notifications.
const MOST_RECENT: usize = 3;
/// How long a notification is recent.
const SHOWN: Duration = Duration::from_secs(6);
/// How long a warning or an error is recent.
const ERROR_SHOWN: Duration = Duration::from_secs(12);

/// The severity of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::app) enum Tone {
    /// Information.
    Info,
    /// Success.
    Good,
    /// A deviation or something that needs attention.
    Warning,
    /// An error.
    Error,
}

/// A notification.
#[derive(Clone, Debug)]
pub(in crate::app) struct Notification {
    /// Unique id.
    pub(in crate::app) id: u64,
    /// When it was added.
    pub(in crate::app) at: Utc,
    /// Severity.
    pub(in crate::app) tone: Tone,
    /// What happened.
    pub(in crate::app) text: String,
    /// Why, if that is known.
    pub(in crate::app) why: Option<String>,
    /// What to do now, if anything.
    pub(in crate::app) remedy: Option<String>,
    /// The job it is about.
    pub(in crate::app) job: Option<JobId>,
    /// How often it was repeated in a row.
    pub(in crate::app) times: u32,
    began: Instant,
    is_recent: bool,
}

impl Notification {
    /// Message, cause and remedy in one line.
    pub(in crate::app) fn sentence(&self) -> String {
        let why = self.why.as_ref().map(|why| format!(": {}", why.trim_end_matches('.')));
        let remedy = self.remedy.as_ref().map(|remedy| format!(". {remedy}"));
        format!("{}{}{}", self.text, why.unwrap_or_default(), remedy.unwrap_or_default())
    }
}

/// The list of notifications, newest last.
#[derive(Default)]
pub(in crate::app) struct Notifications {
    list: VecDeque<Notification>,
    unread: usize,
    next: u64,
}

impl Notifications {
    /// Adds a notification.
    pub(in crate::app) fn add(&mut self, tone: Tone, text: impl Into<String>, job: Option<JobId>) {
        self.push(tone, text.into(), None, job);
    }

    /// Adds an error with its cause and remedy.
    pub(in crate::app) fn error(&mut self, error: &Error, job: Option<JobId>) {
        self.push(Tone::Error, error.message.clone(), Some(error), job);
    }

    /// Says what needs attention, why, and what now.
    pub(in crate::app) fn warning(&mut self, error: &Error, job: Option<JobId>) {
        self.push(Tone::Warning, error.message.clone(), Some(error), job);
    }

    fn push(&mut self, tone: Tone, text: String, error: Option<&Error>, job: Option<JobId>) {
        let now = Instant::now();
        self.unread += 1;
        if let Some(last) = self.list.back_mut()
            && (last.tone, &last.text, last.job) == (tone, &text, job)
        {
            (last.times, last.began, last.is_recent) = (last.times + 1, now, true);
            return;
        }
        if self.list.len() == KEPT {
            self.list.pop_front();
        }
        self.next += 1;
        let notification = Notification {
            id: self.next,
            at: Utc::now(),
            tone,
            text,
            why: error.and_then(std::error::Error::source).map(ToString::to_string),
            remedy: error.and_then(Error::remedy_text).map(str::to_owned),
            job,
            times: 1,
            began: now,
            is_recent: true,
        };
        let level = match tone {
            Tone::Info | Tone::Good => LogLevel::Info,
            Tone::Warning => LogLevel::Warning,
            Tone::Error => LogLevel::Error,
        };
        record_log_line(level, &notification.sentence(), job.map(|job| job.0));
        self.list.push_back(notification);
    }

    /// All notifications, oldest first.
    pub(in crate::app) fn list(&self) -> impl DoubleEndedIterator<Item = &Notification> {
        self.list.iter()
    }

    /// Number of notifications not seen in the list yet.
    pub(in crate::app) fn unread(&self) -> usize {
        self.unread
    }

    /// Marks all as seen.
    pub(in crate::app) fn mark_read(&mut self) {
        self.unread = 0;
    }

    /// Ends the time in which a notification is recent; it stays in the list.
    pub(in crate::app) fn dismiss(&mut self, id: u64) {
        if let Some(found) = self.list.iter_mut().find(|one| one.id == id) {
            found.is_recent = false;
        }
    }

    /// Removes all notifications.
    pub(in crate::app) fn clear(&mut self) {
        self.list.clear();
        self.unread = 0;
    }

    /// The recent notifications, newest first, and the time until the next one is no longer recent.
    pub(in crate::app) fn recent(&self, now: Instant) -> (Vec<&Notification>, Option<Duration>) {
        let left = |one: &Notification| {
            let shown = if one.tone >= Tone::Warning { ERROR_SHOWN } else { SHOWN };
            shown.checked_sub(now.saturating_duration_since(one.began)).filter(|left| !left.is_zero())
        };
        let shown: Vec<_> = self
            .list
            .iter()
            .rev()
            .filter(|one| one.is_recent && left(one).is_some())
            .take(MOST_RECENT)
            .collect();
        let next = shown.iter().filter_map(|one| left(one)).min();
        (shown, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Kind;

    #[test]
    fn recent_ones_go_and_the_list_stays() {
        let mut notifications = Notifications::default();
        let error = Error::new(Kind::Io, "No room").because(std::io::Error::other("disk full"));
        notifications.error(&error.remedy("Free some"), None);
        for _ in 0..3 {
            notifications.add(Tone::Good, "Done", Some(JobId(1)));
        }
        let now = Instant::now();
        let (recent, next) = notifications.recent(now);
        assert_eq!(recent.iter().map(|one| one.times).collect::<Vec<_>>(), [3, 1]);
        assert!(next.is_some());
        assert_eq!(notifications.recent(now + SHOWN).0.len(), 1, "what went wrong stays longer");
        assert!(notifications.recent(now + ERROR_SHOWN).0.is_empty());
        assert_eq!((notifications.list().count(), notifications.unread()), (2, 4));
        let first = notifications.list().next().unwrap();
        assert_eq!((first.why.as_deref(), first.remedy.as_deref()), (Some("disk full"), Some("Free some")));
        notifications.mark_read();
        assert_eq!(notifications.unread(), 0);
    }
}
