//! The error of converted values.

/// Errors are rounded to 12 decimals, which JSON reproduces exactly: a resumed conversion must write the same report as
/// an uninterrupted one.
const ROUNDING: f64 = 1e12;

/// Relative L2 error of converted values: the norm of the differences divided by the norm of the exact values.
#[derive(Default)]
pub(super) struct RelativeError {
    error: f64,
    size: f64,
}

impl RelativeError {
    /// Adds one value and its converted value.
    pub(super) fn add(&mut self, exact: f32, rounded: f32) {
        self.error += f64::from(exact - rounded).powi(2);
        self.size += f64::from(exact).powi(2);
    }

    /// The error so far; 0 if all values are zero.
    pub(super) fn l2(&self) -> f64 {
        let exact = if self.size > 0.0 { (self.error / self.size).sqrt() } else { 0.0 };
        (exact * ROUNDING).round() / ROUNDING
    }
}
