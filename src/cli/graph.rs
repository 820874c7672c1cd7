//! `wandeck graph export`: writes the graphs as .onnx files, for Netron and other runtimes.

use super::Places;
use super::args::{Common, Graph, GraphVerb};
use super::report::{out, print_done};
use crate::core::{CancelToken, Error, Kind, Result};
use crate::engine::check_kernels;
use crate::models::{self, RoleHints};
use crate::onnx::{self, ExportDocument, GraphTarget, WeightPlacement};
use crate::pipeline::{ComputePlan, RepackedModel, Reporter};
use crate::store::WeightsCache;
use crate::wan::graphs::{self, Segments, StreamCall};

pub(super) fn run(args: &Graph, common: &Common) -> Result<()> {
    let GraphVerb::Export { model, dir, provider, precision } = &args.verb;
    let places = Places::new(common)?;
    let path = models::find(model, &places.data_dir, places.models_dir.as_deref())?;
    let checkpoint = models::open_with(&path, RoleHints::remembered(&places.data_dir))?;
    if checkpoint.exported.is_some() {
        return Err(Error::new(
            Kind::Unsupported,
            format!("{} consists of exported ONNX graphs already", checkpoint.id),
        )
        .remedy("Use the .onnx files in its folder"));
    }
    let provider = provider.provider().unwrap_or_default();
    let types = ComputePlan::on(provider, None, *precision, &checkpoint)?;
    let cache = WeightsCache::new(Some(&places.data_dir));
    let repacked = RepackedModel::plan(&checkpoint, &types, cache.dir())?;
    cache.make_room(&repacked.files(), repacked.size_to_write())?;
    let never = CancelToken::new();
    let checkpoint = repacked.write(&|| cache.stage(), &never, &mut Reporter::new(&mut |_| {}))?;
    let (text, vae) = (&checkpoint.text_encoder, &checkpoint.vae);
    let segments = if checkpoint.expand_timesteps { Segments::Two } else { Segments::One };
    let target = |compute| GraphTarget { provider, compute };
    let encoder = |chunk| graphs::vae_encoder(&vae.config, &vae.weights, chunk, target(types.vae));
    let mut all = vec![
        ("text_encoder", graphs::text_encoder(&text.config, &text.weights, target(types.text))?),
        ("vae_decoder", graphs::vae_decoder(&vae.config, &vae.weights, target(types.vae))?.graph),
        ("vae_encoder_first", encoder(StreamCall::First)?.graph),
        ("vae_encoder", encoder(StreamCall::Later)?.graph),
    ];
    let transformers = [
        ("transformer", Some(&checkpoint.transformer)),
        ("transformer_2", checkpoint.transformer_2.as_ref()),
    ];
    for (name, part) in transformers {
        if let Some(part) = part {
            let target = target(types.transformer);
            all.push((name, graphs::transformer(&part.config, &part.weights, segments, target)?));
        }
    }
    all.iter().try_for_each(|(_, graph)| check_kernels(graph, provider))?;
    let mut written = Vec::new();
    for (name, graph) in &all {
        let (path, placed) = onnx::export(graph, &dir.join(name))?;
        if !common.json {
            let how = if placed == WeightPlacement::Copied { "weights copied" } else { "weights in place" };
            out(&format!("{} ({how})", path.display()));
        }
        written.push(path);
    }
    if common.json {
        print_done(ExportDocument { files: &written });
    }
    Ok(())
}
