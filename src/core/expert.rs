//! The experts of an A14B model, and how the names of files mention them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One of the two transformers of an A14B model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expert {
    /// The high-noise expert, which runs the first steps; also the only transformer of a model that has one.
    High,
    /// The low-noise expert, which runs the last steps.
    Low,
}

impl fmt::Display for Expert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::High => "high-noise expert",
            Self::Low => "low-noise expert",
        })
    }
}

impl Expert {
    /// Both, the one that runs first first.
    pub const ALL: [Self; 2] = [Self::High, Self::Low];

    /// The word that names and the command line use: `high`, `low`.
    pub fn word(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Low => "low",
        }
    }

    /// The expert that the name of a file or folder mentions; `None` if it mentions both or none.
    ///
    /// The clearest spelling counts: `high_noise`, `HighNoise` or `HN`, else `high`, `High` or `HighV20`, else `H`.
    ///
    /// ```
    /// use wandeck::core::Expert;
    ///
    /// assert_eq!(Expert::from_name("wan22_styleHighV20"), Some(Expert::High));
    /// assert_eq!(Expert::from_name("style_LN_v2"), Some(Expert::Low));
    /// assert_eq!(Expert::from_name("high_heels"), None);
    /// ```
    pub fn from_name(name: &str) -> Option<Self> {
        let mentions: Vec<(Spelling, Self)> =
            words(name).into_iter().filter_map(|word| Some((word.spelling?, word.expert?))).collect();
        let clearest = mentions.iter().map(|(spelling, _)| *spelling).min()?;
        let mut said =
            mentions.iter().filter(|(spelling, _)| *spelling == clearest).map(|(_, expert)| *expert);
        let first = said.next()?;
        said.all(|expert| expert == first).then_some(first)
    }

    /// The expert that the name of a folder mentions.
    ///
    /// Folders have names of all kinds, such as the random one of a temporary folder, so only a spelling with the word
    /// noise counts, and a name that says nothing else: `high`, `LN`, `low_noise_model`.
    ///
    /// ```
    /// use wandeck::core::Expert;
    ///
    /// assert_eq!(Expert::from_folder_name("wan22-HighNoise-fp8"), Some(Expert::High));
    /// assert_eq!(Expert::from_folder_name(".tmpLnQ4xB"), None);
    /// ```
    pub fn from_folder_name(name: &str) -> Option<Self> {
        let letters = name.chars().filter(|letter| letter.is_alphabetic());
        let letters: String = letters.flat_map(char::to_lowercase).collect();
        let says_noise = NOISE_IN_FULL.iter().any(|word| letters.contains(word));
        let says_nothing_else = EXPERT_FOLDERS.contains(&Self::pair_name(name).as_str());
        let is_clear = |expert| words(name).iter().all(|word| word.expert.is_none_or(|said| said == expert));
        Self::from_name(name).filter(|&expert| (says_noise || says_nothing_else) && is_clear(expert))
    }

    /// `name` in lower case without the words for the expert: the same for the two files of a pair.
    pub fn pair_name(name: &str) -> String {
        let mut parts: Vec<(usize, String)> = Vec::new();
        for word in words(name).into_iter().filter(|word| word.expert.is_none() && word.text != "noise") {
            match parts.last_mut().filter(|(part, _)| *part == word.part) {
                Some((_, text)) => text.push_str(&word.text),
                None => parts.push((word.part, word.text)),
            }
        }
        parts.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("_")
    }
}

/// How clearly a word mentions an expert, the clearest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Spelling {
    /// `high_noise`, `highnoise`, `HN`.
    Noise,
    /// `high`.
    Word,
    /// `H`.
    Letter,
}

/// A word of a name, in lower case.
struct Word {
    /// Index of the part between separators.
    part: usize,
    text: String,
    spelling: Option<Spelling>,
    expert: Option<Expert>,
}

/// Spellings that mean nothing else in any name.
const NOISE_IN_FULL: [&str; 4] = ["highnoise", "lownoise", "高噪", "低噪"];
/// What the name of an expert's folder says beside the expert.
const EXPERT_FOLDERS: [&str; 5] = ["", "expert", "model", "models", "transformer"];

