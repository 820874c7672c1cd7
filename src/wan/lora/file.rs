//! A LoRA file, read as far as possible without a model.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::distilled::DistilledSettings;
use super::format::LoraFormat;
use super::key::{Key, KeyRole};
use super::report::LoraSummary;
use super::scale::LoraScaling;
use crate::core::{Error, Expert, Kind, Result};
use crate::onnx::{Dtype, TensorInfo, Weights};

/// Metadata keys that may hold the name a LoRA was trained under.
const NAMES: [&str; 4] = ["modelspec.title", "ss_output_name", "name", "title"];

/// A LoRA's tensors and settings; nothing is loaded.
///
/// ```
/// use wandeck::wan::lora::LoraFile;
///
/// # fn main() -> wandeck::core::Result<()> {
/// let file = LoraFile::open("tests/golden/loras/kohya.safetensors".as_ref())?;
/// assert!(file.summary().file.ends_with("kohya.safetensors"));
/// assert!(file.expert().is_none(), "neither name nor metadata says which expert it is for");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct LoraFile {
    /// The path as asked for.
    pub(super) path: PathBuf,
    pub(super) weights: Weights,
    pub(super) settings: LoraScaling,
    /// Assumptions that were made in reading it, one sentence each.
    pub(super) notes: Vec<String>,
}

impl LoraFile {
    /// Reads the header of `path`.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.is_file() {
            let what = if path.is_dir() { "is a folder" } else { "does not exist" };
            return Err(Error::new(Kind::Input, format!("The LoRA {} {what}", path.display()))
                .remedy("Give the path of a .safetensors file")
                .field("lora"));
        }
        let weights = Weights::from_files(&[path.to_path_buf()]).map_err(|error| error.field("lora"))?;
        let mut notes = Vec::new();
        let found = LoraScaling::find(weights.metadata(), path);
        let is_alpha = |key: &str| Key::parse(key).is_some_and(|key| key.role == KeyRole::Alpha);
        let has_alpha = weights.iter().any(|(key, _)| is_alpha(key));
        let is_peft = weights.iter().any(|(key, _)| LoraFormat::of(key) == Some(LoraFormat::Peft));
        let settings = found.unwrap_or_else(|| {
            if is_peft && !has_alpha {
                notes.push(
                    "The file has PEFT key names and no alpha, so it is assumed to be rank-stabilised: the scale is the square root of the rank"
                        .to_owned(),
                );
                return LoraScaling::rank_stabilised();
            }
            LoraScaling::default()
        });
        Ok(Self { path: path.to_path_buf(), weights, settings, notes })
    }

    /// Its tensors; the key is parsed if it is a LoRA's.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&str, &TensorInfo, Option<Key>)> {
        self.weights.iter().map(|(key, info)| (key, info, Key::parse(key)))
    }

    /// Describes the file by its own keys and metadata.
    pub fn summary(&self) -> LoraSummary {
        let mut formats: BTreeMap<LoraFormat, usize> = BTreeMap::new();
        let (mut ranks, mut widths) = (BTreeSet::new(), BTreeMap::<usize, usize>::new());
        let mut alphas: Vec<f32> = Vec::new();
        for (raw, info, key) in self.keys() {
            let Some(key) = key else { continue };
            if let Some(format) = LoraFormat::of(raw) {
                *formats.entry(format).or_default() += 1;
            }
            match (key.role, &info.shape[..]) {
                (KeyRole::Down, [rank, width, ..]) => {
                    ranks.insert(*rank);
                    *widths.entry(*width).or_default() += 1;
                }
                (KeyRole::Alpha, _) => alphas.extend(self.scalar(info)),
                _ => {}
            }
        }
        alphas.sort_by(f32::total_cmp);
        alphas.dedup();
        let width = widths.iter().max_by_key(|(_, count)| **count).map(|(width, _)| *width);
        let mut names: Vec<_> = formats.into_iter().collect();
        names.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        LoraSummary {
            file: self.path.clone(),
            format: names.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>().join(" + "),
            keys: self.weights.iter().count(),
            ranks: ranks.into_iter().collect(),
            alphas,
            expert: self.expert(),
            width,
            advice: self.advice(),
        }
    }

    /// The expert that its name or metadata mentions; `None` if they mention both or none.
    pub fn expert(&self) -> Option<Expert> {
        let speaks = |word: &str| {
            self.names().iter().any(|name| {
                let words: Vec<_> = name.split(|c: char| !c.is_alphanumeric()).collect();
                words.iter().any(|found| *found == word || *found == format!("{word}noise"))
            })
        };
        match (speaks("high"), speaks("low")) {
            (true, false) => Some(Expert::High),
            (false, true) => Some(Expert::Low),
            _ => None,
        }
    }

    /// Settings it was distilled for; `None` if it is not a distilled LoRA.
    pub fn advice(&self) -> Option<DistilledSettings> {
        DistilledSettings::of(&self.names())
    }

    /// File name and trained name, in lower case.
    fn names(&self) -> Vec<String> {
        let stem = self.path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let metadata = self.weights.metadata();
        let trained = NAMES.iter().filter_map(|key| metadata.get(*key).cloned());
        stem.into_iter().chain(trained).map(|name| name.to_lowercase()).collect()
    }

    /// The value of a tensor with one element.
    pub(super) fn scalar(&self, info: &TensorInfo) -> Option<f32> {
        let bytes = self.weights.bytes(info).ok()?;
        Some(match (info.dtype, &bytes[..]) {
            (Dtype::F32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
            (Dtype::Bf16, &[a, b]) => f32::from_bits(u32::from(u16::from_le_bytes([a, b])) << 16),
            (Dtype::F16, &[a, b]) => half(u16::from_le_bytes([a, b])),
            (Dtype::I32, &[a, b, c, d]) => i32::from_le_bytes([a, b, c, d]) as f32,
            (Dtype::I64, &[a, b, c, d, e, f, g, h]) => i64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32,
            _ => return None,
        })
    }
}

