//! Experts whose names show them only beside each other, as the two files of a pair.

use std::path::Path;

use super::super::info::RoleSource;
use super::pair::{Transformer, same_precision};
use crate::core::{Expert, Mode};

/// Width of the 1.3B transformers, which have no experts.
const SINGLE_WIDTH: usize = 1536;

/// How the names of a pair show its experts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Difference {
    /// One letter: `remix_h_v2` and `remix_l_v2`, `mergeFP8H` and `mergeFP8L`.
    Letter,
    /// The names of diffusers' folders, as files: `transformer` and `transformer_2`.
    Components,
    /// The names of diffusers' folders.
    Folders,
    /// Numbers as those of diffusers: `transformer_1` and `transformer_2`, `model` and `model_2`.
    Numbers,
}

/// Marks the experts of pairs whose names show them only beside each other.
pub(super) fn name_by_difference(transformers: &mut [Transformer]) {
    for high in 0..transformers.len() {
        let one = &transformers[high];
        let places = transformers.iter().enumerate();
        let mut found = places.filter_map(|(place, low)| Some((place, difference(one, low)?)));
        let Some((low, difference)) = found.next() else { continue };
        if difference == Difference::Numbers && !is_pair_of_folder(one, transformers) {
            continue;
        }
        if difference == Difference::Numbers {
            let assumption = assumption(one, &transformers[low]);
            transformers[low].assumption = Some(assumption);
        }
        for (place, expert) in [(high, Expert::High), (low, Expert::Low)] {
            let one = &mut transformers[place];
            let source = match difference {
                Difference::Folders => RoleSource::FolderName(folder_name(&one.found.path)),
                _ => RoleSource::FileName(one.found.stem.clone()),
            };
            one.expert = Some((expert, source));
        }
    }
}

/// How the names of two transformers without an expert show that `high` and `low` are a pair, if they do.
fn difference(high: &Transformer, low: &Transformer) -> Option<Difference> {
    let is_unknown = |one: &Transformer| one.expert.is_none() && !one.is_alone;
    if !is_unknown(high) || !is_unknown(low) || high.model != low.model || !same_precision(high, low) {
        return None;
    }
    let (first, second) = (high.found.stem.as_str(), low.found.stem.as_str());
    if differ_in_letter(first, second) {
        return Some(Difference::Letter);
    }
    if high.mode == Mode::TI2V || high.component.config.width() == SINGLE_WIDTH {
        return None;
    }
    let (first, second) = (first.to_lowercase(), second.to_lowercase());
    if high.found.path.parent() != low.found.path.parent() {
        return (first == second && differ_in_folder(&high.found.path, &low.found.path))
            .then_some(Difference::Folders);
    }
    if differ_as_components(&first, &second) {
        return Some(Difference::Components);
    }
    let has_same_shape = high.component.config == low.component.config;
    (has_same_shape && differ_in_number(&first, &second)).then_some(Difference::Numbers)
}

/// Whether the folder of `one` has just two transformers of its model.
fn is_pair_of_folder(one: &Transformer, transformers: &[Transformer]) -> bool {
    let is_beside = |other: &&Transformer| other.found.path.parent() == one.found.path.parent();
    transformers.iter().filter(is_beside).count() == 2
}

fn assumption(high: &Transformer, low: &Transformer) -> String {
    format!(
        "{} is taken for the high-noise expert and {} for the low-noise expert, the order in which diffusers numbers them. \
         If it is the other way round, choose them with --high and --low",
        high.found.stem, low.found.stem
    )
}

fn folder_name(path: &Path) -> String {
    let folder = path.parent().and_then(Path::file_name);
    folder.unwrap_or_default().to_string_lossy().into_owned()
}

/// Whether the files lie in diffusers' folders `transformer` and `transformer_2` of one model.
fn differ_in_folder(high: &Path, low: &Path) -> bool {
    let above = |path: &Path| path.parent().and_then(Path::parent).map(Path::to_path_buf);
    let (first, second) = (folder_name(high).to_lowercase(), folder_name(low).to_lowercase());
    above(high) == above(low) && first == "transformer" && second == "transformer_2"
}

/// Whether `low` is `high` with the word `transformer_2` in place of `transformer`.
fn differ_as_components(high: &str, low: &str) -> bool {
    let Some((before, after)) = around_transformer(high) else { return false };
    let is_numbered = after.starts_with("_1") || after.starts_with("_2");
    !is_numbered && low == format!("{before}transformer_2{after}")
}