/// Words after `high` or `low` that make it mean something else: a style of high heels, of low light.
const COMPOUNDS: [&str; 26] = [
    "angle",
    "contrast",
    "def",
    "definition",
    "detail",
    "detailed",
    "details",
    "end",
    "fantasy",
    "fashion",
    "fps",
    "heel",
    "heels",
    "key",
    "light",
    "poly",
    "quality",
    "rank",
    "ranks",
    "res",
    "resolution",
    "rise",
    "school",
    "speed",
    "tech",
    "vram",
];

fn words(name: &str) -> Vec<Word> {
    let mut all: Vec<Word> = Vec::new();
    let parts = name.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
    for (index, part) in parts.enumerate() {
        if matches!(part, "H" | "L") {
            let expert = if part == "H" { Expert::High } else { Expert::Low };
            let (text, spelling) = (part.to_lowercase(), Some(Spelling::Letter));
            all.push(Word { part: index, text, spelling, expert: Some(expert) });
            continue;
        }
        all.extend(camel_words(part).into_iter().map(|text| {
            let (spelling, expert) = match text.as_str() {
                "highnoise" | "hinoise" | "hnoise" | "hn" => (Some(Spelling::Noise), Some(Expert::High)),
                "lownoise" | "lonoise" | "lnoise" | "ln" => (Some(Spelling::Noise), Some(Expert::Low)),
                "high" => (Some(Spelling::Word), Some(Expert::High)),
                "low" => (Some(Spelling::Word), Some(Expert::Low)),
                // Chinese for high noise and low noise
                text if text.contains("高噪") => (Some(Spelling::Noise), Some(Expert::High)),
                text if text.contains("低噪") => (Some(Spelling::Noise), Some(Expert::Low)),
                _ => (None, None),
            };
            Word { part: index, text, spelling, expert }
        }));
    }
    for index in 1..all.len() {
        let is_noise = all[index].text == "noise";
        let is_compound = COMPOUNDS.contains(&all[index].text.as_str());
        let before = &mut all[index - 1];
        let short = match before.text.as_str() {
            "hi" | "h" => Some(Expert::High),
            "lo" | "l" => Some(Expert::Low),
            _ => None,
        };
        if let Some(expert) = short.filter(|_| is_noise) {
            (before.spelling, before.expert) = (Some(Spelling::Noise), Some(expert));
        } else if before.spelling == Some(Spelling::Word) && is_noise {
            before.spelling = Some(Spelling::Noise);
        } else if before.spelling == Some(Spelling::Word) && is_compound {
            (before.spelling, before.expert) = (None, None);
        }
    }
    all
}

/// The words of a part without separators, in lower case: `styleHighV20` has `style`, `high`, `v` and `20`.
fn camel_words(part: &str) -> Vec<String> {
    let letters: Vec<char> = part.chars().collect();
    let mut found = Vec::new();
    let mut word = String::new();
    for (index, &letter) in letters.iter().enumerate() {
        if begins_word(&letters, index) {
            found.push(std::mem::take(&mut word));
        }
        word.extend(letter.to_lowercase());
    }
    found.push(word);
    found
}

/// Whether a word begins at `index` of a part without separators.
fn begins_word(letters: &[char], index: usize) -> bool {
    let Some(before) = index.checked_sub(1).map(|index| letters[index]) else { return false };
    let (letter, after) = (letters[index], letters.get(index + 1));
    // `v2` is a version of what is before it, whatever its capitals are
    let is_version = |at: usize| {
        letters.get(at) == Some(&'v') && letters.get(at + 1).is_some_and(|next| next.is_numeric())
    };
    let hump = letter.is_uppercase() && !before.is_uppercase();
    // the last capital of a run begins the next word: `HNStyle`; but not that of `styleHIGHcolour`
    let run = letter.is_uppercase()
        && before.is_uppercase()
        && after.is_some_and(|after| after.is_lowercase())
        && !is_version(index + 1)
        && !ends_expert_in_capitals(&letters[..=index]);
    let after_expert = letter.is_lowercase() && ends_expert_in_capitals(&letters[..index]);
    let is_other_script = before.is_ascii() != letter.is_ascii();
    hump || run
        || after_expert
        || is_version(index)
        || is_other_script
        || before.is_numeric() != letter.is_numeric()
}

