//! The fixed timesteps that a distilled model was trained on, used instead of the sampler's own.

use serde::{Deserialize, Serialize};

use super::counted::counted;
use super::error::{Error, Kind, Result};
use super::units::StepCount;

/// The timestep of pure noise (`num_train_timesteps`).
const MAX_TIMESTEP: f32 = 1000.0;

/// Descending timesteps from 1000 to 0, with the flow shift already applied and without the final 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepList(pub Vec<f32>);

impl StepList {
    /// Checks that the list descends strictly, stays in `(0, 1000]` and has `steps` entries.
    ///
    /// Fails with [`Kind::Input`] and the field `step_list` or `steps`.
    pub fn check(&self, steps: StepCount) -> Result<()> {
        let inside = self.0.iter().all(|&timestep| timestep > 0.0 && timestep <= MAX_TIMESTEP);
        if !inside || !self.0.is_sorted_by(|before, after| before > after) {
            return Err(Error::new(
                Kind::Input,
                format!("The timesteps {:?} do not descend from at most {MAX_TIMESTEP} to above 0", self.0),
            )
            .remedy("List the timesteps in descending order")
            .field("step_list"));
        }
        if self.0.len() != steps.0 as usize {
            return Err(Error::new(
                Kind::Input,
                format!(
                    "The step list has {}, but the job has {}",
                    counted(self.0.len() as u64, "timestep"),
                    counted(steps.0, "step")
                ),
            )
            .remedy(format!("Set {}, or remove the step list", counted(self.0.len() as u64, "step")))
            .field("steps"));
        }
        Ok(())
    }

    /// The sigma of each step, `timestep / 1000`.
    pub fn sigmas(&self) -> Vec<f64> {
        // parsed from decimal text, so that 833.33 stays 833.33 in f64
        let as_typed = |timestep: &f32| timestep.to_string().parse().unwrap_or_else(|_| f64::from(*timestep));
        self.0.iter().map(|timestep| as_typed(timestep) / f64::from(MAX_TIMESTEP)).collect()
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
