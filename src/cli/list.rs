//! `wandeck models` and `wandeck presets`: what there is.

use serde_json::{Value, json};

use super::Places;
use super::args::{Common, Models, ModelsVerb, Presets, PresetsVerb};
use super::report::out;
use crate::core::{Error, Kind, Limits, Result};
use crate::models::{self, Installed};
use crate::presets;

pub(super) fn models(args: &Models, common: &Common) -> Result<()> {
    let places = Places::new(common)?;
    let (data_dir, models_dir) = (&places.data_dir, places.models_dir.as_deref());
    let found = match &args.verb {
        ModelsVerb::List => models::installed(data_dir, models_dir),
        ModelsVerb::Show { model } => {
            let path = models::find(model, data_dir, models_dir)?;
            let checkpoint = models::open(&path)?;
            vec![Installed { id: checkpoint.id.clone(), path, limits: Ok(checkpoint.limits()) }]
        }
    };
    if common.json {
        out(&found.iter().map(model_json).collect::<Value>().to_string());
        return Ok(());
    }
    for model in &found {
        let state = match &model.limits {
            Ok(limits) if models::is_exported(&model.path) => {
                format!("{}, exported ONNX folder", described(limits))
            }
            Ok(limits) => described(limits),
            Err(error) => format!("cannot be used: {error:#}"),
        };
        out(&format!("{}\n  {}\n  {state}", model.id, model.path.display()));
    }
    if found.is_empty() {
        out(&format!("No models. Put a diffusers folder into {}", data_dir.join("models").display()));
    }
    Ok(())
}

fn described(limits: &Limits) -> String {
    let modes: Vec<_> = limits.modes.iter().map(ToString::to_string).collect();
    let strides = limits.strides;
    format!(
        "{}, sides in multiples of {}, {}n+1 frames",
        modes.join(" "),
        strides.size_multiple(),
        strides.temporal
    )
}

fn model_json(model: &Installed) -> Value {
    match &model.limits {
        Ok(limits) => json!({
            "id": model.id, "path": model.path, "modes": limits.modes,
            "size_multiple": limits.strides.size_multiple(), "temporal_stride": limits.strides.temporal,
            "exported": models::is_exported(&model.path),
        }),
        Err(error) => json!({"id": model.id, "path": model.path, "error": error}),
    }
}

pub(super) fn presets(args: &Presets, common: &Common) -> Result<()> {
    let chosen = match &args.verb {
        PresetsVerb::List => presets::shipped()?,
        PresetsVerb::Show { name } => vec![presets::by_name(name)?],
    };
    if common.json {
        out(&json!(chosen).to_string());
        return Ok(());
    }
    for preset in &chosen {
        if matches!(args.verb, PresetsVerb::List) {
            out(&format!("{:<14} {}", preset.name, preset.about));
        } else {
            let text =
                ron::ser::to_string_pretty(preset, ron::ser::PrettyConfig::default()).map_err(|error| {
                    Error::new(Kind::Bug, "The preset cannot be written as text").because(error)
                })?;
            out(&text);
        }
    }
    Ok(())
}
