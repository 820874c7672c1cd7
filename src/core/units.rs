//! Newtypes for quantities, so that a width cannot be used as a step count.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::error::{Error, Kind};

/// Seed of the starting noise. All 64 bits are stored; torch's generator uses the low 32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(pub u64);

impl Seed {
    /// A random 32-bit seed: short enough to type, and torch's generator uses no more.
    pub fn random() -> Self {
        Self(RandomState::new().hash_one(SystemTime::now()) & 0xffff_ffff)
    }
}

/// Denoising steps, at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepCount(pub u32);

/// Classifier-free guidance scale. At 1 there is no guidance, and a step costs half.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Guidance(pub f32);

impl Guidance {
    /// Whether the unconditional prediction is needed (diffusers: `guidance_scale > 1`).
    pub fn enabled(self) -> bool {
        self.0 > 1.0
    }
}

/// Flow shift `k` of the sigma schedule `s' = k s / (1 + (k - 1) s)` (scheduler key `flow_shift`).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FlowShift(pub f32);

/// Frames per second of the finished video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fps(pub u32);

/// Frames of video, at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FrameCount(pub u32);

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Resolution {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

impl Resolution {
    /// A size of `width` by `height` pixels.
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// Number of pixels.
    pub fn area(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl FromStr for Resolution {
    type Err = Error;

    /// Reads `WIDTHxHEIGHT`, for instance `832x480`; `*` and `×` are read as well.
    fn from_str(text: &str) -> Result<Self, Error> {
        let parse = || {
            let (width, height) = text.trim().split_once(['x', 'X', '*', '×'])?;
            Some(Self::new(width.trim().parse().ok()?, height.trim().parse().ok()?))
        };
        parse().ok_or_else(|| {
            Error::new(Kind::Input, format!("\"{text}\" is not a size"))
                .remedy("Write WIDTHxHEIGHT in pixels, for instance 832x480")
                .field("size")
        })
    }
}

/// A number of bytes, displayed in binary units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        let mut value = self.0 as f64 / 1024.0;
        let mut unit = 0;
        while value >= 1024.0 && unit + 1 < UNITS.len() {
            value /= 1024.0;
            unit += 1;
        }
        write!(f, "{value:.1} {}", UNITS[unit])
    }
}

const DAY: u64 = 24 * 3600;
/// Durations from this many seconds on are displayed in days.
const MANY_HOURS: u64 = 4 * DAY;

/// A duration in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secs(pub f64);

impl From<Duration> for Secs {
    fn from(duration: Duration) -> Self {
        Self(duration.as_secs_f64())
    }
}

impl fmt::Display for Secs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.0.max(0.0).round() as u64;
        match whole {
            // steps of a small model
            0 if self.0 >= 0.005 && self.0 < 0.095 => write!(f, "{:.2} s", self.0),
            0..10 => write!(f, "{:.1} s", self.0.max(0.0)),
            10..60 => write!(f, "{whole} s"),
            60..3600 => write!(f, "{} min {:02} s", whole / 60, whole % 60),
            3600..MANY_HOURS => write!(f, "{} h {:02} min", whole / 3600, whole / 60 % 60),
            _ => write!(f, "{} days", (whole + DAY / 2) / DAY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_sizes_are_parsed_and_others_rejected() {
        for right in ["832x480", "832X480", "832*480", "832×480", " 832 x 480 "] {
            assert_eq!(right.parse::<Resolution>().unwrap(), Resolution::new(832, 480), "{right}");
        }
        for wrong in ["832", "x", "832x", "axb", "-1x2", "832x480x3"] {
            assert_eq!(wrong.parse::<Resolution>().unwrap_err().kind, Kind::Input, "{wrong}");
        }
    }

    #[test]
    fn quantities_read_well() {
        assert_eq!(Bytes(1023).to_string(), "1023 B");
        assert_eq!(Bytes(3 << 29).to_string(), "1.5 GiB");
        assert_eq!(
            [0.004, 0.014, 0.2].map(|seconds| Secs(seconds).to_string()),
            ["0.0 s", "0.01 s", "0.2 s"]
        );
        assert_eq!(Secs(3.04).to_string(), "3.0 s");
        assert_eq!(Secs(75.0).to_string(), "1 min 15 s");
        assert_eq!(Secs(3700.0).to_string(), "1 h 01 min");
        assert_eq!(Secs(95.0 * 3600.0).to_string(), "95 h 00 min");
        assert_eq!(Secs(60_085_620.0).to_string(), "695 days");
    }
}
