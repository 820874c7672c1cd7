//! Parses a key of a LoRA file: which module it belongs to, its role, and the expert it names.

use crate::core::Expert;

/// Role of a tensor in a module's delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum KeyRole {
    /// The down matrix `[rank, inputs]`, also called A.
    Down,
    /// The up matrix `[outputs, rank]`, also called B.
    Up,
    /// The core between the two of a convolution in Tucker form, `[rank, rank, ...]`.
    Mid,
    /// A scalar; the delta is scaled by alpha / rank.
    Alpha,
    /// A full-rank delta of the weight.
    Weight,
    /// A delta of the bias.
    Bias,
    /// Magnitude per output or input of a DoRA.
    Magnitude,
    /// A factor of a `LoKr`.
    Kronecker(Factor),
    /// A factor of a `LoHa`.
    Hadamard(Factor),
    /// A tensor of another method than LoRA, with the method's name.
    Foreign(&'static str),
}

/// A factor of a `LoKr` or `LoHa`, by `LyCORIS`' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Factor {
    W1,
    W1A,
    W1B,
    T1,
    W2,
    W2A,
    W2B,
    T2,
}

/// A parsed key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// Module as the file spells it, without the format's prefix.
    pub(super) module: String,
    /// The tensor's role.
    pub(super) role: KeyRole,
    /// The expert that the prefix names.
    pub(super) expert: Option<Expert>,
}

/// Suffixes of keys. PEFT writes A and B, kohya down and up, older diffusers `lora.down`; extracted LoRAs have `.diff`
/// and `.diff_b`, `LyCORIS` has `.w_norm` and `.b_norm` for norms.
const ENDINGS: [(&str, KeyRole); 53] = [
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
    (".lora_mid.weight", KeyRole::Mid),
    (".alpha", KeyRole::Alpha),
    (".diff", KeyRole::Weight),
    (".diff_b", KeyRole::Bias),
    (".w_norm", KeyRole::Weight),
    (".b_norm", KeyRole::Bias),
    (".dora_scale", KeyRole::Magnitude),
    (".lora_magnitude_vector.weight", KeyRole::Magnitude),
    (".lora_magnitude_vector", KeyRole::Magnitude),
    (".lokr_w1", KeyRole::Kronecker(Factor::W1)),
    (".lokr_w1_a", KeyRole::Kronecker(Factor::W1A)),
    (".lokr_w1_b", KeyRole::Kronecker(Factor::W1B)),
    (".lokr_w2", KeyRole::Kronecker(Factor::W2)),
    (".lokr_w2_a", KeyRole::Kronecker(Factor::W2A)),
    (".lokr_w2_b", KeyRole::Kronecker(Factor::W2B)),
    (".lokr_t2", KeyRole::Kronecker(Factor::T2)),
    (".hada_w1_a", KeyRole::Hadamard(Factor::W1A)),
    (".hada_w1_b", KeyRole::Hadamard(Factor::W1B)),
    (".hada_w2_a", KeyRole::Hadamard(Factor::W2A)),
    (".hada_w2_b", KeyRole::Hadamard(Factor::W2B)),
    (".hada_t1", KeyRole::Hadamard(Factor::T1)),
    (".hada_t2", KeyRole::Hadamard(Factor::T2)),
    (".oft_blocks", KeyRole::Foreign("OFT")),
    (".oft_diag", KeyRole::Foreign("OFT")),
    (".oft_r", KeyRole::Foreign("OFT")),
    (".oft_R", KeyRole::Foreign("OFT")),
    (".oft_R.weight", KeyRole::Foreign("OFT")),
    (".boft_R", KeyRole::Foreign("BOFT")),
    (".boft_s", KeyRole::Foreign("BOFT")),
    (".a1.weight", KeyRole::Foreign("GLoRA")),
    (".a2.weight", KeyRole::Foreign("GLoRA")),
    (".b1.weight", KeyRole::Foreign("GLoRA")),
    (".b2.weight", KeyRole::Foreign("GLoRA")),
    (".ia3_l", KeyRole::Foreign("IA3")),
    (".on_input", KeyRole::Foreign("IA3")),
    (".vera_lambda_b", KeyRole::Foreign("VeRA")),
    (".vera_lambda_d", KeyRole::Foreign("VeRA")),
    (".set_weight", KeyRole::Foreign("a replaced weight")),
    (".reshape_weight", KeyRole::Foreign("a weight of another shape")),
];
/// Suffix of a delta of a modulation table, which lightx2v names after the table's block.
const MODULATION: &str = ".diff_m";
/// Tensors after which PEFT inserts the adapter's name.
const NAMED_BY_PEFT: [&str; 3] = [".lora_A.", ".lora_B.", ".lora_magnitude_vector."];

