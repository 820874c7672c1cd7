//! Module names of the VAEs (`wan/modules/vae2_1.py` and `vae2_2.py`).
//!
//! Original names number layers consecutively, so the number of a layer depends on the configuration.

use super::table::module;

/// Upper bound of blocks and levels.
const MOST: usize = 64;

/// What the numbers of layers depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VaePlan {
    /// VAE 2.2: layers are numbered within their level.
    pub is_residual: bool,
    /// Levels, 4 in both.
    pub levels: usize,
    /// Residual blocks per level of the encoder; the decoder has one more.
    pub blocks: usize,
}

/// Name pairs of a VAE.
#[derive(Clone, Debug)]
pub struct VaeNames(Vec<(String, String)>);

impl VaeNames {
    /// diffusers' name for an original name.
    pub fn diffusers(&self, original: &str) -> Option<String> {
        self.0.iter().find_map(|(from, to)| module(original, from, to))
    }

    /// The original name for a diffusers name.
    pub fn original(&self, diffusers: &str) -> Option<String> {
        self.0.iter().find_map(|(to, from)| module(diffusers, from, to))
    }
}

impl VaePlan {
    /// Finds the numbering of a file with original names; `None` if it is no VAE.
    pub fn from_original(contains: impl Fn(&str) -> bool) -> Option<Self> {
        let is_residual = contains("encoder.downsamples.0.downsamples.0.residual.2.weight");
        let block = |index: usize| {
            if is_residual {
                format!("encoder.downsamples.0.downsamples.{index}.residual.2.weight")
            } else {
                format!("encoder.downsamples.{index}.residual.2.weight")
            }
        };
        let blocks = (0..MOST).take_while(|&index| contains(&block(index))).count();
        let shrinks = |level: usize| {
            if is_residual {
                format!("encoder.downsamples.{level}.downsamples.{blocks}.resample.1.weight")
            } else {
                format!("encoder.downsamples.{}.resample.1.weight", level * (blocks + 1) + blocks)
            }
        };
        let levels = (0..MOST).take_while(|&level| contains(&shrinks(level))).count() + 1;
        (blocks > 0 && levels > 1).then_some(Self { is_residual, levels, blocks })
    }

    /// The pairs of names.
    pub fn renamer(&self) -> VaeNames {
        VaeNames(self.pairs())
    }

    fn pairs(&self) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        let mut pair = |from: &str, to: &str| pairs.push((from.to_owned(), to.to_owned()));
        pair("conv1", "quant_conv");
        pair("conv2", "post_quant_conv");
        for side in ["encoder", "decoder"] {
            pair(&format!("{side}.conv1"), &format!("{side}.conv_in"));
            pair(&format!("{side}.head.0"), &format!("{side}.norm_out"));
            pair(&format!("{side}.head.2"), &format!("{side}.conv_out"));
            for layer in ["norm", "to_qkv", "proj"] {
                pair(&format!("{side}.middle.1.{layer}"), &format!("{side}.mid_block.attentions.0.{layer}"));
            }
        }
        for side in ["encoder", "decoder"] {
            residual(&mut pairs, &format!("{side}.middle.0"), &format!("{side}.mid_block.resnets.0"));
            residual(&mut pairs, &format!("{side}.middle.2"), &format!("{side}.mid_block.resnets.1"));
        }
        for level in 0..self.levels {
            self.level(&mut pairs, level);
        }
        pairs
    }

    fn level(&self, pairs: &mut Vec<(String, String)>, level: usize) {
        let nested = self.is_residual;
        let (down, up) = (self.blocks, self.blocks + 1);
        let encoder = |index: usize| {
            if nested {
                format!("encoder.downsamples.{level}.downsamples.{index}")
            } else {
                format!("encoder.downsamples.{}", level * (down + 1) + index)
            }
        };
        let decoder = |index: usize| {
            if nested {
                format!("decoder.upsamples.{level}.upsamples.{index}")
            } else {
                format!("decoder.upsamples.{}", level * (up + 1) + index)
            }
        };
        for block in 0..down {
            let to = if nested {
                format!("encoder.down_blocks.{level}.resnets.{block}")
            } else {
                format!("encoder.down_blocks.{}", level * (down + 1) + block)
            };
            residual(pairs, &encoder(block), &to);
        }
        for block in 0..up {
            residual(pairs, &decoder(block), &format!("decoder.up_blocks.{level}.resnets.{block}"));
        }
        if level + 1 == self.levels {
            return;
        }
        let downsampler = if nested {
            format!("encoder.down_blocks.{level}.downsampler")
        } else {
            format!("encoder.down_blocks.{}", level * (down + 1) + down)
        };
        let upsampler = if nested { "upsampler" } else { "upsamplers.0" };
        let upsampler = format!("decoder.up_blocks.{level}.{upsampler}");
        for layer in ["resample.1", "time_conv"] {
            pairs.push((format!("{}.{layer}", encoder(down)), format!("{downsampler}.{layer}")));
            pairs.push((format!("{}.{layer}", decoder(up)), format!("{upsampler}.{layer}")));
        }
    }
}

fn residual(pairs: &mut Vec<(String, String)>, from: &str, to: &str) {
    for (layer, name) in
        [("residual.0", "norm1"), ("residual.2", "conv1"), ("residual.3", "norm2"), ("residual.6", "conv2")]
    {
        pairs.push((format!("{from}.{layer}"), format!("{to}.{name}")));
    }
    pairs.push((format!("{from}.shortcut"), format!("{to}.conv_shortcut")));
}
