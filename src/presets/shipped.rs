//! The presets that are shipped with the program.

use super::preset::{Preset, PresetOrigin};
use crate::core::{Error, Kind, Mode, Result};

/// File names and contents; a model's official settings come before others for it.
const FILES: [(&str, &str); 9] = [
    ("toy-t2v.ron", include_str!("../../presets/toy-t2v.ron")),
    ("toy-i2v.ron", include_str!("../../presets/toy-i2v.ron")),
    ("toy-ti2v.ron", include_str!("../../presets/toy-ti2v.ron")),
    ("t2v-A14B.ron", include_str!("../../presets/t2v-A14B.ron")),
    ("i2v-A14B.ron", include_str!("../../presets/i2v-A14B.ron")),
    ("ti2v-5B.ron", include_str!("../../presets/ti2v-5B.ron")),
    ("t2v-A14B-4step.ron", include_str!("../../presets/t2v-A14B-4step.ron")),
    ("i2v-A14B-4step.ron", include_str!("../../presets/i2v-A14B-4step.ron")),
    ("mlperf-t2v-A14B.ron", include_str!("../../presets/mlperf-t2v-A14B.ron")),
];

/// All shipped presets.
pub fn shipped() -> Result<Vec<Preset>> {
    let read = |(name, text): &(&str, &str)| {
        Preset::parse(text, name).map(|preset| Preset { origin: PresetOrigin::Shipped, ..preset })
    };
    FILES.iter().map(read).collect()
}

/// The shipped preset called `name`.
pub fn by_name(name: &str) -> Result<Preset> {
    let presets = shipped()?;
    let names = presets.iter().map(|preset| preset.name.as_str()).collect::<Vec<_>>().join(", ");
    presets.into_iter().find(|preset| preset.name == name).ok_or_else(|| {
        Error::new(Kind::Input, format!("Preset \"{name}\" not found"))
            .field("preset")
            .remedy(format!("Available presets: {names}"))
    })
}

/// The first shipped preset for the model `id`, or for the model that `id` is a variant of (`t2v-A14B-int8`).
pub fn for_model(id: &str) -> Result<Option<Preset>> {
    Ok(shipped()?.into_iter().find(|preset| preset.is_made_for(id)))
}

