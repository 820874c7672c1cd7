//! The names of models: official names, versions and variants, and what the names of files and folders say.
//!
//! A name is `BASE[@VERSION][-VARIANT]`, for instance `t2v-A14B@2.2.0-fp8_scaled`. A repository of a hub is
//! `OWNER/NAME`.

use std::path::Path;

/// Wan's official models, with the words that their repositories and files use.
const OFFICIAL: [(&str, &str, &[&str]); 3] = [
    ("ti2v-5B", "ti2v", &["5b"]),
    ("t2v-A14B", "t2v", &["14b", "a14b"]),
    ("i2v-A14B", "i2v", &["14b", "a14b"]),
];
/// Words in names of models for other tasks with the same sizes.
const OTHER_TASKS: [&str; 8] = ["animate", "vace", "fun", "s2v", "camera", "control", "inp", "dancer"];
/// Version of the official models.
const VERSION: &str = "2.2.0";
/// Words of a file's name that say nothing more than the model and its precision.
const COMMON_WORDS: [&str; 36] = [
    "wan",
    "wan2",
    "wan22",
    "2",
    "2x2",
    "t2v",
    "i2v",
    "ti2v",
    "text2video",
    "image2video",
    "14b",
    "a14b",
    "5b",
    "1",
    "3b",
    "fp32",
    "fp16",
    "bf16",
    "fp8",
    "scaled",
    "e4m3fn",
    "e5m2",
    "mbf16",
    "mfp16",
    "int8",
    "int4",
    "quanto",
    "kj",
    "diffusion",
    "pytorch",
    "model",
    "models",
    "noise",
    "gguf",
    "k",
    "0",
];
/// Words that stand for an expert.
const EXPERT_WORDS: [&str; 10] =
    ["high", "low", "highnoise", "lownoise", "hnoise", "lnoise", "hn", "ln", "h", "l"];
/// Start of the name of a repository's folder in a Hugging Face cache.
const HUB_PREFIX: &str = "models--";

/// The official model that the name of a repository, folder or file mentions: `t2v-A14B` for
/// `Wan-AI/Wan2.2-T2V-A14B-Diffusers`.
pub fn official_name(name: &str) -> Option<&'static str> {
    let lower = name.to_lowercase();
    let words: Vec<_> = words(&lower).collect();
    let is_wan = lower.contains("wan2.2")
        || lower.contains("wan22")
        || lower.contains("wan_2.2")
        || lower.contains("wan2_2");
    let is_other = words.iter().any(|word| OTHER_TASKS.contains(word));
    let named = |&&(_, mode, sizes): &&(&str, &str, &[&str])| {
        words.contains(&mode) && words.iter().any(|word| sizes.contains(word))
    };
    OFFICIAL.iter().filter(|_| is_wan && !is_other).find(named).map(|(name, ..)| *name)
}

/// Whether a name has the word Wan: `FastWan2.2-TI2V-5B` and `WanVideo_comfy`, but not `Taiwan-LLM`.
pub(super) fn mentions_wan(name: &str) -> bool {
    const WORD: &str = "wan";
    let lower = name.to_ascii_lowercase();
    lower.match_indices(WORD).any(|(at, _)| {
        let (before, after) = (&name[..at], &name[at + WORD.len()..]);
        let is_hump = name[at..].starts_with('W') && before.ends_with(char::is_lowercase);
        let begins = is_hump || !before.ends_with(|last: char| last.is_ascii_alphabetic());
        begins && !after.starts_with(char::is_lowercase)
    })
}

/// Whether `id` is the model `model` or a variant of it: `t2v-A14B-int8`, `t2v-A14B@2.2.0` and
/// `Wan-AI/Wan2.2-T2V-A14B-Diffusers` are variants of `t2v-A14B`.
///
/// ```
/// use wandeck::models::is_variant;
///
/// assert!(is_variant("t2v-A14B-fp8_scaled", "t2v-A14B"));
/// assert!(is_variant("Wan-AI/Wan2.2-TI2V-5B-Diffusers", "ti2v-5B"));
/// assert!(!is_variant("toy-t2v-A14B", "t2v-A14B"));
/// ```
pub fn is_variant(id: &str, model: &str) -> bool {
    let is_longer =
        id.strip_prefix(model).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '@', '~']));
    is_longer || (id.contains('/') && official_name(id) == Some(model))
}

