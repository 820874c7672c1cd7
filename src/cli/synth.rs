//! `wandeck models synth`: writes a model with random weights.

use std::io::IsTerminal as _;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use super::args::{Common, ComponentName, DtypeName, LayoutName, LikeName, Synth};
use super::report::{out, print_done};
use super::signals::cancel_on_stop;
use crate::core::{CancelToken, Result};
use crate::models::synth::{
    Shapes, SynthComponent, SynthDocument, SynthDtype, SynthLayout, SynthModel, SynthWeights, plan,
};

pub(super) fn run(args: &Synth, common: &Common) -> Result<()> {
    let plan = plan(&shapes(args), layout(args.layout), dtype(args.dtype), &components(&args.only))?;
    let cancel = CancelToken::new();
    cancel_on_stop(&cancel)?;
    let bar = ProgressBar::new(plan.size().0);
    if std::io::stderr().is_terminal() {
        let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    } else {
        bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
    }
    let weights = SynthWeights { seed: args.seed, sparse: args.sparse };
    let began = Instant::now();
    let done = plan.write(&args.dir, weights, &cancel, &mut |more| bar.inc(more.0));
    bar.finish_and_clear();
    done?;
    let seconds = began.elapsed().as_secs_f64();
    if common.json {
        let size = plan.size();
        print_done(SynthDocument { path: &args.dir, bytes: size, seconds });
    } else {
        out(&format!("{}: {} in {seconds:.1} s", args.dir.display(), plan.size()));
    }
    Ok(())
}

fn shapes(args: &Synth) -> Shapes {
    let mut shapes = Shapes::official(model_like(args.like));
    if let Some(layers) = args.layers {
        shapes.transformer.num_layers = layers as usize;
    }
    if let Some(layers) = args.text_layers.or(args.layers) {
        shapes.text_encoder.num_layers = layers as usize;
    }
    if let Some(vocab) = args.vocab {
        shapes.text_encoder.vocab_size = vocab as usize;
    }
    shapes
}

/// The official model with this name.
pub(super) fn model_like(name: LikeName) -> SynthModel {
    match name {
        LikeName::T2v => SynthModel::T2vA14b,
        LikeName::I2v => SynthModel::I2vA14b,
        LikeName::Ti2v => SynthModel::Ti2v5b,
    }
}

fn layout(name: LayoutName) -> SynthLayout {
    match name {
        LayoutName::Diffusers => SynthLayout::Diffusers,
        LayoutName::Original => SynthLayout::Original,
        LayoutName::Comfy => SynthLayout::Comfy,
    }
}

fn dtype(name: DtypeName) -> SynthDtype {
    match name {
        DtypeName::Fp32 => SynthDtype::Fp32,
        DtypeName::Bf16 => SynthDtype::Bf16,
        DtypeName::Fp16 => SynthDtype::Fp16,
        DtypeName::Fp8Scaled => SynthDtype::Fp8Scaled,
    }
}

fn components(only: &[ComponentName]) -> Vec<SynthComponent> {
    let component = |name: &ComponentName| match name {
        ComponentName::Transformer => SynthComponent::Transformer,
        ComponentName::Text => SynthComponent::TextEncoder,
        ComponentName::Vae => SynthComponent::Vae,
    };
    if only.is_empty() {
        return vec![SynthComponent::Transformer, SynthComponent::TextEncoder, SynthComponent::Vae];
    }
    only.iter().map(component).collect()
}
