//! Looks up a module of the model by any spelling of its name.

use std::collections::BTreeMap;

use crate::onnx::Weights;

/// Segments of module names in diffusers, and how other programs spell them.
///
/// Order matters where one segment is part of another. `norm2` of diffusers is `norm3` of the original code; the norm
/// that each of them calls by the other's name has no weights.
const SPELLINGS: [(&str, &[&str]); 22] = [
    ("attn1", &["self_attn"]),
    ("attn2", &["cross_attn"]),
    ("to_q", &["q"]),
    ("to_k", &["k"]),
    ("to_v", &["v"]),
    ("to_out.0", &["o", "to_out"]),
    ("add_k_proj", &["k_img"]),
    ("add_v_proj", &["v_img"]),
    ("norm_added_k", &["norm_k_img"]),
    ("ffn.net.0.proj", &["ffn.0"]),
    ("ffn.net.2", &["ffn.2"]),
    ("norm2", &["norm3"]),
    ("condition_embedder.time_embedder.linear_1", &["time_embedding.0"]),
    ("condition_embedder.time_embedder.linear_2", &["time_embedding.2"]),
    ("condition_embedder.text_embedder.linear_1", &["text_embedding.0"]),
    ("condition_embedder.text_embedder.linear_2", &["text_embedding.2"]),
    ("condition_embedder.time_proj", &["time_projection.1"]),
    ("condition_embedder.image_embedder.ff.net.0.proj", &["img_emb.proj.1"]),
    ("condition_embedder.image_embedder.ff.net.2", &["img_emb.proj.3"]),
    ("proj_out", &["head.head"]),
    // the last table belongs to the output head
    ("scale_shift_table", &["modulation", "head.modulation"]),
    ("patch_embedding", &[]),
];

/// Segments of the image branch of Wan 2.1's I2V models, which no Wan 2.2 model has.
const IMAGE_BRANCH: [&str; 7] =
    ["k_img", "v_img", "img_emb", "add_k_proj", "add_v_proj", "norm_added_k", "image_embedder"];

/// The modules and tables of one transformer by all their spellings.
pub(super) struct Names {
    modules: BTreeMap<String, String>,
}

impl Names {
    /// All modules of `weights`, which must have diffusers' names.
    pub(super) fn of(weights: &Weights) -> Self {
        let mut modules = BTreeMap::new();
        for (tensor, _) in weights.iter() {
            let module = tensor.strip_suffix(".weight").or_else(|| tensor.strip_suffix(".bias"));
            let module = module.unwrap_or(tensor);
            for spelling in spellings(module) {
                let other = modules.insert(folded(&spelling), module.to_owned());
                debug_assert!(
                    other.is_none_or(|other| other == module),
                    "{spelling} is the name of one module only"
                );
            }
        }
        Self { modules }
    }

    /// The module that a file calls `written`, with dots or underscores.
    pub(super) fn find(&self, written: &str) -> Option<&str> {
        self.modules.get(&folded(written)).map(String::as_str)
    }
}

/// Whether `written` belongs to the image branch of Wan 2.1.
pub(super) fn is_image_branch(written: &str) -> bool {
    let name = folded(written);
    IMAGE_BRANCH.iter().any(|part| name.contains(part))
}

/// Replaces dots by underscores, because only the model's own names show which is which.
fn folded(name: &str) -> String {
    name.replace('.', "_")
}

/// `module` in every combination of spellings, its own name first.
fn spellings(module: &str) -> Vec<String> {
    let mut found = vec![module.to_owned()];
    for (piece, others) in SPELLINGS {
        let Some((before, after)) = split_at_piece(module, piece) else { continue };
        for known in found.clone() {
            for other in others {
                // other segments of `known` may be replaced already, this one is not
                let (before, after) = split_at_piece(&known, piece).unwrap_or((before, after));
                found.push(format!("{before}{other}{after}"));
            }
        }
    }
    found
}

