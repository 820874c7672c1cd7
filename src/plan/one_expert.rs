//! What a model with a single transformer cannot take: settings that name one of two experts.

use super::changes::DraftChanges;
use crate::core::{Draft, Error, Expert, Kind};
use crate::models::Installed;

/// The role that the second transformer of a model has in its list of components.
const SECOND_EXPERT: &str = "low-noise expert";

/// Whether it is known that the model has one transformer only.
pub(super) fn has_one_transformer(model: &Installed) -> bool {
    let info = model.info.as_ref();
    info.is_some_and(|info| info.components.iter().all(|component| component.role != SECOND_EXPERT))
}

/// What is wrong with a draft for a model with one transformer.
pub(super) fn problem(draft: &Draft, model: &Installed) -> Option<Error> {
    (draft.boundary.is_some() && has_one_transformer(model)).then(|| {
        refused(model, "boundary", "there is no boundary between experts").remedy("Remove the boundary")
    })
}

/// What is wrong with changes that a person gave. A draft may keep what an earlier model with two experts needed.
pub(super) fn problem_of_changes(changes: &DraftChanges, model: &Installed) -> Option<Error> {
    if !has_one_transformer(model) {
        return None;
    }
    if let Some(guidance) = changes.guidance
        && guidance.low.is_some_and(|low| low != guidance.high)
    {
        let error = refused(model, "guidance", "it takes one guidance scale, not two");
        return Some(error.remedy(format!("Set the guidance to {} alone", guidance.high)));
    }
    if changes.components.low.is_some() {
        let error = refused(model, "low", "it takes no low-noise expert");
        return Some(error.remedy("Give its file as the only transformer (--high)"));
    }
    let for_low = |lora: &&crate::core::LoraChoice| lora.expert == Some(Expert::Low);
    let lora = changes.loras.iter().flatten().find(for_low)?;
    let what = format!("a LoRA for the low-noise expert alone would do nothing: {}", lora.file.display());
    Some(refused(model, "lora", &what).remedy("Remove \":low\" after its strength"))
}

fn refused(model: &Installed, field: &'static str, why: &str) -> Error {
    Error::new(Kind::Input, format!("{} has one transformer, so {why}", model.id)).field(field)
}