/// `name` without its version, and the version: `t2v-A14B-int8` and `2.2.0` of `t2v-A14B@2.2.0-int8`.
pub(super) fn split_version(name: &str) -> (String, Option<&str>) {
    let Some((base, rest)) = name.split_once('@') else { return (name.to_owned(), None) };
    match rest.split_once('-') {
        Some((version, variant)) => (format!("{base}-{variant}"), Some(version)),
        None => (base.to_owned(), Some(rest)),
    }
}

/// Whether an official model has the version `asked`: `2.2.0`, `2.2` or `2`.
pub(super) fn is_version(asked: &str) -> bool {
    has_version(VERSION, asked)
}

/// Whether `asked` is `version` or its beginning up to a dot.
pub(super) fn has_version(version: &str, asked: &str) -> bool {
    version.strip_prefix(asked).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The repository `OWNER/NAME` whose folder in a Hugging Face cache is `dir`, or of which `dir` is a snapshot.
pub(super) fn repository(dir: &Path) -> Option<String> {
    let of = |dir: &Path| {
        let name = dir.file_name()?.to_str()?.strip_prefix(HUB_PREFIX)?;
        Some(name.replacen("--", "/", 1))
    };
    let snapshots = dir.parent().filter(|folder| folder.file_name().is_some_and(|name| name == "snapshots"));
    of(dir).or_else(|| of(snapshots?.parent()?))
}

/// The other names of a model in the folder `dir`, whose id is `id`.
pub(super) fn names_of_folder(dir: &Path, id: &str) -> Vec<String> {
    let folder = dir.file_name().map(|name| name.to_string_lossy().into_owned());
    let short = id.rsplit_once('/').map(|(_, name)| name.to_owned());
    let official = official_name(id).map(str::to_owned);
    folder.into_iter().chain(short).chain(official).filter(|name| name != id).collect()
}

/// The names of a model that single files make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LooseNames {
    /// Its id, which depends on nothing but the model's own files.
    pub(super) id: String,
    /// Ids of earlier versions of this program, and what the model is a variant of.
    pub(super) others: Vec<String>,
}

impl LooseNames {
    /// The names of a variant of `model`, whose first file has the stem `stem` and most of whose values are stored as
    /// `precision`.
    pub(super) fn new(model: &str, stem: &str, precision: &str) -> Self {
        let own = own_words(stem);
        let id = if own.is_empty() {
            format!("{model}-{precision}")
        } else {
            format!("{model}-{}-{precision}", own.join("_"))
        };
        let earlier = [
            model.to_owned(),
            format!("{model}-{precision}"),
            format!("{model}-{}", earlier_pair_name(stem)),
        ];
        let others = earlier.into_iter().filter(|name| *name != id).collect();
        Self { id, others }
    }
}

/// The words of a file's name that are its own: neither the model, nor its precision, nor the expert.
fn own_words(stem: &str) -> Vec<String> {
    let mut own = Vec::new();
    for part in words(stem) {
        let rest = without_expert(part);
        for word in rest.split('_').filter(|word| !word.is_empty()) {
            let is_quantisation = word.strip_prefix('q').is_some_and(|bits| bits.parse::<u8>().is_ok());
            if !COMMON_WORDS.contains(&word) && !is_quantisation {
                own.push(word.to_owned());
            }
        }
    }
    own
}

/// A word in lower case, with an underscore in place of the expert's: `remixwan22_v20` for `remixWan22HighV20`.
fn without_expert(word: &str) -> String {
    let lower = word.to_lowercase();
    if EXPERT_WORDS.contains(&lower.as_str()) {
        return String::new();
    }
    for expert in ["HighNoise", "LowNoise", "High", "Low"] {
        if let Some(at) = word.rfind(expert) {
            return format!("{}_{}", &word[..at], &word[at + expert.len()..]).to_lowercase();
        }
    }
    lower
}

/// The name of a pair in ids of version 0.1: words in lower case without those of the expert.
fn earlier_pair_name(stem: &str) -> String {
    let lower = stem.to_lowercase();
    let kept: Vec<_> = words(&lower)
        .filter(|word| !["high", "low", "highnoise", "lownoise", "noise"].contains(word))
        .collect();
    kept.join("_")
}

fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_and_files_mention_their_official_model() {
        for (name, official) in [
            ("Wan-AI/Wan2.2-T2V-A14B-Diffusers", Some("t2v-A14B")),
            ("Wan-AI/Wan2.2-TI2V-5B-Diffusers", Some("ti2v-5B")),
            ("QuantStack/Wan2.2-I2V-A14B-GGUF", Some("i2v-A14B")),
            ("wan2.2_ti2v_5B_fp16", Some("ti2v-5B")),
            ("Wan2.2-Animate-14B", None),
            ("Wan2.1-T2V-14B", None),
            ("Comfy-Org/Wan_2.2_ComfyUI_Repackaged", None),
            ("toy-t2v-A14B", None),
        ] {
            assert_eq!(official_name(name), official, "{name}");
        }
    }

    #[test]
    fn wan_is_a_word_of_a_name() {
        for name in [
            "Wan-AI/Wan2.2",
            "someone/tiny-wan",
            "FastWan2.2-TI2V",
            "WanVideo_comfy",
            "wan22_high",
            "my_WAN",
            "万相Wan2.2",
        ] {
            assert!(mentions_wan(name), "{name}");
        }
        for name in ["Taiwan-LLM-7B", "wanda-7b", "swan", "SWAN", "wants", "language", ""] {
            assert!(!mentions_wan(name), "{name}");
        }
    }

    #[test]
    fn variants_belong_to_their_model() {
        for (id, model, expected) in [
            ("t2v-A14B", "t2v-A14B", true),
            ("t2v-A14B@2.2.0-int8", "t2v-A14B", true),
            ("t2v-A14B-fp8_scaled", "t2v-A14B", true),
            ("t2v-A14Bs", "t2v-A14B", false),
            ("ti2v-5B", "i2v-5B", false),
            ("nvidia/Wan2.2-T2V-A14B-Diffusers-FP8", "t2v-A14B", true),
            ("nvidia/Wan2.2-T2V-A14B-Diffusers-FP8", "i2v-A14B", false),
        ] {
            assert_eq!(is_variant(id, model), expected, "{id} of {model}");
        }
        assert_eq!(split_version("t2v-A14B@2.2.0-int8"), ("t2v-A14B-int8".to_owned(), Some("2.2.0")));
        assert_eq!(split_version("t2v-A14B@2.2"), ("t2v-A14B".to_owned(), Some("2.2")));
        assert!(is_version("2.2") && is_version("2.2.0") && !is_version("2.1") && !is_version("2.20"));
    }

    #[test]
    fn ids_of_files_depend_on_their_own_names_alone() {
        let id = |stem: &str, precision: &str| LooseNames::new("t2v-A14B", stem, precision).id;
        for (stem, precision, expected) in [
            ("wan2.2_t2v_high_noise_14B_fp16", "fp16", "t2v-A14B-fp16"),
            ("wan2.2_t2v_high_noise_14B_fp8_scaled", "fp8_scaled", "t2v-A14B-fp8_scaled"),
            ("Wan2_2-T2V-A14B-LOW_fp8_e4m3fn_scaled_KJ", "fp8_scaled", "t2v-A14B-fp8_scaled"),
            ("diffusion_pytorch_model", "fp32", "t2v-A14B-fp32"),
            ("smoothMixWan22_t2vHigh", "bf16", "t2v-A14B-smoothmixwan22-bf16"),
            ("remixWan22_t2vHighV20", "bf16", "t2v-A14B-remixwan22_v20-bf16"),
            ("merge_HN_fp16", "fp16", "t2v-A14B-merge-fp16"),
            ("Tune_T2V_H", "fp16", "t2v-A14B-tune-fp16"),
            ("wan2.2_t2v_A14b_high_noise_lightx2v_4step", "fp8_scaled", "t2v-A14B-lightx2v_4step-fp8_scaled"),
        ] {
            assert_eq!(id(stem, precision), expected, "{stem}");
        }
        let names = LooseNames::new("t2v-192", "wan2.2_t2v_high_noise_14B_fp16", "bf16");
        assert_eq!(names.id, "t2v-192-bf16");
        assert_eq!(names.others, ["t2v-192", "t2v-192-wan2_2_t2v_14b_fp16"]);
    }

    #[test]
    fn a_repository_is_known_by_its_folder_and_its_snapshot() {
        let hub = Path::new("/hub/models--Wan-AI--Wan2.2-TI2V-5B-Diffusers");
        assert_eq!(repository(hub).as_deref(), Some("Wan-AI/Wan2.2-TI2V-5B-Diffusers"));
        assert_eq!(repository(&hub.join("snapshots/b8fff73")), repository(hub));
        assert_eq!(repository(Path::new("/models/toy")), None);
        assert_eq!(
            names_of_folder(&hub.join("snapshots/b8fff73"), "Wan-AI/Wan2.2-TI2V-5B-Diffusers"),
            ["b8fff73", "Wan2.2-TI2V-5B-Diffusers", "ti2v-5B"]
        );
    }
}
