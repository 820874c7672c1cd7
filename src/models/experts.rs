//! Which expert a transformer is: the high-noise one, which begins a video, or the low-noise one, which ends it.

use std::path::Path;

use super::info::RoleSource;
use crate::core::{Error, Kind, Result};
use crate::onnx::Weights;

/// The two experts of a 14B model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NamedExpert {
    High,
    Low,
}

impl NamedExpert {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Low => "low",
        }
    }

    /// The expert that a name speaks of: `wan2.2_t2v_high_noise_14B`, `HighNoise`, `low_noise_model`.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        let name = name.to_lowercase();
        let says = |expert: Self| words(&name).any(|(_, word)| expert.is_in(word));
        match (says(Self::High), says(Self::Low)) {
            (true, false) => Some(Self::High),
            (false, true) => Some(Self::Low),
            _ => None,
        }
    }

    fn is_in(self, word: &str) -> bool {
        word.strip_prefix(self.word()).is_some_and(|rest| rest.is_empty() || rest == "noise")
    }
}

/// `name` without the word for the expert: the two of a pair have this in common.
pub(super) fn pair_name(name: &str) -> String {
    let lower = name.to_lowercase();
    let mut kept = Vec::new();
    for (_, word) in words(&lower) {
        let is_expert = NamedExpert::High.is_in(word) || NamedExpert::Low.is_in(word);
        if !is_expert && word != "noise" {
            kept.push(word);
        }
    }
    kept.join("_")
}

fn words(name: &str) -> impl Iterator<Item = (usize, &str)> {
    name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).enumerate()
}

/// What the names of a transformer's file and folder say; that they contradict each other is an error.
///
/// A link's own name and the name of what it points to both count.
pub(super) fn tell(path: &Path, weights: &Weights) -> Result<Option<(NamedExpert, RoleSource)>> {
    let text = |name: Option<&std::ffi::OsStr>| name.unwrap_or_default().to_string_lossy().into_owned();
    let stem = text(path.file_stem());
    let folder = text(path.parent().and_then(Path::file_name));
    let real = weights.files().first().map(|file| text(file.file_stem())).unwrap_or_default();
    let said = [
        NamedExpert::from_name(&stem).map(|expert| (expert, RoleSource::FileName(stem))),
        NamedExpert::from_name(&folder).map(|expert| (expert, RoleSource::FolderName(folder))),
        NamedExpert::from_name(&real).map(|expert| (expert, RoleSource::FileName(real))),
    ];
    let mut said = said.into_iter().flatten();
    let Some(first) = said.next() else { return Ok(None) };
    match said.find(|(expert, _)| *expert != first.0) {
        None => Ok(Some(first)),
        Some((other, _)) => Err(swapped(path, first.0, other)),
    }
}

/// The error of a transformer in the place of the other.
pub(super) fn swapped(path: &Path, place: NamedExpert, name: NamedExpert) -> Error {
    Error::new(
        Kind::CorruptModel,
        format!(
            "The names of {} contradict each other: one says {} noise, one says {} noise",
            path.display(),
            place.word(),
            name.word()
        ),
    )
    .remedy("Check which expert it is; if the two are swapped, swap them back, else rename the file or the folder")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_use_tell_the_expert() {
        for (name, expert) in [
            ("wan2.2_t2v_high_noise_14B_fp16", Some(NamedExpert::High)),
            ("wan2.2_i2v_low_noise_14B_fp8_scaled", Some(NamedExpert::Low)),
            ("Wan2.2-I2V-A14B-HighNoise-Q4_K_S", Some(NamedExpert::High)),
            ("high_noise_model", Some(NamedExpert::High)),
            ("wan2.2_text2video_14B_low_mbf16", Some(NamedExpert::Low)),
            ("Wan2_2-T2V-A14B-LOW_fp8_e4m3fn_scaled_KJ", Some(NamedExpert::Low)),
            ("diffusion_pytorch_model", None),
            ("wan_highlow", None),
            ("slow_flow_highway", None),
            ("high_and_low", None),
        ] {
            assert_eq!(NamedExpert::from_name(name), expert, "{name}");
        }
        assert_eq!(pair_name("wan2.2_t2v_high_noise_14B_fp16"), pair_name("wan2.2_t2v_LowNoise_14B_fp16"));
        assert_ne!(pair_name("wan2.2_t2v_high_noise_14B_fp16"), pair_name("wan2.2_t2v_low_noise_14B_fp8"));
    }
}
