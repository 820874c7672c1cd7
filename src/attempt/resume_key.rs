//! The key of a resume point: a hash over everything that determines the latents of a run.
//!
//! The hashed text has its own format with the field names of version 0.1. It is independent of the program's types:
//! renaming a field must not invalidate resume points and kept latents of earlier versions.

use serde::Serialize;

use crate::core::{
    DeviceChoices, Error, Expert, Fps, GenRequest, Kind, LoraRecord, Result, WeightsChoice, sha256_hex,
};
use crate::library::{LoraFileRecord, RequestRecord};
use crate::pipeline::RoundedParts;

/// Everything that determines the latents of a run, except the version of this program.
pub(super) struct ResumeKey<'a> {
    pub(super) request: &'a GenRequest,
    /// The model's id.
    pub(super) model: &'a str,
    pub(super) model_fingerprint: &'a str,
    /// SHA-256 of the start image file and the end image file, if given.
    pub(super) image_hashes: &'a [String],
    /// SHA-256 of the file with the starting latents, if one was given.
    pub(super) latents_hash: Option<&'a str>,
    /// Version of ONNX Runtime.
    pub(super) onnxruntime: &'a str,
    pub(super) provider: &'a str,
    pub(super) precision: &'a str,
    /// The weights that are rounded for the device's free memory.
    pub(super) rounded: RoundedParts,
    pub(super) loras: &'a [LoraRecord],
}

impl ResumeKey<'_> {
    /// SHA-256 of [`Self::text`] as hexadecimal digits.
    pub(super) fn hash(&self) -> Result<String> {
        Ok(sha256_hex(self.text(env!("CARGO_PKG_VERSION"))?.as_bytes()))
    }

    /// SHA-256 over what determines the state at the switch between the experts, after `high` steps: everything but the
    /// settings of the low-noise expert.
    pub(super) fn switch_hash(&self, high: usize) -> Result<String> {
        let is_low_only = |experts: &[Expert]| experts == [Expert::Low];
        // the boundary decides how many steps it has, which is part of the key
        let mut request =
            GenRequest { guidance_low: self.request.guidance, boundary: None, ..self.request.clone() };
        request.loras.retain(|lora| lora.expert != Some(Expert::Low));
        if !request.guidance.enabled() {
            request.negative_prompt.clear();
        }
        let loras: Vec<_> =
            self.loras.iter().filter(|record| !is_low_only(&record.experts)).cloned().collect();
        let key = ResumeKey { request: &request, loras: &loras, ..*self };
        Ok(sha256_hex(format!("switch {high} {}", key.text(env!("CARGO_PKG_VERSION"))?).as_bytes()))
    }

    /// The text that is hashed. Weight placement, devices, VAE tiles, frame rate and output are left out, because they do not
    /// change the latents.
    fn text(&self, version: &str) -> Result<String> {
        let latents = GenRequest {
            vae_tile: None,
            weights: WeightsChoice::Auto,
            devices: DeviceChoices::default(),
            fps: Fps(1),
            ..self.request.clone()
        };
        let key = KeyText {
            wandeck: version,
            request: RequestRecord::of(&latents),
            model: self.model,
            model_fingerprint: self.model_fingerprint,
            pictures: self.image_hashes,
            latents_sha256: self.latents_hash,
            onnxruntime: self.onnxruntime,
            provider: self.provider,
            provider_reason: "",
            precision: self.precision,
            rounded: self.rounded.to_string(),
            loras: self.loras.iter().map(LoraFileRecord::of).collect(),
        };
        serde_json::to_string(&key)
            // it contains no NUL, like the metadata of a video that it once was
            .map(|text| text.replace('\0', ""))
            .map_err(|error| Error::new(Kind::Bug, "Cannot write the key of the resume point").because(error))
    }
}

// Names and order of these fields are those of version 0.1 and must not change.