/// The text before and after a segment that is delimited by dots.
fn split_at_piece<'a>(name: &'a str, piece: &str) -> Option<(&'a str, &'a str)> {
    let (at, _) = name.match_indices(piece).find(|&(at, _)| {
        let (before, after) = (&name[..at], &name[at + piece.len()..]);
        (before.is_empty() || before.ends_with('.')) && (after.is_empty() || after.starts_with('.'))
    })?;
    Some((&name[..at], &name[at + piece.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(modules: &[&str]) -> Names {
        let pairs = modules.iter().flat_map(|module| {
            spellings(module).into_iter().map(|name| (folded(&name), (*module).to_owned()))
        });
        Names { modules: pairs.collect() }
    }

    #[test]
    fn modules_are_found_in_every_spelling() {
        let table = [
            ("blocks.3.attn1.to_q", ["blocks.3.self_attn.q", "blocks_3_self_attn_q", "blocks_3.self_attn.q"]),
            (
                "blocks.3.attn2.to_q",
                ["blocks.3.cross_attn.q", "blocks_3_cross_attn_to_q", "blocks.3.attn2.to_q"],
            ),
            (
                "blocks.3.attn2.to_out.0",
                ["blocks.3.cross_attn.o", "blocks_3_cross_attn_to_out_0", "blocks_3_attn2_to_out_0"],
            ),
            (
                "blocks.33.attn1.to_q",
                ["blocks.33.self_attn.q", "blocks_33_self_attn_q", "blocks_33_attn1_to_q"],
            ),
            ("blocks.3.ffn.net.0.proj", ["blocks.3.ffn.0", "blocks_3_ffn_0", "blocks_3_ffn_net_0_proj"]),
            ("blocks.3.ffn.net.2", ["blocks.3.ffn.2", "blocks_3_ffn_2", "blocks_3_ffn_net_2"]),
            ("blocks.3.norm2", ["blocks.3.norm3", "blocks_3_norm3", "blocks.3.norm2"]),
            (
                "blocks.3.attn1.norm_q",
                ["blocks.3.self_attn.norm_q", "blocks_3_self_attn_norm_q", "blocks.3.attn1.norm_q"],
            ),
            (
                "blocks.3.scale_shift_table",
                ["blocks.3.modulation", "blocks_3_modulation", "blocks.3.scale_shift_table"],
            ),
            ("scale_shift_table", ["head.modulation", "head_modulation", "scale_shift_table"]),
            ("proj_out", ["head.head", "head_head", "proj_out"]),
            (
                "condition_embedder.time_proj",
                ["time_projection.1", "time_projection_1", "condition_embedder_time_proj"],
            ),
            (
                "condition_embedder.text_embedder.linear_2",
                ["text_embedding.2", "text_embedding_2", "condition_embedder.text_embedder.linear_2"],
            ),
            (
                "condition_embedder.time_embedder.linear_1",
                ["time_embedding.0", "time_embedding_0", "condition_embedder_time_embedder_linear_1"],
            ),
            ("patch_embedding", ["patch_embedding", "patch.embedding", "patch_embedding"]),
        ];
        let modules = names(&table.map(|(module, _)| module));
        for (module, written) in table {
            for written in written {
                assert_eq!(modules.find(written), Some(module), "{written}");
            }
        }
        for written in ["blocks.4.self_attn.q", "blocks.3.self_attn.k_img", "vace_blocks.3.self_attn.q", ""] {
            assert_eq!(modules.find(written), None, "{written}");
        }
    }

    #[test]
    fn the_image_branch_of_wan_2_1_is_known() {
        for written in [
            "blocks.0.cross_attn.k_img",
            "blocks_0_cross_attn_v_img",
            "blocks.0.cross_attn.norm_k_img",
            "img_emb.proj.1",
            "blocks.0.attn2.add_k_proj",
            "condition_embedder.image_embedder.ff.net.2",
        ] {
            assert!(is_image_branch(written), "{written}");
        }
        assert!(!is_image_branch("blocks.0.cross_attn.k"));
    }
}
