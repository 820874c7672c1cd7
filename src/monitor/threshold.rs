//! How much of something is good, acceptable and the most that should be used.

/// Where a use stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Up to the optimal value.
    Optimal,
    /// Up to the acceptable value.
    Acceptable,
    /// Up to the maximum.
    High,
    /// Over the maximum.
    Over,
}

/// Limits of a use, percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Up to here it is good.
    pub optimal: f64,
    /// Up to here it can be lived with.
    pub acceptable: f64,
    /// More than this should not be used.
    pub maximum: f64,
}

impl Thresholds {
    /// Of a processor.
    pub const CPU: Self = Self { optimal: 70.0, acceptable: 85.0, maximum: 95.0 };
    /// Of the machine's memory.
    pub const MEMORY: Self = Self { optimal: 60.0, acceptable: 75.0, maximum: 90.0 };
    /// Of a device's memory.
    pub const DEVICE_MEMORY: Self = Self { optimal: 70.0, acceptable: 85.0, maximum: 95.0 };

    /// Where `percent` stands.
    pub fn level(self, percent: f64) -> Level {
        if percent <= self.optimal {
            Level::Optimal
        } else if percent <= self.acceptable {
            Level::Acceptable
        } else if percent <= self.maximum {
            Level::High
        } else {
            Level::Over
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_belongs_to_the_better_side() {
        let level = |percent| Thresholds::MEMORY.level(percent);
        assert_eq!(
            [60.0, 60.1, 75.1, 90.0, 90.1].map(level),
            [Level::Optimal, Level::Acceptable, Level::High, Level::High, Level::Over]
        );
    }
}