/// Prefixes that trainers put before a module's name, and the expert that they name. They nest, so they are removed
/// until none is left.
const PREFIXES: [(&str, Option<Expert>); 25] = [
    ("base_model.model.", None),
    ("model.diffusion_model.", None),
    ("diffusion_model.", None),
    ("diffusion_model_2.", Some(Expert::Low)),
    ("transformer.", None),
    ("transformer_2.", Some(Expert::Low)),
    ("transformer2.", Some(Expert::Low)),
    ("pipe.dit.", None),
    ("pipe.dit2.", Some(Expert::Low)),
    ("dit.", None),
    ("dit2.", Some(Expert::Low)),
    ("module.", None),
    ("lora_unet__", None),
    ("lora_unet_", None),
    ("lora_unet.", None),
    ("lora_transformer_2_", Some(Expert::Low)),
    ("lora_transformer_2.", Some(Expert::Low)),
    ("lora_transformer_", None),
    ("lora_transformer.", None),
    ("lycoris_", None),
    ("high_noise_model.", Some(Expert::High)),
    ("low_noise_model.", Some(Expert::Low)),
    ("high_noise.", Some(Expert::High)),
    ("low_noise.", Some(Expert::Low)),
    ("model.", None),
];
/// What wrappers of a module add to its path, also in the middle.
const WRAPPERS: [&str; 3] = ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];

impl Key {
    /// Parses `key`; `None` if it has no suffix of a LoRA key.
    pub(super) fn parse(key: &str) -> Option<Self> {
        let plain = without_adapter_name(&without_wrappers(key));
        let (module, expert) = without_prefixes(&plain);
        if let Some(owner) = module.strip_suffix(MODULATION) {
            let owner = owner.strip_suffix(".modulation").unwrap_or(owner);
            return Some(Self { module: format!("{owner}.modulation"), role: KeyRole::Weight, expert });
        }
        let (ending, role) = ENDINGS.iter().find(|(ending, _)| module.ends_with(ending))?;
        let module = module.strip_suffix(ending)?.to_owned();
        Some(Self { module, role: *role, expert })
    }
}

/// `key` without what `torch.compile` and other wrappers add.
fn without_wrappers(key: &str) -> String {
    let mut plain = key.to_owned();
    for wrapper in WRAPPERS.iter().filter(|wrapper| key.contains(**wrapper)) {
        for end in ['.', '_'] {
            plain = plain.replace(&format!("{wrapper}{end}"), "");
        }
    }
    plain
}

/// `key` without the adapter's name that PEFT inserts, which is `default` unless it was set.
fn without_adapter_name(key: &str) -> String {
    let plain = key.replace(".default.", ".");
    let plain = plain.strip_suffix(".default").unwrap_or(&plain);
    for tensor in NAMED_BY_PEFT {
        let Some((module, rest)) = plain.split_once(tensor) else { continue };
        if let Some((_, field @ ("weight" | "bias"))) = rest.split_once('.') {
            return format!("{module}{tensor}{field}");
        }
    }
    plain.to_owned()
}

