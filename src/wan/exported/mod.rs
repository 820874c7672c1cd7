//! Components that others exported as ONNX files, with diffusers' names for what goes in and comes out.
//!
//! What is accepted, sizes from the components' `config.json`:
//!
//! | file | inputs | output |
//! | --- | --- | --- |
//! | `text_encoder/model.onnx` | `input_ids`, `attention_mask` int64 `[1, L]` | `last_hidden_state` `[1, L, D]` |
//! | `transformer/model.onnx`, `transformer_2/model.onnx` | `hidden_states` `[1, C, T, H, W]`, `timestep` int64 or a float `[1]` or `[1, S]`, `encoder_hidden_states` `[1, 512, D]` | `out_sample` or `sample` `[1, O, T, H, W]` |
//! | `vae_encoder/model.onnx`, which may be missing | `sample`, `x` or `pixel_values` `[1, 3, F, H, W]` | `latent_parameters` `[1, 2z, T, h, w]`, means first, or `latent_sample`, `latent` or `latent_dist` `[1, z, T, h, w]` |
//! | `vae_decoder/model.onnx` | `latent_sample` or `z` `[1, z, T, h, w]` | `sample` `[1, 3, F, H, W]`, the whole clip |
//!
//! Numbers are float32, or float16 or bfloat16 where ONNX Runtime can compute in them; they are cast at the border. A
//! single output may have any name. A dimension may be open or of a fixed size, which then is the only one that can be
//! made; an encoder of more frames than are needed gets grey ones behind. Latents go into the decoder and come out of
//! the encoder as the VAE has them: the means and deviations of its `config.json` are applied outside. A picture in
//! the place of the first latent frame needs a transformer that takes a timestep a token, `[1, S]`.

mod graph;
mod interface;

pub use graph::{Exported, ExportedGraph, FILE};
pub use interface::Interface;
