//! Limits of each mode that a person sets.

use serde::{Deserialize, Serialize};

use crate::core::{Error, Kind, Mode, Result};

/// Limits of the three modes. What is not set comes from the table of modes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModeSettings {
    /// Text to video.
    pub t2v: ModeLimits,
    /// Image to video.
    pub i2v: ModeLimits,
    /// Text and image to video.
    pub ti2v: ModeLimits,
}

/// Limits of one mode; they count for the official Wan models.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModeLimits {
    /// Fewest denoising steps; 1 to 1000. Distilled settings keep their own range.
    pub min_steps: Option<u32>,
    /// Most denoising steps; 1 to 1000.
    pub max_steps: Option<u32>,
    /// Denoising steps of a new form; 1 to 1000.
    pub default_steps: Option<u32>,
    /// Names of the sizes that are allowed, for instance 480p and 720p; empty for all.
    pub resolutions: Vec<String>,
    /// Largest strength of a LoRA that is advised; 0 to 4.
    pub max_strength: Option<f64>,
}

impl ModeSettings {
    /// The limits of `mode`.
    pub fn of(&self, mode: Mode) -> &ModeLimits {
        match mode {
            Mode::T2V => &self.t2v,
            Mode::I2V => &self.i2v,
            Mode::TI2V => &self.ti2v,
        }
    }

    /// Fails if the steps of a mode contradict each other.
    pub(super) fn check(&self) -> Result<()> {
        for (name, limits) in [("t2v", &self.t2v), ("i2v", &self.i2v), ("ti2v", &self.ti2v)] {
            let order = [limits.min_steps, limits.default_steps, limits.max_steps];
            if !order.iter().flatten().is_sorted() {
                return Err(Error::new(
                    Kind::Input,
                    format!("The steps of {name} contradict each other: min_steps <= default_steps <= max_steps must hold"),
                )
                .remedy(format!("Correct modes.{name}.min_steps, default_steps or max_steps")));
            }
        }
        Ok(())
    }
}