fn without_prefixes(key: &str) -> (&str, Option<Expert>) {
    let (mut rest, mut expert) = (key, None);
    while let Some((shorter, said)) =
        PREFIXES.iter().find_map(|(prefix, expert)| Some((rest.strip_prefix(prefix)?, *expert)))
    {
        rest = shorter;
        expert = expert.or(said);
    }
    (rest, expert)
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
            ("lycoris_blocks_0_ffn_net_2.lokr_w1", "blocks_0_ffn_net_2", KeyRole::Kronecker(Factor::W1)),
            ("lora_unet_blocks_0_ffn_0.hada_w2_b", "blocks_0_ffn_0", KeyRole::Hadamard(Factor::W2B)),
            ("transformer.blocks.0.attn1.to_q.lora_B.weight", "blocks.0.attn1.to_q", KeyRole::Up),
            ("blocks.0.attn2.to_v.lora_A.default.weight", "blocks.0.attn2.to_v", KeyRole::Down),
            ("blocks.0.attn2.to_v.lora_A.my-style.weight", "blocks.0.attn2.to_v", KeyRole::Down),
            ("base_model.model.blocks.0.ffn.2.lora_B.weight", "blocks.0.ffn.2", KeyRole::Up),
            ("base_model.model.diffusion_model.blocks.0.ffn.2.lora_B.bias", "blocks.0.ffn.2", KeyRole::Bias),
            ("pipe.dit.blocks.3.self_attn.o.lora_A.default.weight", "blocks.3.self_attn.o", KeyRole::Down),
            ("_orig_mod.blocks.3._orig_mod.self_attn.o.lora_A.weight", "blocks.3.self_attn.o", KeyRole::Down),
            ("lora_unet__orig_mod_blocks_3_ffn_0.alpha", "blocks_3_ffn_0", KeyRole::Alpha),
            ("diffusion_model.head.head.diff", "head.head", KeyRole::Weight),
            ("diffusion_model.blocks.7.diff_m", "blocks.7.modulation", KeyRole::Weight),
            ("diffusion_model.blocks.7.modulation.diff_m", "blocks.7.modulation", KeyRole::Weight),
            ("diffusion_model.head.diff_m", "head.modulation", KeyRole::Weight),
            ("lycoris_blocks_1_norm2.w_norm", "blocks_1_norm2", KeyRole::Weight),
            ("diffusion_model.blocks.1.self_attn.q.dora_scale", "blocks.1.self_attn.q", KeyRole::Magnitude),
            (
                "blocks.1.attn1.to_q.lora_magnitude_vector.default.weight",
                "blocks.1.attn1.to_q",
                KeyRole::Magnitude,
            ),
            ("blocks.1.attn1.to_q.lora_magnitude_vector.a.weight", "blocks.1.attn1.to_q", KeyRole::Magnitude),
            ("lycoris_blocks_1_ffn_0.oft_blocks", "blocks_1_ffn_0", KeyRole::Foreign("OFT")),
        ] {
            assert_eq!(Key::parse(key), Some(Key { module: module.to_owned(), role, expert: None }), "{key}");
        }
        assert_eq!(Key::parse("blocks.0.self_attn.q.weight"), None, "a checkpoint's own key");
    }

    #[test]
    fn a_prefix_may_name_the_expert() {
        for (prefix, expert) in [
            ("transformer_2.", Some(Expert::Low)),
            ("base_model.model.transformer_2.", Some(Expert::Low)),
            ("lora_transformer_2.", Some(Expert::Low)),
            ("lora_transformer_2_", Some(Expert::Low)),
            ("diffusion_model_2.", Some(Expert::Low)),
            ("pipe.dit2.", Some(Expert::Low)),
            ("low_noise_model.diffusion_model.", Some(Expert::Low)),
            ("high_noise_model.", Some(Expert::High)),
            ("lora_transformer.", None),
            ("transformer.", None),
        ] {
            let key = Key::parse(&format!("{prefix}blocks.0.attn1.to_q.lora_A.weight")).unwrap();
            assert_eq!((key.module.as_str(), key.expert), ("blocks.0.attn1.to_q", expert), "{prefix}");
        }
    }
}
