//! `wandeck models convert`: converts a model to a smaller precision.

use std::time::Instant;

use super::Places;
use super::args::{Common, Convert, TargetName};
use super::report::{byte_bar, note, out, print_done};
use super::signals::cancel_on_stop;
use crate::core::{CancelToken, Kind, Result, counted};
use crate::models::convert::{
    ConversionDocument, ConversionOptions, ConversionStep, ConversionTarget, Converted, convert_with,
    default_name,
};
use crate::models::{self, RoleHints};

/// Number of layers with the largest errors that are printed.
const WORST: usize = 5;

pub(super) fn run(args: &Convert, common: &Common) -> Result<()> {
    let places = Places::new(common)?;
    let source = models::find(&args.model, &places.data_dir, places.models_dir.as_deref())?;
    let target = match args.precision {
        TargetName::Int8 => ConversionTarget::Int8,
        TargetName::Int4 => ConversionTarget::Int4,
        TargetName::Fp8 => ConversionTarget::Fp8,
        TargetName::Bf16 => ConversionTarget::Bf16,
    };
    let hints = RoleHints::remembered(&places.data_dir);
    let dir = if let Some(dir) = &args.output {
        dir.clone()
    } else {
        let id = models::open_with(&source, hints)?.id;
        places.data_dir.join("models").join(default_name(&id, target))
    };
    let cancel = CancelToken::new();
    cancel_on_stop(&cancel)?;
    let bar = byte_bar();
    let began = Instant::now();
    let done =
        convert_with(&source, hints, &dir, ConversionOptions::new(target), &cancel, &mut |step| match step {
            ConversionStep::Total(bytes) => bar.set_length(bytes.0),
            ConversionStep::Done(bytes) => bar.inc(bytes.0),
        });
    bar.finish_and_clear();
    let done = done.map_err(|error| match error.kind {
        Kind::Cancelled => error.remedy("Run the same command again to continue from the last complete file"),
        _ => error,
    })?;
    show(&done, common, began.elapsed().as_secs_f64());
    Ok(())
}

fn show(done: &Converted, common: &Common, seconds: f64) {
    if common.json {
        return print_done(ConversionDocument::new(done, seconds, WORST));
    }
    if done.restarted {
        note("Discarded an interrupted conversion, because the model has changed since");
    }
    if done.resumed_shards > 0 {
        note(&format!("Kept {} from an interrupted conversion", counted(done.resumed_shards as u64, "file")));
    }
    out(&done.path.display().to_string());
    let (before, after) = done.report.sizes();
    note(&format!(
        "Converted {before} to {after} in {seconds:.1} s; {}, mean relative L2 error {:.2e}",
        counted(done.report.layers.len() as u64, "layer"),
        done.report.mean_relative_l2
    ));
    note("Layers with the largest relative L2 errors:");
    for layer in done.report.worst(WORST) {
        note(&format!("  {:.2e}  {}/{}", layer.relative_l2, layer.component, layer.name));
    }
    note(&done.report.remark);
}
