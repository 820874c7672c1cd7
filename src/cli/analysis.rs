//! `wandeck analysis`: results, times and bottleneck of recent jobs.

use serde::Serialize;

use super::Places;
use super::args::{Analysis as Args, Common};
use super::measured::RecordedJobs;
use super::report::{note, out, print_document};
use crate::core::{Category, Result, Utc, counted};
use crate::library::{Analysis, AnalysisDocument, Counts, History};
use crate::store::Settings;

/// What `wandeck analysis --json` prints.
#[derive(Serialize)]
struct MeasuredAnalysis<'a> {
    #[serde(flatten)]
    analysis: AnalysisDocument<'a>,
    /// What was recorded while the jobs ran.
    measured: &'a RecordedJobs,
}

pub(super) fn run(args: &Args, common: &Common) -> Result<()> {
    let places = Places::new(common)?;
    let (history, notes) = History::open_to_read(&places.data_dir)?;
    for line in &notes {
        note(&format!("Warning: {line}"));
    }
    let since = Utc::now().hours_before(args.hours);
    let analysis = history.analysis(since)?;
    let recorded = RecordedJobs::since(&places.data_dir, since);
    if common.json {
        print_document(MeasuredAnalysis {
            analysis: AnalysisDocument::new(&analysis, args.hours),
            measured: &recorded,
        });
        return Ok(());
    }
    let (settings, _) = Settings::load(&places.data_dir);
    let measured = recorded.lines(settings.monitor.price().as_ref());
    for line in lines(&analysis, args.hours).into_iter().chain(measured) {
        out(&line);
    }
    Ok(())
}

/// The number of jobs by result and the success rate, in one line.
pub(super) fn ended(counts: &Counts) -> String {
    let rate = counts.success_rate();
    let rate = rate.map(|rate| format!(", {:.0} % succeeded", rate * 100.0)).unwrap_or_default();
    format!("{counts}{rate}")
}

fn lines(analysis: &Analysis, hours: f64) -> Vec<String> {
    let counts = &analysis.counts;
    let mut lines = vec![format!("Last {hours} h: {}", ended(counts))];
    if counts.retried > 0 {
        lines.push(format!(
            "Retries: {} in {}, {} of which then succeeded",
            counts.retries,
            counted(counts.retried, "job"),
            counts.recovered
        ));
    }
    for (category, count) in &counts.failures {
        // the word of `--json`, but for memory, which need not be that of a card
        let word = match category {
            Category::VramMemory => "out of memory".to_owned(),
            _ => category.word().replace('_', " "),
        };
        lines.push(format!("  {count} failed: {word}"));
    }
    for model in &analysis.models {
        lines.push(format!(
            "{}: {}, {}, {:.3} s per step",
            model.model,
            counted(model.num_runs as u64, "video"),
            counted(model.num_steps as u64, "step"),
            model.mean_step_s.0
        ));
    }
    let parts: Vec<_> = analysis.stages.iter().map(|share| share.part).collect();
    for (share, percent) in analysis.stages.iter().zip(percentages(&parts)) {
        lines.push(format!(
            "  {:<20} {:>12}  {percent:>3} %",
            share.of.to_string(),
            share.seconds.to_string()
        ));
    }
    let off = |what: &str, error: Option<f64>| {
        error.map(|error| format!("{what} was off by {:.0} % on average", error * 100.0))
    };
    lines.extend(off("The estimated time", analysis.mean_time_error));
    lines.extend(off("The estimated memory", analysis.mean_memory_error));
    lines.extend(analysis.sentence());
    lines
}

/// Parts of a whole as whole percentages that add up to 100: the largest remainders are rounded up.
fn percentages(parts: &[f64]) -> Vec<u32> {
    let mut rounded: Vec<_> = parts.iter().map(|part| (part * 100.0).floor() as u32).collect();
    let whole = (parts.iter().sum::<f64>() * 100.0).round() as u32;
    let missing = whole.saturating_sub(rounded.iter().sum());
    let mut order: Vec<_> = (0..parts.len()).collect();
    let remainder = |index: &usize| parts.get(*index).map_or(0.0, |part| (part * 100.0).fract());
    order.sort_by(|a, b| remainder(b).total_cmp(&remainder(a)));
    for index in order.into_iter().take(missing as usize) {
        if let Some(percent) = rounded.get_mut(index) {
            *percent += 1;
        }
    }
    rounded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_add_up() {
        assert_eq!(percentages(&[1.0 / 3.0; 3]), [34, 33, 33]);
        assert_eq!(percentages(&[0.996, 0.002, 0.002]), [100, 0, 0]);
        assert_eq!(percentages(&[]), [0; 0]);
        for parts in [vec![0.125; 8], vec![0.615, 0.205, 0.18], vec![0.005, 0.995]] {
            assert_eq!(percentages(&parts).iter().sum::<u32>(), 100, "{parts:?}");
        }
    }
}
