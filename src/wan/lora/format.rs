//! How a LoRA file spells its keys. For the report only: all formats are read in the same way.

use std::fmt;

use serde::Serialize;

use super::key::Key;

/// A LoRA format: the spelling of keys that a trainer uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LoraFormat {
    /// `diffusion_model.blocks.0.self_attn.q.lora_A.weight`.
    Original,
    /// `diffusion_model.blocks.0.self_attn.q.lora_down.weight`.
    Kohya,
    /// `lora_unet_blocks_0_self_attn_q.lora_down.weight`.
    Musubi,
    /// `lora_unet__blocks_0_self_attn_q.lora_down.weight`.
    Fun,
    /// `lora_unet_blocks_0.self_attn.q.lora_down.weight`.
    Mixed,
    /// `lycoris_blocks_0_self_attn_to_q.lora_down.weight`.
    Lycoris,
    /// `transformer.blocks.0.attn1.to_q.lora_A.weight`.
    Diffusers,
    /// `base_model.model.blocks.0.self_attn.q.lora_A.weight`.
    Peft,
    /// `pipe.dit.blocks.0.self_attn.q.lora_A.default.weight`.
    DiffSynth,
    /// `lora_transformer.blocks.0.attn1.to_q.lora_down.weight`.
    OneTrainer,
    /// `blocks.0.self_attn.q.lora_A.weight`.
    Bare,
}

impl LoraFormat {
    /// The format of one key; `None` if it is not a LoRA key.
    pub fn of(key: &str) -> Option<Self> {
        let begins = |prefix| key.starts_with(prefix);
        let dotted = || Key::parse(key).is_some_and(|key| key.module.contains('.'));
        Some(if begins("lora_unet__") {
            Self::Fun
        } else if begins("lora_transformer.") || begins("lora_transformer_2.") {
            Self::OneTrainer
        } else if begins("lora_unet_") || begins("lora_transformer_") {
            if dotted() { Self::Mixed } else { Self::Musubi }
        } else if begins("lycoris_") {
            Self::Lycoris
        } else if begins("diffusion_model.")
            || begins("diffusion_model_2.")
            || begins("model.diffusion_model.")
        {
            if key.contains(".lora_A") || key.contains(".lora_B") { Self::Original } else { Self::Kohya }
        } else if begins("transformer.") || begins("transformer_2.") || begins("transformer2.") {
            Self::Diffusers
        } else if begins("base_model.") {
            Self::Peft
        } else if ["pipe.dit.", "pipe.dit2.", "dit.", "dit2."].into_iter().any(begins) {
            Self::DiffSynth
        } else if Key::parse(key).is_some() {
            Self::Bare
        } else {
            return None;
        })
    }
}

impl fmt::Display for LoraFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Original => "original names (PEFT)",
            Self::Kohya => "original names (kohya)",
            Self::Musubi => "musubi",
            Self::Fun => "Wan-Fun",
            Self::Mixed => "musubi with dots",
            Self::Lycoris => "LyCORIS",
            Self::Diffusers => "diffusers",
            Self::Peft => "PEFT",
            Self::DiffSynth => "DiffSynth",
            Self::OneTrainer => "OneTrainer",
            Self::Bare => "bare names",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_recognised() {
        for (key, format) in [
            ("diffusion_model.blocks.0.self_attn.q.lora_A.weight", Some(LoraFormat::Original)),
            ("diffusion_model.blocks.0.self_attn.q.lora_up.weight", Some(LoraFormat::Kohya)),
            ("diffusion_model.blocks.0.self_attn.q.diff_b", Some(LoraFormat::Kohya)),
            ("lora_unet_blocks_0_ffn_0.alpha", Some(LoraFormat::Musubi)),
            ("lora_unet_blocks_22.self_attn.k.alpha", Some(LoraFormat::Mixed)),
            ("lora_unet__blocks_0_ffn_0.lora_up.weight", Some(LoraFormat::Fun)),
            ("lycoris_blocks_0_ffn_net_2.lora_up.weight", Some(LoraFormat::Lycoris)),
            ("transformer.blocks.0.attn1.to_q.lora_A.weight", Some(LoraFormat::Diffusers)),
            ("base_model.model.blocks.0.ffn.2.lora_B.weight", Some(LoraFormat::Peft)),
            ("pipe.dit.blocks.0.ffn.2.lora_B.default.weight", Some(LoraFormat::DiffSynth)),
            ("pipe.dit2.blocks.0.ffn.2.lora_B.weight", Some(LoraFormat::DiffSynth)),
            ("lora_transformer_2.blocks.0.ffn.net.2.lora_up.weight", Some(LoraFormat::OneTrainer)),
            ("diffusion_model_2.blocks.0.ffn.2.lora_A.weight", Some(LoraFormat::Original)),
            ("blocks.0.ffn.2.lora_B.weight", Some(LoraFormat::Bare)),
            ("blocks.0.ffn.2.weight", None),
        ] {
            assert_eq!(LoraFormat::of(key), format, "{key}");
        }
    }
}
