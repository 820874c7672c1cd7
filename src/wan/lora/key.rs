//! Parses a key of a LoRA file: which module it belongs to, and its role.

/// Role of a tensor in a module's delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum KeyRole {
    /// The down matrix `[rank, inputs]`, also called A.
    Down,
    /// The up matrix `[outputs, rank]`, also called B.
    Up,
    /// A scalar; the delta is scaled by alpha / rank.
    Alpha,
    /// A full-rank delta of the weight.
    Weight,
    /// A delta of the bias.
    Bias,
    /// Magnitude per output of a DoRA; not applied.
    Dora,
    /// A tensor of another method than LoRA, with the method's name.
    Foreign(&'static str),
}

/// A parsed key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// Module as the file spells it, without the format's prefix.
    pub(super) module: String,
    /// The tensor's role.
    pub(super) role: KeyRole,
}

/// Suffixes of keys. PEFT writes A and B, kohya down and up, older diffusers `lora.down`; extracted LoRAs have `.diff`
/// and `.diff_b`.
const ENDINGS: [(&str, KeyRole); 33] = [
    (".lora_A.weight", KeyRole::Down),
    (".lora_B.weight", KeyRole::Up),
    (".lora_B.bias", KeyRole::Bias),
    (".lora_down.weight", KeyRole::Down),
    (".lora_up.weight", KeyRole::Up),
    (".lora_up.bias", KeyRole::Bias),
    (".lora.down.weight", KeyRole::Down),
    (".lora.up.weight", KeyRole::Up),
    (".lora_linear_layer.down.weight", KeyRole::Down),
    (".lora_linear_layer.up.weight", KeyRole::Up),
    (".lora_A", KeyRole::Down),
    (".lora_B", KeyRole::Up),
    (".lora_down", KeyRole::Down),
    (".lora_up", KeyRole::Up),
    (".alpha", KeyRole::Alpha),
    (".diff", KeyRole::Weight),
    (".diff_b", KeyRole::Bias),
    (".dora_scale", KeyRole::Dora),
    (".lora_magnitude_vector.weight", KeyRole::Dora),
    (".lora_magnitude_vector", KeyRole::Dora),
    (".lora_mid.weight", KeyRole::Foreign("a Tucker core")),
    (".lokr_w1", KeyRole::Foreign("LoKr")),
    (".lokr_w1_a", KeyRole::Foreign("LoKr")),
    (".lokr_w1_b", KeyRole::Foreign("LoKr")),
    (".lokr_w2", KeyRole::Foreign("LoKr")),
    (".lokr_w2_a", KeyRole::Foreign("LoKr")),
    (".lokr_w2_b", KeyRole::Foreign("LoKr")),
    (".hada_w1_a", KeyRole::Foreign("LoHa")),
    (".hada_w1_b", KeyRole::Foreign("LoHa")),
    (".hada_w2_a", KeyRole::Foreign("LoHa")),
    (".hada_w2_b", KeyRole::Foreign("LoHa")),
    (".oft_blocks", KeyRole::Foreign("OFT")),
    (".set_weight", KeyRole::Foreign("a replaced weight")),
];
/// Suffix of a delta of a modulation table, which lightx2v names after the table's block.
const MODULATION: &str = ".diff_m";

/// Prefixes that trainers put before a module's name. They nest, so they are removed until none is skipped.
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
    /// Parses `key`; `None` if it has no suffix of a LoRA key.
    pub(super) fn parse(key: &str) -> Option<Self> {
        // PEFT inserts the adapter's name, which is "default" unless it was set
        let plain = key.replace(".default.", ".");
        let plain = plain.strip_suffix(".default").unwrap_or(&plain);
        let module = without_prefixes(plain);
        if let Some(owner) = module.strip_suffix(MODULATION) {
            let owner = owner.strip_suffix(".modulation").unwrap_or(owner);
            return Some(Self { module: format!("{owner}.modulation"), role: KeyRole::Weight });
        }
        let (ending, role) = ENDINGS.iter().find(|(ending, _)| module.ends_with(ending))?;
        let module = module.strip_suffix(ending)?.to_owned();
        Some(Self { module, role: *role })
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
    fn names_of_other_models_are_kept() {
        // LTX-Video by SimpleTuner and by kohya: their blocks are not those of Wan
        for key in [
            "lycoris_transformer_blocks_0_attn1_to_q.alpha",
            "lora_unet_transformer_blocks_0_attn1_to_q.alpha",
        ] {
            assert_eq!(Key::parse(key).unwrap().module, "transformer_blocks_0_attn1_to_q");
        }
    }

    #[test]
    fn every_format_is_parsed() {
        for (key, module, role) in [
            ("diffusion_model.blocks.0.self_attn.q.lora_A.weight", "blocks.0.self_attn.q", KeyRole::Down),
            ("diffusion_model.blocks.0.cross_attn.k.lora_up.weight", "blocks.0.cross_attn.k", KeyRole::Up),
            ("diffusion_model.blocks.0.ffn.0.diff_b", "blocks.0.ffn.0", KeyRole::Bias),
            ("lora_unet_blocks_0_self_attn_q.lora_down.weight", "blocks_0_self_attn_q", KeyRole::Down),
            ("lora_unet_blocks_22.self_attn.k.alpha", "blocks_22.self_attn.k", KeyRole::Alpha),
            ("lora_unet__blocks_0_cross_attn_k.lora_down.weight", "blocks_0_cross_attn_k", KeyRole::Down),
            ("lycoris_blocks_0_cross_attn_to_out_0.alpha", "blocks_0_cross_attn_to_out_0", KeyRole::Alpha),
            ("lycoris_blocks_0_ffn_net_2.lokr_w1", "blocks_0_ffn_net_2", KeyRole::Foreign("LoKr")),
            ("transformer.blocks.0.attn1.to_q.lora_B.weight", "blocks.0.attn1.to_q", KeyRole::Up),
            ("blocks.0.attn2.to_v.lora_A.default.weight", "blocks.0.attn2.to_v", KeyRole::Down),
            ("base_model.model.blocks.0.ffn.2.lora_B.weight", "blocks.0.ffn.2", KeyRole::Up),
            ("base_model.model.diffusion_model.blocks.0.ffn.2.lora_B.bias", "blocks.0.ffn.2", KeyRole::Bias),
            ("pipe.dit.blocks.3.self_attn.o.lora_A.default.weight", "blocks.3.self_attn.o", KeyRole::Down),
            ("diffusion_model.head.head.diff", "head.head", KeyRole::Weight),
            ("diffusion_model.blocks.7.diff_m", "blocks.7.modulation", KeyRole::Weight),
            ("diffusion_model.blocks.7.modulation.diff_m", "blocks.7.modulation", KeyRole::Weight),
            ("diffusion_model.head.diff_m", "head.modulation", KeyRole::Weight),
            ("diffusion_model.blocks.1.self_attn.q.dora_scale", "blocks.1.self_attn.q", KeyRole::Dora),
            (
                "blocks.1.attn1.to_q.lora_magnitude_vector.default.weight",
                "blocks.1.attn1.to_q",
                KeyRole::Dora,
            ),
        ] {
            assert_eq!(Key::parse(key), Some(Key { module: module.to_owned(), role }), "{key}");
        }
        assert_eq!(Key::parse("blocks.0.self_attn.q.weight"), None, "a checkpoint's own key");
    }
}
