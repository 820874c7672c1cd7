//! A LoRA file, read as far as possible without a model.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::format::LoraFormat;
use super::key::{Factor, Key, KeyRole};
use super::method::LoraMethod;
use super::report::LoraSummary;
use super::scale::LoraScaling;
use crate::core::{Bytes, CancelToken, Error, Expert, Kind, Result};
use crate::onnx::{Dtype, TensorInfo, Weights, decode};
use crate::wan::DistilledSettings;

/// Metadata keys that may hold the name a LoRA was trained under.
const NAMES: [&str; 4] = ["modelspec.title", "ss_output_name", "name", "title"];
/// Metadata keys that may hold words to use in the prompt.
const TRIGGERS: [&str; 7] = [
    "modelspec.trigger_phrase",
    "trigger_phrase",
    "trigger_words",
    "trigger_word",
    "ss_trigger_words",
    "activation_text",
    "instance_prompt",
];

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
    /// What each name of `weights` says, in their order; none for a tensor that is no LoRA's.
    parsed: Vec<Option<Key>>,
    /// Whether it has keys for the low-noise expert.
    has_low: bool,
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
        let parsed: Vec<_> = weights.names().map(Key::parse).collect();
        let has_alpha = parsed.iter().flatten().any(|key| key.role == KeyRole::Alpha);
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
        let has_low = parsed.iter().flatten().any(|key| key.expert == Some(Expert::Low));
        Ok(Self { path: path.to_path_buf(), weights, settings, notes, parsed, has_low })
    }

    /// The path as asked for.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its tensors; the key is parsed if it is a LoRA's. A tensor of a type that is not used here has no information.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&str, Option<&TensorInfo>, Option<&Key>)> {
        let used = self.weights.iter().map(|(key, info)| (key, Some(info)));
        let all = used.chain(self.weights.unused().map(|(key, _)| (key, None)));
        all.zip(&self.parsed).map(|((raw, info), key)| (raw, info, key.as_ref()))
    }

    /// The expert that a key is for; `None` if the file does not tell its experts apart.
    ///
    /// In a file with keys for the low-noise expert, those without a name of an expert are for the high-noise one.
    pub(super) fn expert_of(&self, key: &Key) -> Option<Expert> {
        key.expert.or_else(|| self.has_low.then_some(Expert::High))
    }

    /// The experts that its keys name; empty if they name none.
    pub fn experts(&self) -> Vec<Expert> {
        let has = |expert| {
            self.keys().any(|(_, _, key)| key.is_some_and(|key| self.expert_of(key) == Some(expert)))
        };
        if self.has_low || has(Expert::High) {
            Expert::ALL.into_iter().filter(|expert| has(*expert)).collect()
        } else {
            Vec::new()
        }
    }

    /// Fails with [`Kind::Input`] and the tensor's name if a tensor that may be applied holds infinity or NaN. Reads the
    /// whole file.
    pub fn check_finite(&self, cancel: &CancelToken) -> Result<()> {
        for (name, info, key) in self.keys() {
            let (Some(info), Some(key)) = (info, key) else { continue };
            cancel.check()?;
            if !matches!(key.role, KeyRole::Foreign(_)) && !self.weights.is_finite(info)? {
                return Err(Error::new(
                    Kind::Input,
                    format!("The LoRA {} has infinity or NaN in the tensor {name}", self.path.display()),
                )
                .remedy("Its training failed or the file is damaged: fetch it again, or leave it out")
                .field("lora"));
            }
        }
        Ok(())
    }

    /// Memory that it takes on an expert in fp32.
    pub fn memory(&self, expert: Expert) -> Bytes {
        let mut values: u64 = 0;
        let mut factors: BTreeMap<&str, BTreeMap<Factor, &[usize]>> = BTreeMap::new();
        for (_, info, key) in self.keys() {
            let (Some(info), Some(key)) = (info, key) else { continue };
            if self.expert_of(key).is_some_and(|only| only != expert) {
                continue;
            }
            values += info.shape.iter().product::<usize>() as u64;
            if let KeyRole::Hadamard(factor) = key.role {
                factors.entry(&key.module).or_default().insert(factor, &info.shape);
            }
        }
        for shapes in factors.values() {
            let shape = |factor| shapes.get(&factor).copied().unwrap_or_default();
            if let (&[outputs, first], &[second, inputs]) = (shape(Factor::W1A), shape(Factor::W2B)) {
                // as factors of the product of the ranks if that is smaller; else one matrix at a time
                values += (first * second * (outputs + inputs)).min(outputs * inputs) as u64;
            }
        }
        Bytes(values * 4)
    }

    /// Describes the file by its own keys and metadata.
    pub fn summary(&self) -> LoraSummary {
        let (mut ranks, mut widths) = (BTreeSet::new(), BTreeMap::<usize, usize>::new());
        let mut methods = BTreeSet::new();
        let mut alphas: Vec<f32> = Vec::new();
        for (raw, info, key) in self.keys() {
            let Some(key) = key else { continue };
            methods.extend(LoraMethod::of(key.role));
            use Factor::{W1B, W2B};
            match (key.role, info.map(|info| &info.shape[..])) {
                (KeyRole::Down | KeyRole::Hadamard(W1B | W2B), Some([rank, width, ..])) => {
                    ranks.insert(*rank);
                    *widths.entry(*width).or_default() += 1;
                }
                (KeyRole::Kronecker(W1B | W2B), Some([rank, ..])) => {
                    ranks.insert(*rank);
                }
                (KeyRole::Alpha, _) => alphas.extend(self.scalar(raw)),
                _ => {}
            }
        }
        alphas.sort_by(f32::total_cmp);
        alphas.dedup();
        let width = widths.iter().max_by_key(|(_, count)| **count).map(|(width, _)| *width);
        LoraSummary {
            file: self.path.clone(),
            format: self.format(),
            methods: methods.into_iter().collect(),
            keys: self.weights.names().count(),
            size: self.size(),
            ranks: ranks.into_iter().collect(),
            alphas,
            expert: self.expert(),
            experts: self.experts(),
            trigger_words: trigger_words(self.weights.metadata()),
            width,
            advice: self.advice(),
        }
    }

    /// How its keys are named, the most frequent format first.
    pub fn format(&self) -> String {
        let mut formats: BTreeMap<LoraFormat, usize> = BTreeMap::new();
        for format in self.keys().filter_map(|(raw, _, key)| key.and_then(|_| LoraFormat::of(raw))) {
            *formats.entry(format).or_default() += 1;
        }
        let mut names: Vec<_> = formats.into_iter().collect();
        names.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        names.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>().join(" + ")
    }

    fn size(&self) -> Bytes {
        let size = |file: &PathBuf| std::fs::metadata(file).map_or(0, |about| about.len());
        Bytes(self.weights.files().iter().map(size).sum())
    }

    /// The expert that its file, its folder or its metadata names, the file first; `None` if it is not clear.
    pub fn expert(&self) -> Option<Expert> {
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        let folder = self.path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let said = |name: &str| Expert::from_name(name);
        let by_metadata = || self.trained_names().find_map(|name| said(&name));
        let by_folder = || Expert::from_folder_name(&folder);
        said(&stem).or_else(by_metadata).or_else(by_folder).or_else(|| self.expert_as_component(&stem))
    }

    /// The expert of a file that is called as diffusers calls the components of two experts, with the other one beside it.
    fn expert_as_component(&self, stem: &str) -> Option<Expert> {
        let (other, expert) = match stem {
            "transformer" => ("transformer_2", Expert::High),
            "transformer_2" => ("transformer", Expert::Low),
            _ => return None,
        };
        let extension = self.path.extension().unwrap_or_default();
        self.path.with_file_name(other).with_extension(extension).exists().then_some(expert)
    }

    /// Settings it was distilled for; `None` if it is not a distilled LoRA.
    pub fn advice(&self) -> Option<DistilledSettings> {
        let names = [self.path.file_stem(), self.path.parent().and_then(Path::file_name)];
        let names = names.into_iter().flatten().map(|name| name.to_string_lossy().into_owned());
        let all: Vec<_> = names.chain(self.trained_names()).map(|name| name.to_lowercase()).collect();
        DistilledSettings::of(&all)
    }

    /// The names that its metadata has for it.
    fn trained_names(&self) -> impl Iterator<Item = String> {
        NAMES.iter().filter_map(|key| self.weights.metadata().get(*key).cloned())
    }

    /// The value of the tensor `name`, if it has one element.
    pub(super) fn scalar(&self, name: &str) -> Option<f32> {
        let Ok(info) = self.weights.get(name) else {
            return self.weights.double(name).map(|value| value as f32);
        };
        let bytes = self.weights.bytes(info).ok()?;
        let mut values = Vec::new();
        Some(match (info.dtype, &bytes[..]) {
            (Dtype::I32, &[a, b, c, d]) => i32::from_le_bytes([a, b, c, d]) as f32,
            (Dtype::I64, &[a, b, c, d, e, f, g, h]) => i64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32,
            _ if decode(info.dtype, &bytes, &mut values) && values.len() == 1 => values[0],
            _ => return None,
        })
    }
}

/// The trigger words in `metadata`, which trainers separate by commas.
fn trigger_words(metadata: &BTreeMap<String, String>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for text in TRIGGERS.iter().filter_map(|key| metadata.get(*key)) {
        for word in text.split(',').map(|word| word.trim_matches(|c: char| " []\"'".contains(c))) {
            if !word.is_empty() && !found.iter().any(|known| known == word) {
                found.push(word.to_owned());
            }
        }
    }
    found
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
}
