//! Assembles models from the files of a folder.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::compatibility;
use super::super::hints::RoleHints;
use super::super::info::{Layout, ModelInfo, RoleSource, precision};
use super::super::known_experts::KnownExperts;
use super::super::names::LooseNames;
use super::super::open::{Listed, Opened, id_of};
use super::super::unsupported::unsupported_format;
use super::beside::name_by_difference;
use super::choose;
use super::pair::{self, Group, Unpaired};
use super::scan::{Scan, scan};
use super::vae;
use crate::core::{ComponentFiles, Kind, Mode, Result};
use crate::wan::names::ComponentKind;
use crate::wan::{Checkpoint, Distilled};

/// Number of kinds of components: a file that has so many has a whole model.
const NUM_KINDS: usize = 3;

/// All models that the files in `dir` make, complete or not. Two files of the same content count once.
pub(in super::super) fn models(dir: &Path, hints: RoleHints<'_>) -> Vec<Listed> {
    let chosen = hints.chosen;
    let known = KnownExperts::new(hints.data_dir);
    let scan = scan(dir);
    let folder = id_of(dir);
    let mut models = Vec::new();
    let mut by_model = BTreeMap::<String, Vec<_>>::new();
    for found in scan.found.iter().filter(|found| found.recognised.kind == ComponentKind::Transformer) {
        let stem = found.stem.clone();
        let has_all = scan.found.iter().filter(|other| other.path == found.path).count() == NUM_KINDS;
        match pair::transformer(found.clone(), has_all, &known) {
            Ok(transformer) => by_model.entry(transformer.model.clone()).or_default().push(transformer),
            Err(error) => models.push(Listed::new(stem, Err(error))),
        }
    }
    let broken =
        scan.broken.iter().filter(|(path, _)| choose::guess(&scan.root, path) == ComponentKind::Transformer);
    let broken: Vec<_> = broken.map(|(_, error)| error.clone()).collect();
    let experts = match pair::chosen(chosen) {
        Ok(experts) => experts,
        Err(error) => return vec![Listed::new(folder, Err(error))],
    };
    for one in experts {
        let of_model = by_model.entry(one.model.clone()).or_default();
        pair::put(of_model, one);
    }
    for (model, mut transformers) in by_model {
        name_by_difference(&mut transformers);
        for group in pair::groups(pair::without_copies(transformers)) {
            models.push(listed(&scan, &model, group, chosen));
        }
    }
    if models.is_empty() {
        let unsupported = scan.unsupported.first().map(|path| unsupported_format(path));
        let error = broken.into_iter().next().or_else(|| scan.broken.first().map(|(_, error)| error.clone()));
        models.extend(error.or(unsupported).map(|error| Listed::new(folder, Err(error))));
    }
    tell_apart(models)
}

/// A model of the folder under its names.
fn listed(
    scan: &Scan,
    model: &str,
    group: std::result::Result<Group, Box<Unpaired>>,
    chosen: &ComponentFiles,
) -> Listed {
    let group = match group {
        Ok(group) => group,
        // a file that cannot be read may be the missing expert
        Err(unpaired) => {
            let mut broken = scan.broken.iter();
            let broken =
                broken.find(|(path, _)| choose::guess(&scan.root, path) == ComponentKind::Transformer);
            let error = match broken.map(|(_, error)| error) {
                Some(broken) if unpaired.error.kind == Kind::MissingModel => broken.clone(),
                _ => unpaired.error,
            };
            let LooseNames { id, .. } = LooseNames::new(model, &unpaired.stem, "incomplete");
            return Listed { id, names: vec![model.to_owned()], opened: Err(error) };
        }
    };
    let first = group.first();
    let LooseNames { id, others } =
        LooseNames::new(model, &first.found.stem, precision(&first.component.weights));
    Listed { names: others, opened: assemble(scan, &id, group, chosen), id }
}

/// Gives models of one id, which differ in content, ids of their own.
fn tell_apart(models: Vec<Listed>) -> Vec<Listed> {
    let mut apart: Vec<Listed> = Vec::new();
    for mut model in models {
        if apart.iter().any(|known| known.id == model.id)
            && let Ok(opened) = &mut model.opened
            && let Ok(content) = opened.checkpoint.transformer.weights.content()
        {
            model.id = format!("{}~{}", model.id, &content[..6]);
            opened.checkpoint.id.clone_from(&model.id);
        }
        apart.push(model);
    }
    apart
}

fn assemble(scan: &Scan, id: &str, group: Group, chosen: &ComponentFiles) -> Result<Opened> {
    let (first, second) = match group {
        Group::Pair(pair) => {
            let [high, low] = *pair;
            (high, Some(low))
        }
        Group::Alone(alone) => (*alone, None),
    };
    let layout = match scan.layout {
        Layout::SingleFiles if is_original(&first) => Layout::Original,
        layout => layout,
    };
    let assumption = second.as_ref().and_then(|second| second.assumption.clone());
    let mut notes = first.notes.clone();
    notes.extend(assumption.clone());
    let mut role_sources = vec![first.expert.clone().map_or(RoleSource::Alone, |(_, source)| source)];
    if let Some(second) = &second {
        notes.extend(second.notes.iter().cloned());
        role_sources.extend(second.expert.as_ref().map(|(_, source)| source.clone()));
    }
    let config = &first.component.config;
    let (vae, odd) = vae::vae(scan, id, config.channels_out(), chosen.vae.as_ref())?;
    notes.extend(odd);
    let ((text_encoder, odd), tokenizer) =
        choose::text_encoder(scan, id, config.text_dim, chosen.text_encoder.as_ref())?;
    notes.extend(odd);
    let stems: Vec<_> = std::iter::once(&first).chain(&second).map(|one| one.found.stem.clone()).collect();
    let weights = first.component.weights.clone();
    let checkpoint = Checkpoint {
        id: id.to_owned(),
        modes: vec![first.mode],
        // wan/configs/wan_t2v_A14B.py and wan_i2v_A14B.py
        boundary_ratio: second.is_some().then_some(if first.mode == Mode::I2V { 0.9 } else { 0.875 }),
        expand_timesteps: first.mode == Mode::TI2V,
        lora: first.mode != Mode::TI2V,
        transformer: first.component,
        transformer_2: second.map(|low| low.component),
        text_encoder,
        tokenizer,
        vae,
        distilled: Distilled::of(&stems, &weights),
        assumption,
        exported: None,
    };
    compatibility::check(&checkpoint, &scan.root)?;
    let mut info = ModelInfo::new(&checkpoint, layout, role_sources, notes);
    info.mark_chosen(chosen);
    Ok(Opened { checkpoint, info })
}

/// Wan's original folders have a `config.json` beside the transformer, or are named after the expert.
fn is_original(one: &pair::Transformer) -> bool {
    let folder = one.found.path.parent().unwrap_or_else(|| Path::new(""));
    folder.join("config.json").exists() || matches!(one.expert, Some((_, RoleSource::FolderName(_))))
}
