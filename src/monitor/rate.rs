//! Speed of the stages of a job, in multiplications and additions per second.

use serde::Serialize;

use super::track::JobTrack;
use crate::core::{Secs, Stage};

/// How fast a stage computed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct StageRate {
    /// The stage.
    pub stage: Stage,
    /// Operations per second while its steps ran; loading is not counted.
    pub flops: f64,
    /// Duration of these steps.
    pub seconds: Secs,
}

impl StageRate {
    /// The speed in words, for instance "291 GFLOP/s".
    pub fn text(flops: f64) -> String {
        let (value, unit) = if flops >= 1e13 { (flops / 1e12, "TFLOP/s") } else { (flops / 1e9, "GFLOP/s") };
        if value >= 10.0 { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") }
    }
}

/// The speed of each stage whose work the preflight knows, in the order they ran.
pub fn stage_rates(job: &JobTrack) -> Vec<StageRate> {
    let rate = |forecast: &crate::core::StageForecast| {
        let work = forecast.operations?;
        let steps: Vec<_> = job.steps.iter().filter(|step| step.stage == forecast.stage).collect();
        let (done, seconds) = if let Some(last) = steps.last() {
            let seconds: f64 = steps.iter().map(|step| step.seconds.0).sum();
            (work * steps.len() as f64 / f64::from(last.of.max(1)), seconds)
        } else {
            let span = job.stages.iter().find(|span| span.stage == forecast.stage)?;
            (work, span.ended?.0 - span.began.0)
        };
        (done > 0.0 && seconds > 0.0).then(|| StageRate {
            stage: forecast.stage,
            flops: done / seconds,
            seconds: Secs(seconds),
        })
    };
    job.stage_forecasts.iter().filter_map(rate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Event, StageForecast};

    fn forecast(stage: Stage, operations: Option<f64>) -> StageForecast {
        StageForecast { stage, operations, seconds: None, seconds_range: None, memory: None }
    }

    #[test]
    fn only_finished_steps_count_as_work() {
        let mut job = JobTrack::new("a", 1, Secs(0.0));
        let stage = Stage::DenoiseHigh;
        job.stage_forecasts = vec![
            forecast(Stage::Text, None),
            forecast(stage, Some(4e12)),
            forecast(Stage::Decode, Some(1e12)),
        ];
        job.observe(Secs(0.0), &Event::StageStarted { stage });
        for step in 1..=2 {
            let at = Secs(10.0 * f64::from(step));
            job.observe(at, &Event::Step { stage, step, of: 4, seconds: Secs(5.0) });
        }
        job.observe(Secs(20.0), &Event::StageStarted { stage: Stage::Decode });
        let rates = stage_rates(&job);
        assert_eq!(rates, [StageRate { stage, flops: 2e11, seconds: Secs(10.0) }], "the decoder still runs");
        job.end(Secs(30.0));
        assert_eq!(stage_rates(&job)[1].flops, 1e11);
    }

    #[test]
    fn speeds_have_readable_units() {
        assert_eq!(
            [2.5e9, 291e9, 2e12, 79e12].map(StageRate::text),
            ["2.5 GFLOP/s", "291 GFLOP/s", "2000 GFLOP/s", "79 TFLOP/s"]
        );
    }
}
