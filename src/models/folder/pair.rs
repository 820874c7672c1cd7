//! Pairs transformers to models of two experts.

use std::path::Path;

use super::super::chosen;
use super::super::component;
use super::super::experts::expert_of_file;
use super::super::info::{RoleSource, precision};
use super::super::known_experts::KnownExperts;
use super::beside::differ_in_letter;
use super::scan::Found;
use crate::core::{ComponentFiles, Error, Expert, Kind, Mode, Result};
use crate::wan::names::ComponentKind;
use crate::wan::{Component, TransformerConfig};

/// Width of the 14B transformers, which come in pairs.
const PAIRED_WIDTH: usize = 5120;

/// A transformer that was opened and checked.
#[derive(Clone, Debug)]
pub(super) struct Transformer {
    pub(super) found: Found,
    pub(super) component: Component<TransformerConfig>,
    pub(super) notes: Vec<String>,
    /// The mode it was trained for.
    pub(super) mode: Mode,
    /// The model it belongs to, for instance `t2v-A14B`.
    pub(super) model: String,
    pub(super) expert: Option<(Expert, RoleSource)>,
    /// Whether it is a model's only transformer, whatever its width: it is in one file with a text encoder and a VAE, or
    /// its name says so.
    pub(super) is_alone: bool,
    /// What was assumed to tell which expert it and the other one are.
    pub(super) assumption: Option<String>,
}

/// The transformers of one model.
#[derive(Clone, Debug)]
pub(super) enum Group {
    Pair(Box<[Transformer; 2]>),
    Alone(Box<Transformer>),
}

impl Group {
    pub(super) fn first(&self) -> &Transformer {
        match self {
            Self::Pair(pair) => &pair[0],
            Self::Alone(alone) => alone,
        }
    }
}

/// Opens a transformer and finds out its mode, model and expert. A file that has all components of a model has its only
/// transformer, unless it is named as an expert.
pub(super) fn transformer(found: Found, has_all: bool, known: &KnownExperts<'_>) -> Result<Transformer> {
    let expert = expert_of_file(&found.path, &found.recognised.weights)?;
    let is_alone = expert.is_none() && (has_all || is_called_all_in_one(&found.stem));
    let expert = expert.or_else(|| known.expert(&found.recognised.weights).filter(|_| !is_alone));
    let mut one = Transformer { is_alone, ..named(found, expert)? };
    if is_alone && one.component.config.width() == PAIRED_WIDTH {
        // it is no variant of the model with two experts
        one.model = format!("{}-14B", one.mode);
    }
    let name = one.found.stem.to_lowercase();
    let is_older = ["wan2.1", "wan21", "wan2_1", "wan_2.1"].iter().any(|word| name.contains(word));
    if one.expert.is_none() && one.component.config.width() == PAIRED_WIDTH && is_older {
        return Err(Error::new(
            Kind::Unsupported,
            format!(
                "{} is a 14B transformer of Wan 2.1 by its name, which has no experts",
                one.found.path.display()
            ),
        )
        .remedy("Download the two transformers of Wan 2.2 A14B, high noise and low noise"));
    }
    Ok(one)
}

/// Whether a file's name says that the model has no second transformer.
fn is_called_all_in_one(stem: &str) -> bool {
    let words: Vec<_> = stem.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase).collect();
    words.iter().any(|word| ["aio", "allinone"].contains(&&**word))
        || words.windows(3).any(|words| words == ["all", "in", "one"])
}

fn named(found: Found, expert: Option<(Expert, RoleSource)>) -> Result<Transformer> {
    let folder = found.path.parent().unwrap_or_else(|| Path::new(""));
    let config = component::config_beside(folder, &found.recognised);
    let (component, odd) = component::transformer(found.recognised.clone(), config.as_ref())?;
    let notes = odd
        .into_iter()
        .map(|odd| format!("{}: {odd}; the weights' value is used", found.path.display()))
        .collect();
    let mode = mode(&found.path, &component.config)?;
    let size = match component.config.width() {
        PAIRED_WIDTH => "A14B".to_owned(),
        3072 => "5B".to_owned(),
        1536 => "1.3B".to_owned(),
        width => format!("{width}"),
    };
    Ok(Transformer {
        component,
        notes,
        mode,
        model: format!("{mode}-{size}"),
        expert,
        is_alone: false,
        assumption: None,
        found,
    })
}

