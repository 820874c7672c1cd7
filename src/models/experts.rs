//! Finds out whether a transformer is the high-noise or the low-noise expert, by its file's and folder's names.

use std::path::Path;

use super::info::RoleSource;
use crate::core::{Error, Expert, Kind, Result};
use crate::onnx::Weights;
/// The expert that a name mentions: `wan2.2_t2v_high_noise_14B`, `HighNoise`, `low_noise_model`.
pub(super) fn expert_from_name(name: &str) -> Option<Expert> {
    let name = name.to_lowercase();
    let mentions = |expert: Expert| words(&name).any(|word| names_expert(word, expert));
    match (mentions(Expert::High), mentions(Expert::Low)) {
        (true, false) => Some(Expert::High),
        (false, true) => Some(Expert::Low),
        _ => None,
    }
}

/// The word that names use for an expert: `high`, `low`.
pub(super) fn word(expert: Expert) -> &'static str {
    match expert {
        Expert::High => "high",
        Expert::Low => "low",
    }
}

/// Whether a word of a name stands for the expert: `high`, `highnoise`.
fn names_expert(name: &str, expert: Expert) -> bool {
    name.strip_prefix(word(expert)).is_some_and(|rest| rest.is_empty() || rest == "noise")
}

/// `name` without the word for the expert, which the two files of a pair have in common.
pub(super) fn pair_name(name: &str) -> String {
    let lower = name.to_lowercase();
    let mut kept = Vec::new();
    for word in words(&lower) {
        let is_expert = names_expert(word, Expert::High) || names_expert(word, Expert::Low);
        if !is_expert && word != "noise" {
            kept.push(word);
        }
    }
    kept.join("_")
}

fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// The expert by the names of a transformer's file and folder, and which name said so; an error if they disagree.
///
/// Both a link's own name and the name of its target count.
pub(super) fn expert_of_file(path: &Path, weights: &Weights) -> Result<Option<(Expert, RoleSource)>> {
    let text = |name: Option<&std::ffi::OsStr>| name.unwrap_or_default().to_string_lossy().into_owned();
    let stem = text(path.file_stem());
    let folder = text(path.parent().and_then(Path::file_name));
    let real = weights.files().first().map(|file| text(file.file_stem())).unwrap_or_default();
    let said = [
        expert_from_name(&stem).map(|expert| (expert, RoleSource::FileName(stem))),
        expert_from_name(&folder).map(|expert| (expert, RoleSource::FolderName(folder))),
        expert_from_name(&real).map(|expert| (expert, RoleSource::FileName(real))),
    ];
    let mut said = said.into_iter().flatten();
    let Some(first) = said.next() else { return Ok(None) };
    match said.find(|(expert, _)| *expert != first.0) {
        None => Ok(Some(first)),
        Some((other, _)) => Err(contradiction(path, first.0, other)),
    }
}

/// The error for a transformer whose names disagree about the expert.
pub(super) fn contradiction(path: &Path, first: Expert, second: Expert) -> Error {
    Error::new(
        Kind::CorruptModel,
            format!(
                "The names of {} disagree: one says {} noise, another {} noise",
                path.display(),
                word(first),
                word(second)
            ),
        )
        .remedy("Check which expert the file is. If the two experts are swapped, swap them back; else rename the file or its folder")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_names_identify_the_expert() {
        for (name, expert) in [
            ("wan2.2_t2v_high_noise_14B_fp16", Some(Expert::High)),
            ("wan2.2_i2v_low_noise_14B_fp8_scaled", Some(Expert::Low)),
            ("Wan2.2-I2V-A14B-HighNoise-Q4_K_S", Some(Expert::High)),
            ("high_noise_model", Some(Expert::High)),
            ("wan2.2_text2video_14B_low_mbf16", Some(Expert::Low)),
            ("Wan2_2-T2V-A14B-LOW_fp8_e4m3fn_scaled_KJ", Some(Expert::Low)),
            ("diffusion_pytorch_model", None),
            ("wan_highlow", None),
            ("slow_flow_highway", None),
            ("high_and_low", None),
        ] {
            assert_eq!(expert_from_name(name), expert, "{name}");
        }
        assert_eq!(pair_name("wan2.2_t2v_high_noise_14B_fp16"), pair_name("wan2.2_t2v_LowNoise_14B_fp16"));
        assert_ne!(pair_name("wan2.2_t2v_high_noise_14B_fp16"), pair_name("wan2.2_t2v_low_noise_14B_fp8"));
    }
}
