//! What a card computes around a transformer in 16 bits, so that a latent crosses to it once a step, and one velocity back,
//! both in 16 bits.

use super::layers::concat;
use crate::core::Provider;
use crate::onnx::{ComputeType, Dtype, Graph, GraphBuilder, GraphTarget, ValueSpec, Weights};

/// A video `[1, C, T, H, W]`, whose channels have the name `channels`.
fn video(name: &str, channels: &'static str, dtype: Dtype) -> ValueSpec {
    let dims = [1.into(), channels.into(), "frames".into(), "height".into(), "width".into()];
    ValueSpec::new(name, dtype, dims)
}

/// A graph without weights; `weights` are those of the transformer that it belongs to.
fn builder<'w>(name: &'static str, weights: &'w Weights, provider: Provider) -> GraphBuilder<'w> {
    GraphBuilder::new(name, weights).for_target(GraphTarget { provider, compute: ComputeType::Fp32 })
}

/// The graph `latent [1,C,T,H,W] (, condition [1,K,T,H,W]), both in dtype -> hidden_states [1,C+K,T,H,W]`: a latent that was
/// rounded to the type that the transformer computes in, as the transformer takes it. It rounds its input so anyway.
///
/// With `has_condition`, the channels of the images follow those of the latent.
pub fn widened_latent(weights: &Weights, provider: Provider, dtype: Dtype, has_condition: bool) -> Graph {
    let mut g = builder("latent", weights, provider);
    let mut hidden = g.input(video("latent", "latent_channels", dtype));
    if has_condition {
        let condition = g.input(video("condition", "condition_channels", dtype));
        hidden = concat(&mut g, &[&hidden, &condition], 1);
    }
    let hidden = g.cast_f32(&hidden);
    g.output(&hidden, video("hidden_states", "channels", Dtype::F32));
    g.finish()
}

/// The graph `prompt, negative [1,C,T,H,W], guidance [1] -> velocity [1,C,T,H,W] in fp16`: the velocity for the prompt,
/// moved away from the one for the negative prompt by the guidance scale.
///
/// It is computed in fp32. fp16 has three bits more than the bf16 that a transformer computes its velocities in, and the same
/// as fp16; without guidance, where both velocities are the same, normal values come back unchanged.
pub fn guided_velocity(weights: &Weights, provider: Provider) -> Graph {
    let mut g = builder("guidance", weights, provider);
    let [prompt, negative] = ["prompt", "negative"].map(|name| g.input(video(name, "channels", Dtype::F32)));
    let guidance = g.input(ValueSpec::new("guidance", Dtype::F32, [1.into()]));
    let difference = g.op("Sub", &[&prompt, &negative], &[]);
    let moved = g.op("Mul", &[&guidance, &difference], &[]);
    let velocity = g.op("Add", &[&negative, &moved], &[]);
    let velocity = g.cast(&velocity, Dtype::F16);
    g.output(&velocity, video("velocity", "channels", Dtype::F16));
    g.finish()
}