#[derive(Serialize)]
struct KeyText<'a> {
    wandeck: &'a str,
    request: RequestRecord<'a>,
    model: &'a str,
    model_fingerprint: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pictures: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    latents_sha256: Option<&'a str>,
    onnxruntime: &'a str,
    provider: &'a str,
    provider_reason: &'static str,
    precision: &'a str,
    #[serde(skip_serializing_if = "String::is_empty")]
    rounded: String,
    loras: Vec<LoraFileRecord<'a>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{
        ComponentFiles, DeviceChoice, FlowShift, FrameCount, Guidance, LoraChoice, Mode, PrecisionChoice,
        ProviderChoice, Resolution, Sampler, Seed, StepCount, StepList,
    };

    /// The interrupted job of `tests/fixtures/data-folder-0.1.tar.gz`.
    fn request() -> GenRequest {
        GenRequest {
            prompt: "a yellow circle moves up on a black background".to_owned(),
            negative_prompt: String::new(),
            model: "toy-t2v-A14B".to_owned(),
            mode: Mode::T2V,
            start_image: None,
            end_image: None,
            continue_from: None,
            seed: Seed(16),
            steps: StepCount(900),
            guidance: Guidance(1.5),
            guidance_low: Guidance(1.5),
            shift: FlowShift(3.0),
            sampler: Sampler::UniPc,
            step_list: None,
            size: Resolution::new(64, 64),
            frames: FrameCount(17),
            fps: Fps(8),
            provider: ProviderChoice::Auto,
            precision: PrecisionChoice::Auto,
            loras: Vec::new(),
            vae_tile: Some(64),
            weights: WeightsChoice::InPlace,
            components: ComponentFiles::default(),
            devices: DeviceChoices { device: Some(DeviceChoice::Ordinal(1)), ..DeviceChoices::default() },
            latents_in: None,
            step_cache: None,
            boundary: None,
        }
    }

    fn key(request: &GenRequest) -> ResumeKey<'_> {
        ResumeKey {
            request,
            model: "toy-t2v-A14B",
            model_fingerprint: "0e6688d46bce7a7ea7203afc7b8c5ff23ccdcd8218ee383995b38d99af77d53f",
            image_hashes: &[],
            latents_hash: None,
            onnxruntime: "1.31.1",
            provider: "cpu",
            precision: "fp32",
            rounded: RoundedParts::default(),
            loras: &[],
        }
    }

    #[test]
    fn the_key_is_the_one_that_version_0_1_wrote() {
        let text = key(&request()).text("0.1.0").unwrap();
        let written = "ebb21118d26ae244c4532c82b170d2146dd73979ab3e7ce7f97e25ff8f44a0ae";
        assert_eq!(sha256_hex(text.as_bytes()), written, "{text}");
    }

    #[test]
    fn only_settings_of_the_low_noise_expert_leave_the_state_at_the_switch() {
        let lora = |expert| LoraChoice { expert, ..LoraChoice::new("c.safetensors") };
        let hash = |request: &GenRequest| key(request).switch_hash(5).unwrap();
        let base = request();
        assert_ne!(hash(&base), key(&base).hash().unwrap(), "it is not the key of a resume point");
        for same in [
            GenRequest { guidance_low: Guidance(4.0), ..base.clone() },
            GenRequest { loras: vec![lora(Some(Expert::Low))], ..base.clone() },
            GenRequest { vae_tile: None, ..base.clone() },
            GenRequest { boundary: Some(0.9), ..base.clone() },
        ] {
            assert_eq!(hash(&same), hash(&base), "{same:?}");
        }
        for other in [
            GenRequest { guidance: Guidance(4.0), ..base.clone() },
            GenRequest { negative_prompt: "blurred".to_owned(), ..base.clone() },
            GenRequest { loras: vec![lora(Some(Expert::High))], ..base.clone() },
            GenRequest { loras: vec![lora(None)], ..base.clone() },
            GenRequest { seed: Seed(1), ..base.clone() },
            GenRequest { steps: StepCount(3), ..base.clone() },
            GenRequest { sampler: Sampler::Euler, ..base.clone() },
        ] {
            assert_ne!(hash(&other), hash(&base), "{other:?}");
        }
        assert_ne!(key(&base).switch_hash(4).unwrap(), hash(&base));
        // without guidance the high-noise expert never sees the negative prompt
        let unguided = GenRequest { guidance: Guidance(1.0), guidance_low: Guidance(3.0), ..base };
        let words = GenRequest { negative_prompt: "blurred".to_owned(), ..unguided.clone() };
        assert_eq!(hash(&words), hash(&unguided));
    }

    #[test]
    fn chosen_files_and_starting_latents_make_another_key() {
        let plain = key(&request()).hash().unwrap();
        let boundary = GenRequest { boundary: Some(0.9), ..request() };
        assert_ne!(key(&boundary).hash().unwrap(), plain);
        let vae = ComponentFiles { vae: Some("mine.safetensors".into()), ..ComponentFiles::default() };
        let chosen = GenRequest { components: vae, ..request() };
        assert_ne!(key(&chosen).hash().unwrap(), plain);
        let request = request();
        let [one, two] =
            ["aa", "bb"].map(|hash| ResumeKey { latents_hash: Some(hash), ..key(&request) }.hash().unwrap());
        assert!(one != plain && one != two, "the content of the latents counts");
    }

    #[test]
    fn weights_that_are_rounded_for_the_free_memory_make_another_key() {
        let request = request();
        let [wide, rounded, text] =
            [(false, false), (false, true), (true, false)].map(|(text_encoder, transformer)| {
                let rounded = RoundedParts { text_encoder, transformer };
                ResumeKey { rounded, ..key(&request) }.hash().unwrap()
            });
        assert!(wide != rounded && wide != text && rounded != text);
    }

    #[test]
    fn images_and_loras_have_the_names_of_version_0_1() {
        let request = GenRequest {
            start_image: Some("a.png".into()),
            end_image: Some("b.png".into()),
            step_list: Some(StepList(vec![1000.0, 500.0])),
            loras: vec![LoraChoice { expert: Some(Expert::Low), ..LoraChoice::new("c.safetensors") }],
            ..request()
        };
        let record = LoraRecord {
            file: "c.safetensors".into(),
            sha256: "ff".to_owned(),
            experts: vec![Expert::Low],
            format: "diffusers".to_owned(),
            matched: 3,
            left_out: 2,
            all_zero: 1,
        };
        let hashes = ["aa".to_owned(), "bb".to_owned()];
        let text = ResumeKey { image_hashes: &hashes, loras: &[record], ..key(&request) }.text("0.1.0");
        let text = text.unwrap();
        for part in [
            r#""image":"a.png","last_image":"b.png","continue_from":null,"seed":16"#,
            r#""sampler":"unipc","step_list":[1000.0,500.0],"size":{"width":64,"height":64}"#,
            r#""loras":[{"file":"c.safetensors","strength":1.0,"expert":"low"}],"vae_tile":null,"weights":"auto"}"#,
            r#""pictures":["aa","bb"],"onnxruntime":"1.31.1""#,
            r#"[{"file":"c.safetensors","sha256":"ff","experts":["low"],"dialect":"diffusers","matched":3,"left_out":2,"dead":1}]"#,
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }
}
