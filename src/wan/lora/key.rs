//! What one key of a LoRA file says: which module, and which part of its change.

/// Part of a module's change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Part {
    /// `[rank, inputs]`, also called A.
    Down,
    /// `[outputs, rank]`, also called B.
    Up,
    /// Scalar; the change is scaled by alpha over rank.
    Alpha,
    /// Difference of the whole weight.
    Weight,
    /// Difference of the bias.
    Bias,
    /// Per-output magnitude of a DoRA; not used.
    Dora,
    /// A tensor of another method than LoRA.
    Foreign(&'static str),
}

/// A key taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// Module as the file writes it, without the dialect's prefix.
    pub(super) module: String,
    /// Its part.
    pub(super) part: Part,
}

/// Endings of keys. PEFT says A and B, kohya down and up, older diffusers `lora.down`; `.diff`, `.diff_b` are
/// those of extracted LoRAs.
const ENDINGS: [(&str, Part); 33] = [
    (".lora_A.weight", Part::Down),
    (".lora_B.weight", Part::Up),
    (".lora_B.bias", Part::Bias),
    (".lora_down.weight", Part::Down),
    (".lora_up.weight", Part::Up),
    (".lora_up.bias", Part::Bias),
    (".lora.down.weight", Part::Down),
    (".lora.up.weight", Part::Up),
    (".lora_linear_layer.down.weight", Part::Down),
    (".lora_linear_layer.up.weight", Part::Up),
    (".lora_A", Part::Down),
    (".lora_B", Part::Up),
    (".lora_down", Part::Down),
    (".lora_up", Part::Up),
    (".alpha", Part::Alpha),
    (".diff", Part::Weight),
    (".diff_b", Part::Bias),
    (".dora_scale", Part::Dora),
    (".lora_magnitude_vector.weight", Part::Dora),
    (".lora_magnitude_vector", Part::Dora),
    (".lora_mid.weight", Part::Foreign("a Tucker core")),
    (".lokr_w1", Part::Foreign("LoKr")),
    (".lokr_w1_a", Part::Foreign("LoKr")),
    (".lokr_w1_b", Part::Foreign("LoKr")),
    (".lokr_w2", Part::Foreign("LoKr")),
    (".lokr_w2_a", Part::Foreign("LoKr")),
    (".lokr_w2_b", Part::Foreign("LoKr")),
    (".hada_w1_a", Part::Foreign("LoHa")),
    (".hada_w1_b", Part::Foreign("LoHa")),
    (".hada_w2_a", Part::Foreign("LoHa")),
    (".hada_w2_b", Part::Foreign("LoHa")),
    (".oft_blocks", Part::Foreign("OFT")),
    (".set_weight", Part::Foreign("a replaced weight")),
];
/// Difference of a modulation table, named after the block that it belongs to (lightx2v).
const MODULATION: &str = ".diff_m";

/// What trainers put before a module's name. They nest, so they are taken off until none is left.
const PREFIXES: [&str; 13] = [
    "base_model.model.",
    "model.diffusion_model.",
    "diffusion_model.",
    "transformer.",
    "transformer_2.",
    "pipe.dit.",
    "dit.",
    "module.",
    "_orig_mod.",
    "lora_unet__",
    "lora_unet_",
    "lora_transformer_",
    "lycoris_",
];

impl Key {
    /// Takes `key` apart; none if no ending of a LoRA is known in it.
    pub(super) fn parse(key: &str) -> Option<Self> {
        // PEFT names its adapters, and "default" is the name nobody chose
        let plain = key.replace(".default.", ".");
        let plain = plain.strip_suffix(".default").unwrap_or(&plain);
        let module = without_prefixes(plain);
        if let Some(owner) = module.strip_suffix(MODULATION) {
            let owner = owner.strip_suffix(".modulation").unwrap_or(owner);
            return Some(Self { module: format!("{owner}.modulation"), part: Part::Weight });
        }
        let (ending, part) = ENDINGS.iter().find(|(ending, _)| module.ends_with(ending))?;
        let module = module.strip_suffix(ending)?.to_owned();
        Some(Self { module, part: *part })
    }
}

fn without_prefixes(key: &str) -> &str {
    let mut rest = key;
    while let Some(shorter) = PREFIXES.iter().find_map(|prefix| rest.strip_prefix(prefix)) {
        rest = shorter;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_other_models_stay_theirs() {
        // LTX-Video by SimpleTuner and by kohya: their blocks are not Wan's
        for key in [
            "lycoris_transformer_blocks_0_attn1_to_q.alpha",
            "lora_unet_transformer_blocks_0_attn1_to_q.alpha",
        ] {
            assert_eq!(Key::parse(key).unwrap().module, "transformer_blocks_0_attn1_to_q");
        }
    }

    #[test]
    fn every_dialect_is_taken_apart() {
        for (key, module, part) in [
            ("diffusion_model.blocks.0.self_attn.q.lora_A.weight", "blocks.0.self_attn.q", Part::Down),
            ("diffusion_model.blocks.0.cross_attn.k.lora_up.weight", "blocks.0.cross_attn.k", Part::Up),
            ("diffusion_model.blocks.0.ffn.0.diff_b", "blocks.0.ffn.0", Part::Bias),
            ("lora_unet_blocks_0_self_attn_q.lora_down.weight", "blocks_0_self_attn_q", Part::Down),
            ("lora_unet_blocks_22.self_attn.k.alpha", "blocks_22.self_attn.k", Part::Alpha),
            ("lora_unet__blocks_0_cross_attn_k.lora_down.weight", "blocks_0_cross_attn_k", Part::Down),
            ("lycoris_blocks_0_cross_attn_to_out_0.alpha", "blocks_0_cross_attn_to_out_0", Part::Alpha),
            ("lycoris_blocks_0_ffn_net_2.lokr_w1", "blocks_0_ffn_net_2", Part::Foreign("LoKr")),
            ("transformer.blocks.0.attn1.to_q.lora_B.weight", "blocks.0.attn1.to_q", Part::Up),
            ("blocks.0.attn2.to_v.lora_A.default.weight", "blocks.0.attn2.to_v", Part::Down),
            ("base_model.model.blocks.0.ffn.2.lora_B.weight", "blocks.0.ffn.2", Part::Up),
            ("base_model.model.diffusion_model.blocks.0.ffn.2.lora_B.bias", "blocks.0.ffn.2", Part::Bias),
            ("pipe.dit.blocks.3.self_attn.o.lora_A.default.weight", "blocks.3.self_attn.o", Part::Down),
            ("diffusion_model.head.head.diff", "head.head", Part::Weight),
            ("diffusion_model.blocks.7.diff_m", "blocks.7.modulation", Part::Weight),
            ("diffusion_model.blocks.7.modulation.diff_m", "blocks.7.modulation", Part::Weight),
            ("diffusion_model.head.diff_m", "head.modulation", Part::Weight),
            ("diffusion_model.blocks.1.self_attn.q.dora_scale", "blocks.1.self_attn.q", Part::Dora),
            ("blocks.1.attn1.to_q.lora_magnitude_vector.default.weight", "blocks.1.attn1.to_q", Part::Dora),
        ] {
            assert_eq!(Key::parse(key), Some(Key { module: module.to_owned(), part }), "{key}");
        }
        assert_eq!(Key::parse("blocks.0.self_attn.q.weight"), None, "a checkpoint's own key");
    }
}
