//! Two jobs on one time axis, aligned by their stages.

use super::track::{JobTrack, StageSpan};
use crate::core::Secs;

/// Maps times of one job to times of another: each stage is stretched to the length of the same stage in the other
/// job. Outside the common stages, time runs at the same speed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StageMap {
    /// Pairs of corresponding times, strictly increasing in the first.
    anchors: Vec<(f64, f64)>,
}

impl StageMap {
    /// Maps times of `from` to times of `to`.
    pub fn between(from: &JobTrack, to: &JobTrack) -> Self {
        let mut anchors = vec![(from.began.0, to.began.0)];
        let mut rest = to.stages.as_slice();
        for span in &from.stages {
            let Some(index) = rest.iter().position(|other| other.stage == span.stage) else { continue };
            let Some(other) = rest.get(index) else { continue };
            anchors.push((span.began.0, other.began.0));
            if let (Some(ended), Some(other_ended)) = (span.ended, other.ended) {
                anchors.push((ended.0, other_ended.0));
            }
            rest = rest.get(index + 1..).unwrap_or_default();
        }
        // a stage of length zero gives two anchors with the same first time
        anchors.dedup_by(|later, earlier| later.0 <= earlier.0);
        Self { anchors }
    }

    /// The corresponding time of the other job.
    pub fn map(&self, at: Secs) -> Secs {
        interpolated(&self.anchors, at)
    }

    /// The time that [`Self::map`] maps to `at`.
    pub fn inverse(&self, at: Secs) -> Secs {
        let anchors: Vec<_> = self.anchors.iter().map(|&(from, to)| (to, from)).collect();
        interpolated(&anchors, at)
    }
}

fn interpolated(anchors: &[(f64, f64)], at: Secs) -> Secs {
    let after = anchors.partition_point(|&(from, _)| from <= at.0);
    let before = after.checked_sub(1).and_then(|index| anchors.get(index));
    match (before, anchors.get(after)) {
        (Some(&(from, to)), Some(&(next_from, next_to))) => {
            Secs(to + (at.0 - from) / (next_from - from) * (next_to - to))
        }
        (Some(&(from, to)), None) | (None, Some(&(from, to))) => Secs(to + at.0 - from),
        (None, None) => at,
    }
}

/// Durations of each common stage in both jobs, in the order of the first job.
pub fn stage_lengths(job: &JobTrack, earlier: &JobTrack) -> Vec<(crate::core::Stage, Secs, Secs)> {
    let length = |span: &StageSpan| Some(Secs(span.ended?.0 - span.began.0));
    let pair = |span: &StageSpan| {
        let other = earlier.stages.iter().find(|other| other.stage == span.stage)?;
        Some((span.stage, length(span)?, length(other)?))
    };
    job.stages.iter().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Stage;

    fn track(began: f64, stages: &[(Stage, f64, Option<f64>)]) -> JobTrack {
        let span = |&(stage, began, ended): &(Stage, f64, Option<f64>)| StageSpan {
            stage,
            began: Secs(began),
            ended: ended.map(Secs),
        };
        JobTrack { stages: stages.iter().map(span).collect(), ..JobTrack::new("a", 1, Secs(began)) }
    }

    #[test]
    fn a_stage_is_stretched_to_the_same_stage() {
        let earlier = track(
            0.0,
            &[
                (Stage::Text, 1.0, Some(3.0)),
                (Stage::Image, 3.0, Some(4.0)),
                (Stage::DenoiseHigh, 4.0, Some(8.0)),
                (Stage::Decode, 8.0, Some(9.0)),
            ],
        );
        let current = track(
            100.0,
            &[
                (Stage::Text, 101.0, Some(102.0)),
                (Stage::DenoiseHigh, 102.0, Some(122.0)),
                (Stage::Decode, 122.0, None),
            ],
        );
        let map = StageMap::between(&earlier, &current);
        let mapped = [0.0, 1.0, 2.0, 3.0, 6.0, 8.0, 8.5, 20.0].map(|at| map.map(Secs(at)).0);
        assert_eq!(mapped, [100.0, 101.0, 101.5, 102.0, 112.0, 122.0, 122.5, 134.0]);
        assert_eq!(map.map(Secs(-1.0)), Secs(99.0));
        assert_eq!([101.5, 112.0, 134.0].map(|at| map.inverse(Secs(at)).0), [2.0, 6.0, 20.0]);
        let lengths = stage_lengths(&current, &earlier);
        assert_eq!(
            lengths,
            [(Stage::Text, Secs(1.0), Secs(2.0)), (Stage::DenoiseHigh, Secs(20.0), Secs(4.0))]
        );
    }

    #[test]
    fn stages_of_length_zero_are_mapped() {
        let flat = track(0.0, &[(Stage::Text, 0.0, Some(0.0)), (Stage::Decode, 0.0, Some(2.0))]);
        let map = StageMap::between(&flat, &flat);
        assert!([-1.0, 0.0, 1.0, 2.0, 5.0].iter().all(|&at| map.map(Secs(at)) == Secs(at)));
    }
}
