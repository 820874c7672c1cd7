//! Reduces measurements to plot points.

use crate::core::Secs;
use crate::monitor::{Metric, Sample};

/// Points of `metric`: the minimum and maximum of each of `columns`, so that no peak is lost. `scale` is applied to
/// the values, `time` to the times.
pub(super) fn points<S: AsRef<Sample>>(
    samples: &[S],
    metric: Metric,
    columns: usize,
    scale: f64,
    time: &dyn Fn(Secs) -> f64,
) -> Vec<[f64; 2]> {
    let values: Vec<[f64; 2]> = samples
        .iter()
        .map(AsRef::as_ref)
        .filter_map(|sample| Some([time(sample.at), sample.get(metric)? * scale]))
        .collect();
    decimated(&values, columns)
}

fn decimated(points: &[[f64; 2]], columns: usize) -> Vec<[f64; 2]> {
    let columns = columns.max(1);
    if points.len() <= 2 * columns {
        return points.to_vec();
    }
    let mut kept = Vec::with_capacity(2 * columns);
    for chunk in points.chunks(points.len().div_ceil(columns)) {
        let by_value = |a: &&[f64; 2], b: &&[f64; 2]| a[1].total_cmp(&b[1]);
        let (Some(&low), Some(&high)) = (chunk.iter().min_by(by_value), chunk.iter().max_by(by_value)) else {
            continue;
        };
        // in chronological order
        let (first, second) = if low[0] <= high[0] { (low, high) } else { (high, low) };
        kept.push(first);
        if first != second {
            kept.push(second);
        }
    }
    kept
}

/// The largest value of `points`, at least 0.
pub(super) fn highest(points: &[[f64; 2]]) -> f64 {
    points.iter().map(|point| point[1]).fold(0.0, f64::max)
}

/// The sample nearest to `at`.
pub(super) fn nearest<S: AsRef<Sample>>(samples: &[S], at: Secs) -> Option<&Sample> {
    let after = samples.partition_point(|sample| sample.as_ref().at < at);
    let around = [after.checked_sub(1), Some(after)].into_iter().flatten();
    around
        .filter_map(|index| samples.get(index))
        .map(AsRef::as_ref)
        .min_by(|a, b| (a.at.0 - at.0).abs().total_cmp(&(b.at.0 - at.0).abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::HostMetric;

    #[test]
    fn no_peak_is_lost_and_order_is_kept() {
        let samples: Vec<_> = (0..2400)
            .map(|at| {
                Sample::new(Secs(f64::from(at))).with(HostMetric::Cpu, if at == 1234 { 99.0 } else { 5.0 })
            })
            .collect();
        let points = points(&samples, HostMetric::Cpu.into(), 300, 2.0, &|at| at.0);
        assert!(points.len() <= 600, "{}", points.len());
        assert!(points.iter().any(|point| point[0] == 1234.0 && point[1] == 198.0), "scaled");
        assert!(points.windows(2).all(|pair| pair[0][0] < pair[1][0]));
    }

    #[test]
    fn the_nearest_sample_is_found_at_the_ends_too() {
        let samples: Vec<_> = (0..3).map(|at| Sample::new(Secs(f64::from(at)))).collect();
        let found = [-5.0, 0.4, 1.6, 9.0].map(|at| nearest(&samples, Secs(at)).unwrap().at.0);
        assert_eq!(found, [0.0, 0.0, 2.0, 2.0]);
        assert!(nearest::<Sample>(&[], Secs(0.0)).is_none());
    }
}
