//! The VAE's parameters.

use super::list::{List, Parameter};
use crate::wan::VaeConfig;

/// Every parameter of the VAE that `config` describes.
pub fn vae(config: &VaeConfig) -> Vec<Parameter> {
    let (mut list, z) = (List::default(), config.z_dim);
    encoder(&mut list, config);
    list.layer("quant_conv", &[2 * z, 2 * z, 1, 1, 1]);
    list.layer("post_quant_conv", &[z, z, 1, 1, 1]);
    decoder(&mut list, config);
    list.0
}

fn encoder(list: &mut List, config: &VaeConfig) {
    let widths: Vec<_> =
        std::iter::once(&1).chain(&config.dim_mult).map(|mult| mult * config.base_dim).collect();
    list.layer("encoder.conv_in", &[widths[0], config.in_channels, 3, 3, 3]);
    let mut flat = 0;
    for (index, pair) in widths.windows(2).enumerate() {
        let (inputs, outputs) = (pair[0], pair[1]);
        for block in 0..config.num_res_blocks {
            let name = if config.is_residual {
                format!("encoder.down_blocks.{index}.resnets.{block}")
            } else {
                format!("encoder.down_blocks.{flat}")
            };
            residual(list, &name, if block == 0 { inputs } else { outputs }, outputs);
            flat += 1;
        }
        if index + 1 < config.dim_mult.len() {
            let name = if config.is_residual {
                format!("encoder.down_blocks.{index}.downsampler")
            } else {
                format!("encoder.down_blocks.{flat}")
            };
            list.layer(&format!("{name}.resample.1"), &[outputs, outputs, 3, 3]);
            if config.temperal_downsample.get(index).copied().unwrap_or(false) {
                list.layer(&format!("{name}.time_conv"), &[outputs, outputs, 3, 1, 1]);
            }
            flat += 1;
        }
    }
    let last = widths[widths.len() - 1];
    middle(list, "encoder.mid_block", last);
    list.add("encoder.norm_out.gamma", &[last, 1, 1, 1]);
    list.layer("encoder.conv_out", &[2 * config.z_dim, last, 3, 3, 3]);
}

fn decoder(list: &mut List, config: &VaeConfig) {
    let base = config.decoder_base_dim.unwrap_or(config.base_dim);
    let top = config.dim_mult.last().copied().unwrap_or(1);
    let widths: Vec<_> =
        std::iter::once(top).chain(config.dim_mult.iter().rev().copied()).map(|mult| base * mult).collect();
    list.layer("decoder.conv_in", &[widths[0], config.z_dim, 3, 3, 3]);
    middle(list, "decoder.mid_block", widths[0]);
    for (index, pair) in widths.windows(2).enumerate() {
        let (before, outputs) = (pair[0], pair[1]);
        // VAE 2.1 halves the width in its upsamplers, 2.2 keeps it
        let inputs = if index > 0 && !config.is_residual { before / 2 } else { before };
        let name = format!("decoder.up_blocks.{index}");
        for block in 0..=config.num_res_blocks {
            let inputs = if block == 0 { inputs } else { outputs };
            residual(list, &format!("{name}.resnets.{block}"), inputs, outputs);
        }
        if index + 1 < config.dim_mult.len() {
            let (upsampler, after) =
                if config.is_residual { ("upsampler", outputs) } else { ("upsamplers.0", outputs / 2) };
            list.layer(&format!("{name}.{upsampler}.resample.1"), &[after, outputs, 3, 3]);
            if config.temperal_downsample.iter().rev().nth(index).copied().unwrap_or(false) {
                list.layer(&format!("{name}.{upsampler}.time_conv"), &[2 * outputs, outputs, 3, 1, 1]);
            }
        }
    }
    let last = widths[widths.len() - 1];
    list.add("decoder.norm_out.gamma", &[last, 1, 1, 1]);
    list.layer("decoder.conv_out", &[config.out_channels, last, 3, 3, 3]);
}

fn residual(list: &mut List, name: &str, inputs: usize, outputs: usize) {
    list.add(format!("{name}.norm1.gamma"), &[inputs, 1, 1, 1]);
    list.layer(&format!("{name}.conv1"), &[outputs, inputs, 3, 3, 3]);
    list.add(format!("{name}.norm2.gamma"), &[outputs, 1, 1, 1]);
    list.layer(&format!("{name}.conv2"), &[outputs, outputs, 3, 3, 3]);
    if inputs != outputs {
        list.layer(&format!("{name}.conv_shortcut"), &[outputs, inputs, 1, 1, 1]);
    }
}

fn middle(list: &mut List, name: &str, width: usize) {
    residual(list, &format!("{name}.resnets.0"), width, width);
    list.add(format!("{name}.attentions.0.norm.gamma"), &[width, 1, 1]);
    list.layer(&format!("{name}.attentions.0.to_qkv"), &[3 * width, width, 1, 1]);
    list.layer(&format!("{name}.attentions.0.proj"), &[width, width, 1, 1]);
    residual(list, &format!("{name}.resnets.1"), width, width);
}
