//! Components that were exported as ONNX files with another program, with diffusers' names for inputs and outputs.
//!
//! Accepted interfaces; sizes come from the components' `config.json`:
//!
//! | file | inputs | output |
//! | --- | --- | --- |
//! | `text_encoder/model.onnx` | `input_ids`, `attention_mask` int64 `[1, L]` | `last_hidden_state` `[1, L, D]` |
//! | `transformer/model.onnx`, `transformer_2/model.onnx` | `hidden_states` `[1, C, T, H, W]`, `timestep` int64 or a float `[1]` or `[1, S]`, `encoder_hidden_states` `[1, 512, D]` | `out_sample` or `sample` `[1, O, T, H, W]` |
//! | `vae_encoder/model.onnx`, which may be missing | `sample`, `x` or `pixel_values` `[1, 3, F, H, W]` | `latent_parameters` `[1, 2z, T, h, w]`, means first, or `latent_sample`, `latent` or `latent_dist` `[1, z, T, h, w]` |
//! | `vae_decoder/model.onnx` | `latent_sample` or `z` `[1, z, T, h, w]` | `sample` `[1, 3, F, H, W]`, the whole clip |
//!
//! Values are float32, or float16 or bfloat16 where ONNX Runtime can compute in them; they are converted at the inputs
//! and outputs. A single output may have any name. A dimension may be open or fixed; a fixed size is the only one that
//! the model can make. If an encoder was exported for more frames than needed, grey frames are appended. Latents enter
//! the decoder and leave the encoder unnormalised: the means and deviations of the VAE's `config.json` are applied
//! outside. A start image in place of the first latent frame needs a transformer with a timestep per token, `[1, S]`.

mod graph;
mod interface;

pub use graph::{Exported, ExportedGraph, FILE};
pub use interface::Interface;