/// The official preset of a mode.
pub fn for_mode(mode: Mode) -> Result<Preset> {
    by_name(match mode {
        Mode::T2V => "t2v-A14B",
        Mode::I2V => "i2v-A14B",
        Mode::TI2V => "ti2v-5B",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{GenRequest, Limits, Strides};

    #[test]
    fn every_shipped_preset_runs_on_its_model() {
        for preset in shipped().unwrap() {
            let mode = preset.mode.unwrap();
            let spatial = if mode == Mode::TI2V { 16 } else { 8 };
            let limits = Limits {
                model: preset.model.clone(),
                modes: vec![mode],
                strides: Strides { temporal: 4, spatial, patch: 2 },
                max_positions: 1024,
                lora: true,
                quantisation: None,
            };
            let mut draft = preset.draft("a cat");
            draft.start_image = (mode == Mode::I2V).then(|| "cat.png".into());
            GenRequest::parse(&draft, &limits).unwrap();
        }
    }

    #[test]
    fn a_variant_has_its_models_preset() {
        for (id, name) in [
            ("toy-t2v-A14B", Some("toy-t2v")),
            ("toy-t2v-A14B-int8", Some("toy-t2v")),
            ("t2v-A14B-fp8_scaled", Some("t2v-A14B")),
            ("t2v-A14B@2.2.0", Some("t2v-A14B")),
            ("Wan-AI/Wan2.2-TI2V-5B-Diffusers", Some("ti2v-5B")),
            ("t2v-A14Bs", None),
            ("mine", None),
        ] {
            let found = for_model(id).unwrap().map(|preset| preset.name);
            assert_eq!(found.as_deref(), name, "{id}");
        }
    }

    #[test]
    fn official_numbers() {
        // Wan2.2/wan/configs: steps, shift, guidance (low, high), size, frames, fps
        for (mode, steps, shift, high, low, width, frames, fps) in [
            (Mode::T2V, 40, 12.0, 4.0, 3.0, 1280, 81, 16),
            (Mode::I2V, 40, 5.0, 3.5, 3.5, 1280, 81, 16),
            (Mode::TI2V, 50, 5.0, 5.0, 5.0, 1280, 121, 24),
        ] {
            let preset = for_mode(mode).unwrap();
            assert!(preset.is_complete());
            let settings = preset.draft("");
            assert_eq!((settings.steps, settings.shift, settings.guidance), (steps, shift, high));
            assert_eq!(settings.guidance_low.unwrap_or(high), low);
            assert_eq!((settings.size.width, settings.frames, settings.fps), (width, frames, fps));
        }
    }

    #[test]
    fn the_benchmarks_preset_has_its_numbers() {
        // inference_config.yaml of mlcommons/inference, text_to_video/wan2.2-t2v-14b
        let draft = by_name("mlperf-t2v-A14B").unwrap().draft("a cat");
        assert_eq!((draft.size.width, draft.size.height, draft.frames, draft.fps), (1280, 720, 81, 16));
        assert_eq!((draft.steps, draft.guidance, draft.guidance_low), (20, 4.0, Some(3.0)));
        assert_eq!(draft.seed, 42);
        assert!(draft.negative_prompt.starts_with("vivid colors, overexposed, static"));
        assert_eq!(for_model("t2v-A14B").unwrap().unwrap().name, "t2v-A14B");
    }

    #[test]
    fn distilled_presets_carry_their_steps() {
        for name in ["t2v-A14B-4step", "i2v-A14B-4step"] {
            let draft = by_name(name).unwrap().draft("a cat");
            let list = draft.step_list.unwrap();
            list.check(crate::core::StepCount(draft.steps)).unwrap();
            assert_eq!(
                (list.0[0], draft.guidance, draft.sampler),
                (1000.0, 1.0, crate::core::Sampler::Euler)
            );
            assert_ne!(for_model(&draft.model).unwrap().unwrap().name, name);
        }
    }

    #[test]
    fn a_look_changes_only_the_fields_that_it_has() {
        let text = "(version: 2, name: \"look\", description: \"\", settings: (guidance: 3.0, shift: 8.0))";
        let look = Preset::parse(text, "look.ron").unwrap();
        assert!(!look.is_complete() && !look.is_made_for("toy-t2v-A14B"));
        let before = by_name("t2v-A14B-4step").unwrap().draft("a cat");
        let mut after = before.clone();
        look.apply(&mut after);
        let expected =
            crate::core::Draft { guidance: 3.0, guidance_low: None, shift: 8.0, step_list: None, ..before };
        assert_eq!(after, expected);
        assert_eq!(Preset::parse(&look.to_ron().unwrap(), "again").unwrap(), look);
    }

    #[test]
    fn a_wrong_file_says_what_is_wrong() {
        for (text, words) in [
            ("(version: 3, name: \"a\", description: \"\", settings: ())", "version 3"),
            ("(version: 1, name: \"a\", description: \"\", model: \"m\", mode: t2v, settings: ())", "steps"),
            ("(version: 1, name: \"a\", colour: 1)", "colour"),
            (
                "(version: 2, name: \"a\", description: \"\", settings: (\n  steps: \"ten\",\n))",
                "field `steps`",
            ),
            (
                "(version: 2, name: \"ä\", description: \"\", settings: (guidance: 2, size: (width: x)))",
                "field `width`",
            ),
            ("", "not a valid preset"),
        ] {
            let error = Preset::parse(text, "mine.ron").unwrap_err();
            assert!(error.message.contains(words) && error.message.contains("mine.ron"), "{error:#}");
        }
    }
}