/// The mode that the input and output channels show.
fn mode(path: &Path, config: &TransformerConfig) -> Result<Mode> {
    match (config.in_channels, config.channels_out()) {
        (16, 16) => Ok(Mode::T2V),
        (36, 16) => Ok(Mode::I2V),
        (48, 48) => Ok(Mode::TI2V),
        (input, output) => Err(Error::new(
            Kind::Unsupported,
            format!(
                    "The transformer {} has {input} input and {output} output channels; Wan 2.2 has 16 and 16 (T2V), 36 and \
                     16 (I2V), 48 and 48 (TI2V)",
                path.display()
            ),
        )
        .remedy("It may be made for another task (VACE, Fun Control, S2V). Download the T2V, I2V or TI2V model")),
    }
}

/// The transformers in the files that the person chose as experts.
pub(super) fn chosen(files: &ComponentFiles) -> Result<Vec<Transformer>> {
    let mut found = Vec::new();
    for (expert, field, path) in [(Expert::High, "high", &files.high), (Expert::Low, "low", &files.low)] {
        let Some(path) = path else { continue };
        let file = chosen::open(path, ComponentKind::Transformer, field)?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let found_file = Found { path: file.path, stem, recognised: file.recognised };
        let one =
            named(found_file, Some((expert, RoleSource::Chosen))).map_err(|error| error.field(field))?;
        found.push(one);
    }
    Ok(found)
}

/// Puts a chosen expert among the transformers of its model, in place of those that could be the same expert.
pub(super) fn put(transformers: &mut Vec<Transformer>, one: Transformer) {
    let expert = |one: &Transformer| one.expert.as_ref().map(|(expert, _)| *expert);
    let real = |one: &Transformer| one.component.weights.files().first().cloned();
    let is_pair = one.component.config.width() == PAIRED_WIDTH || one.mode != Mode::TI2V;
    let own = expert(&one);
    transformers.retain(|other| {
        let is_chosen = matches!(other.expert, Some((_, RoleSource::Chosen)));
        real(other) != real(&one) && (is_chosen || (expert(other).is_some() && expert(other) != own))
    });
    // the only transformer of a model is no expert
    let expert = one.expert.clone().filter(|_| is_pair);
    transformers.push(Transformer { expert, ..one });
}

/// Transformers that could not be paired.
#[derive(Debug)]
pub(super) struct Unpaired {
    /// The name of the first one's file.
    pub(super) stem: String,
    pub(super) error: Error,
}

/// `transformers` without those whose content another one has. Two files of one content that are named as different
/// experts both stay: that is an error, which is reported later.
pub(super) fn without_copies(transformers: Vec<Transformer>) -> Vec<Transformer> {
    let shape = |one: &Transformer| (precision(&one.component.weights), one.component.weights.size());
    let mut kept: Vec<Transformer> = Vec::new();
    let mut sorted = transformers;
    // the shortest name is the one that was not made by copying; a file without an expert's word comes last
    sorted.sort_by_key(|one| (one.expert.is_none(), one.found.stem.len(), one.found.path.clone()));
    for one in sorted {
        let expert = one.expert.as_ref().map(|(expert, _)| *expert);
        let is_copy = |known: &Transformer| {
            let known_expert = known.expert.as_ref().map(|(expert, _)| *expert);
            shape(known) == shape(&one)
                && (expert.is_none() || expert == known_expert)
                && known
                    .component
                    .weights
                    .content()
                    .is_ok_and(|known| one.component.weights.content().is_ok_and(|own| own == known))
        };
        if !kept.iter().any(is_copy) {
            kept.push(one);
        }
    }
    kept.sort_by(|a, b| a.found.path.cmp(&b.found.path));
    kept
}

