//! How old the shown results may be.

use crate::core::Utc;

/// The oldest results that are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Age {
    /// Results of any age.
    #[default]
    Any,
    /// Of the last 24 hours.
    Day,
    /// Of the last 7 days.
    Week,
    /// Of the last 30 days.
    Month,
}

impl Age {
    /// Every choice, in the order of the list.
    pub(super) const ALL: [Self; 4] = [Self::Any, Self::Day, Self::Week, Self::Month];

    /// The label of the list.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Any => "Any date",
            Self::Day => "Last 24 hours",
            Self::Week => "Last 7 days",
            Self::Month => "Last 30 days",
        }
    }

    /// The time from which on results are shown.
    pub(super) fn since(self, now: Utc) -> Option<Utc> {
        let hours = match self {
            Self::Any => return None,
            Self::Day => 24.0,
            Self::Week => 7.0 * 24.0,
            Self::Month => 30.0 * 24.0,
        };
        Some(now.hours_before(hours))
    }
}
