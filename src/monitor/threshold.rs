//! Thresholds of resource use: optimal, acceptable and maximum.

/// Level of a resource's use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Up to the optimal value.
    Optimal,
    /// Up to the acceptable value.
    Acceptable,
    /// Up to the maximum.
    High,
    /// Above the maximum.
    Over,
}

/// Thresholds of a resource's use, percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Upper limit of [`Level::Optimal`].
    pub optimal: f64,
    /// Upper limit of [`Level::Acceptable`].
    pub acceptable: f64,
    /// Upper limit of [`Level::High`].
    pub maximum: f64,
}

impl Thresholds {
    /// Thresholds of the CPU.
    pub const CPU: Self = Self { optimal: 70.0, acceptable: 85.0, maximum: 95.0 };
    /// Thresholds of the machine's memory.
    pub const MEMORY: Self = Self { optimal: 60.0, acceptable: 75.0, maximum: 90.0 };
    /// Thresholds of a device's memory.
    pub const DEVICE_MEMORY: Self = Self { optimal: 70.0, acceptable: 85.0, maximum: 95.0 };

    /// The level of `percent`.
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
    fn a_threshold_belongs_to_the_lower_level() {
        let level = |percent| Thresholds::MEMORY.level(percent);
        assert_eq!(
            [60.0, 60.1, 75.1, 90.0, 90.1].map(level),
            [Level::Optimal, Level::Acceptable, Level::High, Level::High, Level::Over]
        );
    }
}
