//! Energy of a time range in words, and what it costs.

use std::fmt;

use serde::Serialize;

/// Joules of one kilowatt-hour.
const KILOWATT_HOUR: f64 = 3.6e6;

/// Measured energy in joules; `None` for what has no counter that this user can read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Energy {
    /// All CPU packages.
    pub cpu: Option<f64>,
    /// All devices.
    pub devices: Option<f64>,
}

impl Energy {
    /// The sum of what was measured.
    pub fn joules(self) -> Option<f64> {
        [self.cpu, self.devices].into_iter().flatten().reduce(|a, b| a + b)
    }
}

impl fmt::Display for Energy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(joules) = self.joules() else { return f.write_str("energy not measured") };
        if joules < 1000.0 {
            write!(f, "{joules:.0} J")?;
        } else {
            write!(f, "{:.1} kJ", joules / 1e3)?;
        }
        write!(f, " ({:.2} Wh)", joules / 3600.0)?;
        match (self.cpu, self.devices) {
            (None, Some(_)) => f.write_str(", without the CPU"),
            (Some(_), None) => f.write_str(", CPU only"),
            _ => Ok(()),
        }
    }
}

/// What a kilowatt-hour costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Price {
    /// Amount for one kilowatt-hour.
    pub per_kwh: f64,
    /// The currency as it is written after an amount, for instance "EUR".
    pub currency: String,
}

impl Price {
    /// The amount for `energy`; `None` if it was not measured.
    pub fn amount(&self, energy: Energy) -> Option<f64> {
        Some(energy.joules()? / KILOWATT_HOUR * self.per_kwh)
    }

    /// The amount for `energy` in words, for instance "0.012 EUR".
    pub fn text(&self, energy: Energy) -> Option<String> {
        let amount = self.amount(energy)?;
        // a short clip costs a small part of a cent
        let digits = if amount >= 1.0 {
            2
        } else if amount >= 0.001 {
            3
        } else {
            6
        };
        Some(format!("{amount:.digits$} {}", self.currency))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn energy_is_said_with_what_it_includes() {
        let energy = |cpu, devices| Energy { cpu, devices }.to_string();
        assert_eq!(energy(None, None), "energy not measured");
        assert_eq!(energy(Some(180.0), None), "180 J (0.05 Wh), CPU only");
        assert_eq!(energy(None, Some(7200.0)), "7.2 kJ (2.00 Wh), without the CPU");
        assert_eq!(energy(Some(3600.0), Some(3600.0)), "7.2 kJ (2.00 Wh)");
    }

    #[test]
    fn a_price_makes_an_amount() {
        let price = Price { per_kwh: 0.30, currency: "EUR".to_owned() };
        let text = |joules| price.text(Energy { cpu: Some(joules), devices: None });
        assert_eq!(text(3.6e6 * 10.0).as_deref(), Some("3.00 EUR"));
        assert_eq!(text(3.6e5).as_deref(), Some("0.030 EUR"));
        assert_eq!(text(360.0).as_deref(), Some("0.000030 EUR"));
        assert_eq!(price.text(Energy::default()), None);
    }
}