/// Converts an IEEE 754 half-precision value.
fn half(bits: u16) -> f32 {
    let (sign, exponent, fraction) = (bits >> 15, i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    let size = match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction > 0.0 => f32::NAN,
        31 => f32::INFINITY,
        _ => (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15),
    };
    if sign == 1 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str, tensors: &[(&str, &[usize])]) -> (tempfile::TempDir, LoraFile) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        let bytes = vec![0; 1 << 12];
        let views = tensors.iter().map(|(key, shape)| {
            let size = shape.iter().product::<usize>() * 4;
            let view =
                safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.to_vec(), &bytes[..size]);
            (*key, view.unwrap())
        });
        std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
        let file = LoraFile::open(&path).unwrap();
        (dir, file)
    }

    #[test]
    fn the_summary_describes_the_file() {
        let (_dir, file) = written(
            "Style_HIGH_v1.safetensors",
            &[
                ("lora_unet_blocks_0_ffn_0.lora_down.weight", &[4, 16]),
                ("lora_unet_blocks_0_ffn_0.lora_up.weight", &[32, 4]),
                ("lora_unet_blocks_0_ffn_0.alpha", &[]),
                ("diffusion_model.head.head.diff", &[4, 16]),
            ],
        );
        let summary = file.summary();
        assert_eq!((summary.format.as_str(), summary.keys), ("musubi + original names (kohya)", 4));
        assert_eq!((summary.ranks, summary.alphas, summary.width), (vec![4], vec![0.0], Some(16)));
        assert_eq!((summary.expert, summary.advice), (Some(Expert::High), None));
    }

    #[test]
    fn the_expert_is_guessed_from_whole_words() {
        for (name, expert) in [
            ("wan2.2_t2v_A14b_high_noise_lora_rank64_lightx2v_4step_1217.safetensors", Some(Expert::High)),
            ("Wan22-LowNoise-x.safetensors", Some(Expert::Low)),
            ("my_style_low.safetensors", Some(Expert::Low)),
            ("highres_slow.safetensors", None),
            ("high_and_low.safetensors", None),
        ] {
            let (_dir, file) = written(name, &[]);
            assert_eq!(file.expert(), expert, "{name}");
        }
    }

    #[test]
    fn missing_files_and_folders_are_named() {
        let dir = tempfile::tempdir().unwrap();
        for path in [dir.path().to_path_buf(), dir.path().join("a.safetensors")] {
            let error = LoraFile::open(&path).unwrap_err();
            assert_eq!((error.kind, error.field_name()), (Kind::Input, Some("lora")), "{error:#}");
        }
    }

    #[test]
    fn halves_are_read() {
        for (bits, value) in
            [(0x3c00, 1.0), (0xc000, -2.0), (0x5000, 32.0), (0x0001, 5.960_464_5e-8), (0, 0.0)]
        {
            assert_eq!(half(bits), value, "{bits:x}");
        }
    }
}
