//! Assembles models from the files of a folder.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::compatibility;
use super::super::info::{Layout, ModelInfo, RoleSource, precision};
use super::super::open::Opened;
use super::super::unsupported::unsupported_format;
use super::choose;
use super::pair::{self, Group};
use super::scan::{Scan, scan};
use crate::core::{Mode, Result};
use crate::wan::Checkpoint;
use crate::wan::names::ComponentKind;

/// All models that the files in `dir` make, complete or not, each with its id.
pub(in super::super) fn models(dir: &Path) -> Vec<(String, Result<Opened>)> {
    let scan = scan(dir);
    let folder = dir.file_name().unwrap_or(dir.as_os_str()).to_string_lossy().into_owned();
    let mut models = Vec::new();
    let mut by_model = BTreeMap::<String, Vec<_>>::new();
    for found in scan.found.iter().filter(|found| found.recognised.kind == ComponentKind::Transformer) {
        let stem = found.stem.clone();
        match pair::transformer(found.clone()) {
            Ok(transformer) => by_model.entry(transformer.model.clone()).or_default().push(transformer),
            Err(error) => models.push((stem, Err(error))),
        }
    }
    let broken =
        scan.broken.iter().filter(|(path, _)| choose::guess(&scan.root, path) == ComponentKind::Transformer);
    let broken: Vec<_> = broken.map(|(_, error)| error.clone()).collect();
    for (model, transformers) in by_model {
        let groups = pair::groups(transformers);
        let ids = ids(&model, &groups);
        for (id, group) in ids.into_iter().zip(groups) {
            // a file that cannot be read may be the missing expert
            let group = group.map_err(|error| match broken.first() {
                Some(broken) if error.kind == crate::core::Kind::MissingModel => broken.clone(),
                _ => error,
            });
            let opened = group.and_then(|group| assemble(&scan, &id, group));
            models.push((id, opened));
        }
    }
    if models.is_empty() {
        let unsupported = scan.unsupported.first().map(|path| unsupported_format(path));
        let error = broken.into_iter().next().or_else(|| scan.broken.first().map(|(_, error)| error.clone()));
        models.extend(error.or(unsupported).map(|error| (folder, Err(error))));
    }
    models
}

/// Ids of the models in `groups`: the model's name, with precision or file name appended if there are several.
fn ids(model: &str, groups: &[Result<Group>]) -> Vec<String> {
    let usable: Vec<_> = groups.iter().map(|group| group.as_ref().ok().map(Group::first)).collect();
    if groups.len() <= 1 {
        return vec![model.to_owned()];
    }
    let precisions: Vec<_> =
        usable.iter().map(|one| one.map_or("incomplete", |one| precision(&one.component.weights))).collect();
    let is_unique = |name: &str| precisions.iter().filter(|other| **other == name).count() == 1;
    let id = |(one, precision): (Option<&pair::Transformer>, &&str)| match one {
        Some(one) if !is_unique(precision) => {
            format!("{model}-{}", super::super::experts::pair_name(&one.found.stem))
        }
        _ => format!("{model}-{precision}"),
    };
    usable.iter().copied().zip(&precisions).map(id).collect()
}

fn assemble(scan: &Scan, id: &str, group: Group) -> Result<Opened> {
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
    let mut notes = first.notes;
    let mut role_sources = vec![first.expert.map_or(RoleSource::Alone, |(_, source)| source)];
    if let Some(second) = &second {
        notes.extend(second.notes.iter().cloned());
        role_sources.extend(second.expert.as_ref().map(|(_, source)| source.clone()));
    }
    let config = &first.component.config;
    let (vae, odd) = choose::vae(scan, id, config.channels_out())?;
    notes.extend(odd);
    let ((text_encoder, odd), tokenizer) = choose::text_encoder(scan, id, config.text_dim)?;
    notes.extend(odd);
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
        exported: None,
    };
    compatibility::check(&checkpoint, &scan.root)?;
    let info = ModelInfo::new(&checkpoint, layout, role_sources, notes);
    Ok(Opened { checkpoint, info })
}

/// Wan's original folders have a `config.json` beside the transformer, or are named after the expert.
fn is_original(one: &pair::Transformer) -> bool {
    let folder = one.found.path.parent().unwrap_or_else(|| Path::new(""));
    folder.join("config.json").exists() || matches!(one.expert, Some((_, RoleSource::FolderName(_))))
}
