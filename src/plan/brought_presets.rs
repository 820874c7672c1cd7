//! The presets that models bring: a distilled checkpoint or LoRA says what it was distilled for.

use super::catalog::Folders;
use super::lora_list::{ListedLora, ListedLoraFile, installed_loras};
use crate::core::{LoraChoice, Result, Sampler};
use crate::models::Installed;
use crate::presets::{self, Preset, PresetFields, PresetLora, PresetOrigin};
use crate::wan::DistilledSettings;

/// A preset for each distilled model among `models`, and for each distilled LoRA among `loras`, by name.
pub fn brought_presets(models: &[Installed], loras: &[ListedLora]) -> Vec<Preset> {
    let mut found: Vec<_> =
        models.iter().filter_map(of_model).chain(loras.iter().filter_map(of_lora)).collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found.dedup_by(|a, b| a.name == b.name);
    found
}

/// The preset called `name`: an own or shipped one, else one that a model or LoRA in `folders` brings. Looks at the models
/// only if it is no other.
pub fn find_preset(folders: &Folders, name: &str) -> Result<Preset> {
    presets::find_preset(&folders.data, name).or_else(|error| {
        let brought = brought_presets(&folders.scan(), &installed_loras(folders));
        brought.into_iter().find(|preset| preset.name == name).ok_or(error)
    })
}

fn of_model(model: &Installed) -> Option<Preset> {
    let distilled = model.info.as_ref()?.distilled.as_ref()?;
    let preset = preset(&model.id, format!("The model is {distilled}"), distilled.settings);
    Some(Preset { model: model.id.clone(), ..preset })
}

/// The preset of a LoRA. One of two files is distilled if either says so.
fn of_lora(lora: &ListedLora) -> Option<Preset> {
    let advice = lora.files.iter().find_map(|file| file.summary.as_ref()?.advice)?;
    let of_file = |file: &ListedLoraFile| {
        PresetLora::of(&LoraChoice { expert: file.expert, ..LoraChoice::new(&file.file) })
    };
    let description = format!("The LoRA is distilled for {advice}, according to its name");
    let mut preset = preset(&lora.name, description, advice);
    preset.settings.loras = Some(lora.files.iter().map(of_file).collect());
    Some(preset)
}

fn preset(name: &str, description: String, distilled: DistilledSettings) -> Preset {
    let settings = PresetFields {
        steps: Some(distilled.steps),
        guidance: Some(distilled.guidance),
        shift: Some(distilled.shift),
        sampler: Some(Sampler::Euler),
        step_list: Some(distilled.step_list()),
        ..PresetFields::default()
    };
    Preset {
        version: presets::VERSION,
        name: format!("{name} (distilled)"),
        description,
        model: String::new(),
        mode: None,
        settings,
        origin: PresetOrigin::Model,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::core::testing::draft;
    use crate::core::{Draft, Expert};
    use crate::wan::Distilled;

    #[test]
    fn distilled_models_and_loras_bring_presets_that_can_be_applied() {
        let dir = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let loras = dir.path().join("loras");
        std::fs::create_dir_all(&loras).unwrap();
        for name in ["lightning-4step_high_noise", "lightning-4step_low_noise", "rain"] {
            let golden = root.join("tests/golden/loras/musubi.safetensors");
            std::fs::copy(golden, loras.join(name).with_extension("safetensors")).unwrap();
        }
        let folders = Folders { data: dir.path().to_path_buf(), models: None };
        let mut model = folders.open(&root.join("models/toy-t2v-A14B").display().to_string()).unwrap();
        let settings = DistilledSettings { steps: 6, guidance: 1.0, shift: 5.0 };
        model.info.as_mut().unwrap().distilled = Some(Distilled { settings, source: "its name".into() });
        let found = brought_presets(&[model], &installed_loras(&folders));
        let names: Vec<_> = found.iter().map(|preset| preset.name.as_str()).collect();
        assert_eq!(names.len(), 2, "{names:?}");
        assert!(found.iter().all(|preset| preset.origin == PresetOrigin::Model));
        let of_lora = found.iter().find(|preset| preset.settings.loras.is_some()).unwrap();
        let before = Draft { steps: 40, guidance: 4.0, ..draft() };
        let mut after = before.clone();
        of_lora.apply(&mut after);
        assert_eq!((after.steps, after.guidance, after.sampler), (4, 1.0, Sampler::Euler));
        assert_eq!((after.model.as_str(), after.size), (before.model.as_str(), before.size), "they stay");
        let experts: Vec<_> = after.loras.iter().map(|lora| lora.expert).collect();
        assert_eq!(experts, [Some(Expert::High), Some(Expert::Low)]);
        let of_model = found.iter().find(|preset| preset.settings.loras.is_none()).unwrap();
        assert_eq!(of_model.settings.steps, Some(6));
        assert!(of_model.is_made_for(&of_model.model) && of_model.description.contains("6 steps"));
        assert_eq!(find_preset(&folders, &of_lora.name).unwrap(), *of_lora);
        assert_eq!(find_preset(&folders, "toy-t2v").unwrap().origin, PresetOrigin::Shipped);
        assert!(find_preset(&folders, "nothing").is_err());
    }
}