/// Whether `low` has the number 2 where `high` has 1, or none: of a transformer, or of files that are called nothing but
/// `model`. With other words before it, `model_2` may be the second version.
fn differ_in_number(high: &str, low: &str) -> bool {
    let are_models = ["model", "model_1", "model-1"].contains(&high)
        && ["model_2", "model-2"].contains(&low)
        && (high == "model" || high[..6] == low[..6]);
    are_models
        || around_transformer(high).is_some_and(|(before, after)| {
            let is_number = |rest: &&str| !rest.starts_with(char::is_alphanumeric);
            ["_", "-"].iter().any(|joint| {
                let rest = after.strip_prefix(joint).and_then(|rest| rest.strip_prefix('1'));
                rest.filter(is_number).is_some_and(|rest| low == format!("{before}transformer{joint}2{rest}"))
            })
        })
}

/// What is before and after the only word `transformer` of a name.
fn around_transformer(name: &str) -> Option<(&str, &str)> {
    const WORD: &str = "transformer";
    let mut places = name.match_indices(WORD);
    let (Some((at, _)), None) = (places.next(), places.next()) else { return None };
    let (before, after) = (&name[..at], &name[at + WORD.len()..]);
    let is_word = !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric);
    is_word.then_some((before, after))
}

/// Whether `low` is `high` with an L in place of one H that is a word or ends one.
pub(super) fn differ_in_letter(high: &str, low: &str) -> bool {
    let (high, low): (Vec<_>, Vec<_>) = (high.chars().collect(), low.chars().collect());
    let mut places = (0..high.len().min(low.len())).filter(|&at| high[at] != low[at]);
    let (Some(at), None) = (places.next(), places.next()) else { return false };
    let ends_word = !high.get(at + 1).is_some_and(|next| next.is_alphabetic());
    let is_word = at.checked_sub(1).is_none_or(|before| !high[before].is_alphanumeric());
    let is_letter = match (high[at], low[at]) {
        ('H', 'L') => true,
        ('h', 'l') => is_word,
        _ => false,
    };
    high.len() == low.len() && ends_word && is_letter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_pair_may_be_those_of_the_components() {
        for (high, low) in
            [("transformer", "transformer_2"), ("wan22-transformer-fp8", "wan22-transformer_2-fp8")]
        {
            assert!(differ_as_components(high, low), "{high} {low}");
            assert!(!differ_as_components(low, high), "{low} {high}");
        }
        for (one, other) in [
            ("transformer", "transformer"),
            ("transformer_1", "transformer_2"),
            ("transformer_2", "transformer_2_2"),
            ("transformers", "transformer_2s"),
            ("transformer_a", "transformer_2_b"),
            ("model", "model_2"),
        ] {
            assert!(!differ_as_components(one, other), "{one} {other}");
        }
    }

    #[test]
    fn names_of_a_pair_may_differ_in_a_number() {
        for (high, low) in [
            ("transformer_1", "transformer_2"),
            ("wan22-transformer-1-fp8", "wan22-transformer-2-fp8"),
            ("model", "model_2"),
            ("model-1", "model-2"),
        ] {
            assert!(differ_in_number(high, low), "{high} {low}");
            assert!(!differ_in_number(low, high), "{low} {high}");
        }
        for (one, other) in [
            ("transformer_1", "transformer_3"),
            ("transformer_10", "transformer_20"),
            ("transformer_1b", "transformer_2b"),
            ("transformer_1", "transformer-2"),
            ("my_model", "my_model_2"),
            ("model_1", "model-2"),
            ("model", "model (1)"),
            ("model", "model"),
        ] {
            assert!(!differ_in_number(one, other), "{one} {other}");
        }
    }

    #[test]
    fn files_of_a_pair_may_lie_in_the_folders_of_the_components() {
        let file = |folder: &str| Path::new("/models").join(folder).join("weights.safetensors");
        assert!(differ_in_folder(&file("wan/transformer"), &file("wan/transformer_2")));
        assert!(!differ_in_folder(&file("wan/transformer_2"), &file("wan/transformer")));
        assert!(!differ_in_folder(&file("wan/transformer"), &file("other/transformer_2")));
    }

    #[test]
    fn names_of_a_pair_may_differ_in_one_letter() {
        for (high, low) in
            [("remix_h_v2", "remix_l_v2"), ("mergeFP8H", "mergeFP8L"), ("H", "L"), ("t2v14BH", "t2v14BL")]
        {
            assert!(differ_in_letter(high, low), "{high} {low}");
            assert!(!differ_in_letter(low, high), "{low} {high}");
        }
        for (one, other) in [
            ("hand", "land"),
            ("path", "patl"),
            ("Hat", "Lat"),
            ("a_h", "b_l"),
            ("a_h", "a_l2"),
            ("a_h", "a_h"),
        ] {
            assert!(!differ_in_letter(one, other), "{one} {other}");
        }
    }
}
