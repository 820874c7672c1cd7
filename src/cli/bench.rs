//! `wandeck bench`: measures how fast this machine is with Wan, and compares such measurements.

use super::Places;
use super::args::{BenchArgs, BenchVerb, Common};
use super::measured::one_sample;
use super::report::{note, out, print_document};
use super::signals::cancel_on_stop;
use super::synth::model_like;
use crate::bench::{
    BenchComparison, BenchFigure, BenchModel, BenchOptions, BenchReport, BenchStore, measure,
};
use crate::core::{CancelToken, Resolution, Result, Secs};
use crate::engine::runtime;
use crate::models;
use crate::monitor::StageRate;

pub(super) fn run(args: &BenchArgs, common: &Common) -> Result<()> {
    let places = Places::new(common)?;
    let store = BenchStore::new(&places.data_dir);
    match args.verb {
        Some(BenchVerb::List) => list(&store, common),
        Some(BenchVerb::Compare { first, second }) => {
            let comparison = BenchComparison::of(&store.load(first)?, &store.load(second)?)?;
            if common.json {
                print_document(&comparison);
            } else {
                warn(&comparison.warnings);
                print(&comparison_table(&comparison));
            }
            Ok(())
        }
        None => bench(args, common, &places, &store),
    }
}

fn bench(args: &BenchArgs, common: &Common, places: &Places, store: &BenchStore) -> Result<()> {
    let cancel = CancelToken::new();
    cancel_on_stop(&cancel)?;
    let model = match &args.model {
        Some(id) => BenchModel::Own(models::find(id, &places.data_dir, places.models_dir.as_deref())?),
        None => BenchModel::Synthetic(model_like(args.like)),
    };
    let (size, frames) = if args.quick { ([192, 192], 5) } else { ([832, 480], 17) };
    let options = BenchOptions {
        model,
        size: args.size.unwrap_or_else(|| Resolution::new(size[0], size[1])),
        frames: args.frames.unwrap_or(frames),
        provider: args.provider,
    };
    let runtime = runtime::ensure(&places.data_dir, &cancel, &mut |event| note(&event.to_string()))?;
    let machine = one_sample()?.machine;
    let mut report =
        measure(&runtime, &options, &places.data_dir, &machine, &cancel, &mut |text| note(text))?;
    if !args.no_keep {
        store.add(&mut report)?;
    }
    if common.json {
        print_document(&report);
    } else {
        print(&report_table(&report));
        if report.number > 0 {
            note(&format!(
                "Kept as measurement {}; wandeck bench compare sets two side by side",
                report.number
            ));
        }
    }
    Ok(())
}

fn list(store: &BenchStore, common: &Common) -> Result<()> {
    let list = store.list()?;
    if common.json {
        print_document(&list);
        return Ok(());
    }
    warn(&list.warnings);
    for report in &list.results {
        let BenchReport { number, measured, wandeck, provider, .. } = report;
        out(&format!("{number:>4}  {}  {wandeck:<8} {provider:<8} {}", measured.local(), report.work()));
    }
    if list.results.is_empty() {
        note("No measurement yet; wandeck bench --quick makes one");
    }
    Ok(())
}

fn print(lines: &[String]) {
    for line in lines {
        out(line);
    }
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        note(&format!("Warning: {warning}"));
    }
}

/// Seconds with three digits that count.
fn seconds(secs: Secs) -> String {
    match secs.0 {
        value if value >= 100.0 => format!("{value:.0} s"),
        value if value >= 10.0 => format!("{value:.1} s"),
        value if value >= 1.0 => format!("{value:.2} s"),
        value => format!("{:.0} ms", value * 1000.0),
    }
}

fn percent(part: f64) -> String {
    format!("{:.0} %", part * 100.0)
}

/// The machine with its ceilings, and a line for each figure.
fn report_table(report: &BenchReport) -> Vec<String> {
    let BenchReport { wandeck, onnxruntime, provider, cores, memory, ceilings, .. } = report;
    let device = report.device.as_ref().map(|device| format!(" ({device})")).unwrap_or_default();
    let mut lines = vec![
        format!(
            "Wandeck {wandeck} on {provider}{device}, {cores} cores, {memory}, ONNX Runtime {onnxruntime}"
        ),
        format!("Model: {}", report.work()),
        format!(
            "Ceilings: {} of a matrix product in {}, {:.1} GB/s of memory",
            StageRate::text(ceilings.flops),
            ceilings.compute,
            ceilings.bandwidth / 1e9
        ),
    ];
    let head =
        ["Component", "Weights", "Time", "Load", "1st", "Speed", "Of ceiling", "Peak memory", "All layers"];
    lines.push(row(&head.map(str::to_owned)));
    lines.extend(report.figures.iter().map(figure_row));
    lines.extend(report.peak_vram_mb.map(|peak| format!("Peak device memory: {peak:.0} MiB")));
    lines
}

fn figure_row(figure: &BenchFigure) -> String {
    let none = || "-".to_owned();
    row(&[
        figure.component.to_string(),
        figure.precision.clone(),
        seconds(figure.seconds),
        figure.load.map_or_else(none, seconds),
        figure.first.map_or_else(none, |first| format!("{first:.2}")),
        figure.flops.map_or_else(none, StageRate::text),
        figure.of_ceiling.map_or_else(none, percent),
        figure.peak_rss_mb.map_or_else(none, |peak| format!("{peak:.0} MiB")),
        figure.all_layers().map_or_else(none, seconds),
    ])
}

fn row(cells: &[String; 9]) -> String {
    let [name, weights, time, load, first, speed, part, memory, whole] = cells;
    format!(
        "{name:<17} {weights:<7} {time:>8} {load:>8} {first:>5} {speed:>12} {part:>10} {memory:>11} {whole:>10}"
    )
}

/// A line for each figure of both measurements.
fn comparison_table(comparison: &BenchComparison) -> Vec<String> {
    let BenchComparison { numbers: [first, second], ceiling_ratio, .. } = comparison;
    let mut lines = vec![
        format!("Measurement {second} beside measurement {first}; below 1 the second is faster or smaller"),
        format!("The machine's matrix product: {ceiling_ratio:.3} of the speed"),
        format!(
            "{:<17} {:<7} {:>9} {:>9} {:>6} {:>15} {:>7}",
            "Component", "Weights", first, second, "Ratio", "Part of ceiling", "Memory"
        ),
    ];
    let or_none = |ratio: Option<f64>| ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.3}"));
    lines.extend(comparison.figures.iter().map(|figure| {
        let [old, new] = figure.seconds.map(seconds);
        format!(
            "{:<17} {:<7} {old:>9} {new:>9} {:>6.3} {:>15} {:>7}",
            figure.component.to_string(),
            figure.precision,
            figure.ratio,
            or_none(figure.of_ceiling_ratio),
            or_none(figure.memory_ratio)
        )
    }));
    lines
}
