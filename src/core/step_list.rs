//! The timesteps that a distilled model was trained on, in place of a sampler's own grid.

use serde::{Deserialize, Serialize};

use super::error::{Error, Kind, Result};
use super::units::StepCount;

/// Timesteps lie between no noise and this, pure noise.
const MOST: f32 = 1000.0;

/// Falling timesteps, shifted already and without the final 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepList(pub Vec<f32>);

impl StepList {
    /// Refuses a list that does not fall from at most 1000 to above 0 in `steps` steps.
    pub fn check(&self, steps: StepCount) -> Result<()> {
        let inside = self.0.iter().all(|&timestep| timestep > 0.0 && timestep <= MOST);
        if !inside || !self.0.is_sorted_by(|before, after| before > after) {
            return Err(Error::new(
                Kind::Input,
                format!("The step list {:?} does not fall from at most {MOST} to above 0", self.0),
            )
            .remedy("Write the timesteps one after the other, the largest first")
            .field("step_list"));
        }
        if self.0.len() != steps.0 as usize {
            return Err(Error::new(
                Kind::Input,
                format!("The step list has {} steps, and {} are asked for", self.0.len(), steps.0),
            )
            .remedy(format!("Ask for {} steps, or leave out the list", self.0.len()))
            .field("steps"));
        }
        Ok(())
    }

    /// Noise levels of the steps.
    pub fn sigmas(&self) -> Vec<f64> {
        // by way of text, so that 937.5 and 833.33 are what was written
        let as_typed = |timestep: &f32| timestep.to_string().parse().unwrap_or_else(|_| f64::from(*timestep));
        self.0.iter().map(|timestep| as_typed(timestep) / f64::from(MOST)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_falling_lists_of_the_right_length_pass() {
        let list = StepList(vec![1000.0, 937.5, 833.33, 625.0]);
        assert!(list.check(StepCount(4)).is_ok());
        assert_eq!(list.sigmas(), [1.0, 0.9375, 0.83333, 0.625]);
        assert_eq!(list.check(StepCount(8)).unwrap_err().field_name(), Some("steps"));
        for bad in [vec![1001.0], vec![500.0, 600.0], vec![500.0, 500.0], vec![0.0], vec![f32::NAN]] {
            let steps = StepCount(bad.len() as u32);
            assert_eq!(StepList(bad).check(steps).unwrap_err().field_name(), Some("step_list"));
        }
    }
}