/// Groups `transformers` of one model into pairs and single ones.
pub(super) fn groups(transformers: Vec<Transformer>) -> Vec<std::result::Result<Group, Box<Unpaired>>> {
    let comes_in_pairs = |one: &Transformer| {
        !one.is_alone && (one.component.config.width() == PAIRED_WIDTH || one.expert.is_some())
    };
    let (rest, alone): (Vec<_>, Vec<_>) = transformers.into_iter().partition(comes_in_pairs);
    let mut groups: Vec<_> = alone.into_iter().map(|one| Ok(Group::Alone(Box::new(one)))).collect();
    let is = |one: &Transformer, expert| one.expert.as_ref().is_some_and(|(known, _)| *known == expert);
    let (mut high, rest): (Vec<_>, Vec<_>) = rest.into_iter().partition(|one| is(one, Expert::High));
    let (mut low, unknown): (Vec<_>, Vec<_>) = rest.into_iter().partition(|one| is(one, Expert::Low));

    // pair files whose names differ in the expert's word only, then those of one precision, then the rest
    let rules: [fn(&Transformer, &Transformer) -> bool; 5] = [
        |a, b| differ_in_letter(&a.found.stem, &b.found.stem) && same_precision(a, b),
        |a, b| common_path(a) == common_path(b) && same_precision(a, b),
        |a, b| Expert::pair_name(&a.found.stem) == Expert::pair_name(&b.found.stem) && same_precision(a, b),
        same_precision,
        |_, _| true,
    ];
    for same in rules {
        let mut index = 0;
        while index < high.len() {
            let fits: Vec<_> = (0..low.len()).filter(|&other| same(&high[index], &low[other])).collect();
            let rivals = high.iter().filter(|other| same(other, &high[index])).count();
            if let (&[other], 1) = (&fits[..], rivals) {
                groups.push(Ok(Group::Pair(Box::new([high.remove(index), low.remove(other)]))));
            } else {
                index += 1;
            }
        }
    }
    groups.extend(unpaired(&high, &low, &unknown).map(|unpaired| Err(Box::new(unpaired))));
    groups
}

fn common_path(one: &Transformer) -> String {
    Expert::pair_name(&one.found.path.to_string_lossy())
}

pub(super) fn same_precision(a: &Transformer, b: &Transformer) -> bool {
    precision(&a.component.weights) == precision(&b.component.weights)
}

/// The error for transformers that could not be paired; `None` if there are none.
fn unpaired(high: &[Transformer], low: &[Transformer], unknown: &[Transformer]) -> Option<Unpaired> {
    let stem = high.iter().chain(low).chain(unknown).next()?.found.stem.clone();
    unpaired_error(high, low, unknown).map(|error| Unpaired { stem, error })
}

/// The error for the only transformer of a model that usually has two.
fn unknown_alone(one: &Transformer) -> Error {
    Error::new(
        Kind::Input,
        format!(
            "Cannot tell which expert of {} {} is, and the other one is not beside it",
            one.model,
            one.found.path.display()
        ),
    )
    .field("high")
    .remedy(
        "Put the other expert beside it, and choose both (--high FILE --low FILE). If the file needs no other expert, \
         put \"aio\" (all in one) into its name",
    )
}

fn unpaired_error(high: &[Transformer], low: &[Transformer], unknown: &[Transformer]) -> Option<Error> {
    let names = |all: &[Transformer]| {
        all.iter().map(|one| one.found.path.display().to_string()).collect::<Vec<_>>().join(", ")
    };
    let model = high.iter().chain(low).chain(unknown).next()?.model.clone();
    let rule = "Give the two files names that differ only in high_noise and low_noise, for instance \
                NAME_high_noise.safetensors and NAME_low_noise.safetensors";
    if let ([], [], [one]) = (high, low, unknown) {
        return Some(unknown_alone(one));
    }
    if !unknown.is_empty() {
        return Some(
            Error::new(
                Kind::Input,
                format!(
                    "Cannot tell which expert of {model} a file is, because both have the same tensors, and the names \
                     say neither high nor low noise: {}",
                    names(unknown)
                ),
            )
            .field("high")
            .remedy(format!("Choose them (--high FILE --low FILE). Or: {rule}")),
        );
    }
    for (expert, all) in [(Expert::High, high), (Expert::Low, low)] {
        if all.len() > 1 {
            return Some(
                Error::new(
                    Kind::Input,
                    format!(
                        "{} files are named as the {}-noise expert of {model}: {}",
                        all.len(),
                        expert.word(),
                        names(all)
                    ),
                )
                .remedy(rule),
            );
        }
    }
    let (there, missing, path) = match (high.first(), low.first()) {
        (Some(one), _) => ("high", "low", &one.found.path),
        (None, Some(one)) => ("low", "high", &one.found.path),
        (None, None) => return None,
    };
    Some(
        Error::new(
            Kind::MissingModel,
            format!(
                "{model} has its {there}-noise expert, {}, but not its {missing}-noise expert",
                path.display()
            ),
        )
        .remedy(format!(
            "Put the file of the {missing}-noise expert beside it, with {missing}_noise in its name"
        )),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_say_that_a_transformer_is_alone() {
        for name in ["wan2.2-t2v-rapid-aio-v10", "wan22_AllInOne_Q4_K_M", "wan-all-in-one"] {
            assert!(is_called_all_in_one(name), "{name}");
        }
        for name in ["wan2.2_t2v_14B_fp16", "aiohttp_style", "all_one"] {
            assert!(!is_called_all_in_one(name), "{name}");
        }
    }
}
