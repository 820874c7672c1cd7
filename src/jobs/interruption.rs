//! How often the program that ran a job died, and when such a job is set aside.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::core::{Error, Kind, Stage};

/// Deaths of a program by a failure of its own, at one place of a job, after which the job is set aside.
const MAX_CRASHES: u32 = 2;
/// Deaths for any reason, such as a power cut, at one place of a job, after which the job is set aside.
const MAX_DEATHS: u32 = 6;

/// The name of a stage in [`Death::place`].
pub(crate) fn stage_key(stage: Stage) -> String {
    serde_json::to_value(stage).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

/// What is known about the death of a program while it ran a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Death {
    /// The stage and the resume point at which it died, as a text to compare.
    pub place: String,
    /// Whether it ended itself, as after a failed allocation or an overflow of its stack.
    pub crashed: bool,
    /// Whether the system killed it for its memory.
    pub out_of_memory: bool,
}

/// The deaths in a row of the programs that ran a job, without progress in between.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Interruptions {
    /// Where the last program died.
    place: String,
    /// How many died there in a row.
    deaths: u32,
    /// How many of them ended themselves.
    crashes: u32,
    /// Whether the last one was killed for its memory.
    pub out_of_memory: bool,
}

impl Interruptions {
    /// Counts a death.
    #[must_use]
    pub fn after(&self, death: &Death) -> Self {
        let before = if self.place == death.place { self.clone() } else { Self::default() };
        Self {
            place: death.place.clone(),
            deaths: before.deaths + 1,
            // what is killed for its memory gets changes that need less, as long as there are some
            crashes: before.crashes + u32::from(death.crashed && !death.out_of_memory),
            out_of_memory: death.out_of_memory,
        }
    }

    /// Why the job is set aside, if it died too often.
    pub fn set_aside(&self) -> Option<Error> {
        let times = match self {
            Self { crashes: MAX_CRASHES.., .. } => self.crashes,
            Self { deaths: MAX_DEATHS.., .. } => self.deaths,
            _ => return None,
        };
        let error = Error::new(
            Kind::Bug,
            format!(
                "The program ended {times} times in a row at the same place of this job ({})",
                self.stage_name()
            ),
        );
        Some(error.remedy(
            "The job was set aside so that others can run. Check its image, clip and model, then retry it; \
             it resumes from its last step",
        ))
    }

    fn stage_name(&self) -> String {
        self.stage().map_or_else(|| "before its first stage".to_owned(), |stage| stage.to_string())
    }

    /// The stage in which the last program died, if it had begun one.
    pub(crate) fn stage(&self) -> Option<Stage> {
        let name = self.place.split('/').next().unwrap_or_default();
        serde_json::from_value(Value::from(name)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crash(place: &str) -> Death {
        Death { place: place.to_owned(), crashed: true, out_of_memory: false }
    }

    fn kill(place: &str, out_of_memory: bool) -> Death {
        Death { place: place.to_owned(), crashed: false, out_of_memory }
    }

    #[test]
    fn a_job_that_crashes_its_program_twice_is_set_aside_and_one_with_progress_is_not() {
        let once = Interruptions::default().after(&crash("decode/1"));
        assert!(once.set_aside().is_none());
        let words = once.after(&crash("decode/1")).set_aside().unwrap().to_string();
        assert!(words.contains("2 times") && words.contains(&Stage::Decode.to_string()), "{words}");
        assert!(once.after(&crash("decode/2")).set_aside().is_none());
    }

    #[test]
    fn kills_from_outside_are_tolerated_for_longer_and_memory_is_left_to_the_ladder() {
        let killed = |before: Interruptions, out_of_memory| before.after(&kill("text/", out_of_memory));
        let mut counted = Interruptions::default();
        for _ in 1..MAX_DEATHS {
            counted = killed(counted, false);
            assert!(counted.set_aside().is_none());
        }
        assert!(killed(counted, false).set_aside().is_some());
        assert!(killed(killed(Interruptions::default(), true), true).set_aside().is_none());
    }
}