/// Whether the last run of capitals is HIGH or LOW, and more than the start of another word (`SLOWmo`).
fn ends_expert_in_capitals(letters: &[char]) -> bool {
    let capitals = letters.iter().rev().take_while(|letter| letter.is_uppercase());
    let run: String = capitals.collect::<Vec<_>>().into_iter().rev().collect();
    run == "HIGH" || run == "LOW"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mention_an_expert_in_many_spellings() {
        const HIGH: Option<Expert> = Some(Expert::High);
        const LOW: Option<Expert> = Some(Expert::Low);
        for (name, expert) in [
            ("wan2.2_t2v_high_noise_14B_fp16", HIGH),
            ("wan2.2_i2v_low_noise_14B_fp8_scaled", LOW),
            ("Wan2.2-I2V-A14B-HighNoise-Q4_K_S", HIGH),
            ("wan22-lownoise-style", LOW),
            ("high_noise_model", HIGH),
            ("wan2.2_text2video_14B_low_mbf16", LOW),
            ("Wan2_2-T2V-A14B-LOW_fp8_e4m3fn_scaled_KJ", LOW),
            ("wan22StyleHigh", HIGH),
            ("styleLow", LOW),
            ("smoothMixWan22_I2VHighV20", HIGH),
            ("smoothMixWan22LowV20", LOW),
            ("style_HN_v1", HIGH),
            ("wan22_Hi_noise_v3", HIGH),
            ("wan22-LoNoise", LOW),
            ("万相2.2图生视频高噪Q8", HIGH),
            ("wan2.2_t2v低噪声", LOW),
            ("hi_res_style", None),
            ("STYLE-LN-000020", LOW),
            ("style_LNv2", LOW),
            ("wan2.2_style_H", HIGH),
            ("wan2.2_style_L_v2", LOW),
            ("High_Heels_LN", LOW),
            ("high_quality_low_noise", LOW),
            ("high_heels", None),
            ("LowPolyStyle", None),
            ("diffusion_pytorch_model", None),
            ("wan_highlow", None),
            ("slow_flow_highway", None),
            ("high_and_low", None),
            ("style_h264", None),
            ("w_hnoise", HIGH),
            ("w_lnoise", LOW),
            ("wan22_h_noise", HIGH),
            ("wan22LNoise", LOW),
            ("fooHIGHbar", HIGH),
            ("fooLOWbar_v2", LOW),
            ("LOWstyle", LOW),
            ("HIGHres", None),
            ("SLOWmo", None),
            ("HIGHLANDSview", None),
        ] {
            assert_eq!(Expert::from_name(name), expert, "{name}");
        }
    }

    #[test]
    fn the_name_of_a_folder_mentions_an_expert_in_full_or_alone() {
        for (name, expert) in [
            ("high_noise_model", Some(Expert::High)),
            ("LowNoise", Some(Expert::Low)),
            ("wan2.2-t2v-low-noise-Q8_0", Some(Expert::Low)),
            ("万相高噪", Some(Expert::High)),
            ("high", Some(Expert::High)),
            ("HN", Some(Expert::High)),
            ("L", Some(Expert::Low)),
            (".tmpLnQ4xB", None),
            (".tmpa_H", None),
            ("wan_high", None),
            ("LowPolyStyle", None),
            ("diffusion_models", None),
            ("high_and_low_noise", None),
        ] {
            assert_eq!(Expert::from_folder_name(name), expert, "{name}");
        }
    }

    #[test]
    fn the_files_of_a_pair_have_one_pair_name() {
        for (high, low) in [
            ("wan2.2_t2v_high_noise_14B_fp16", "wan2.2_t2v_LowNoise_14B_fp16"),
            ("styleHighV20", "styleLowV20"),
            ("style_HN_v1", "style_LN_v1"),
            ("style_H", "style_L"),
            ("w_hnoise", "w_lnoise"),
            ("fooHIGHbar", "fooLOWbar"),
        ] {
            assert_eq!(Expert::pair_name(high), Expert::pair_name(low));
        }
        assert_eq!(Expert::pair_name("Wan2.2_T2V_HighNoise_fp8_e4m3fn"), "wan2_2_t2v_fp8_e4m3fn");
        assert_ne!(
            Expert::pair_name("wan2.2_t2v_high_noise_14B_fp16"),
            Expert::pair_name("wan2.2_t2v_low_noise_14B_fp8")
        );
    }
}
