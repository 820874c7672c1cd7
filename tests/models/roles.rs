//! Which file plays which role: found out by content and names, asked about where they say nothing, or chosen.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fs;
use std::path::Path;

use safetensors::Dtype;
use wandeck::core::{ComponentFiles, Kind, Mode};
use wandeck::models::synth::{SynthDtype, SynthLayout, SynthModel};
use wandeck::models::{self, RoleHints, RoleSource};
use wandeck::plan::{Catalog, Folders, Profiles};

use crate::common::layouts::{Tensors, load, narrow, save, write};

const VAE: &str = "vae/wan_2.1_vae.safetensors";
const HIGH: &str = "diffusion_models/wan2.2_t2v_high_noise_14B_fp32.safetensors";
const LOW: &str = "diffusion_models/wan2.2_t2v_low_noise_14B_fp32.safetensors";

fn comfy() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(&narrow(SynthModel::T2vA14b), SynthLayout::Comfy, SynthDtype::Fp32, dir.path());
    dir
}

/// A VAE of Wan's shapes with other values.
fn other_values(vae: &Tensors) -> Tensors {
    let mut other = vae.clone();
    for (_, (_, _, bytes)) in other.iter_mut().filter(|(name, _)| name.starts_with("decoder.")) {
        for value in bytes.as_chunks_mut::<4>().0 {
            *value = (f32::from_le_bytes(*value) * 0.6 + 0.01).to_le_bytes();
        }
    }
    other
}

/// A VAE whose decoder gives `times` as many channels.
fn more_channels(vae: &Tensors, times: usize) -> Tensors {
    let mut more = vae.clone();
    for name in ["decoder.head.2.weight", "decoder.head.2.bias"] {
        let (_, shape, bytes) = more.get_mut(name).unwrap();
        shape[0] *= times;
        *bytes = bytes.repeat(times);
    }
    more
}

fn vae_file(dir: &Path) -> String {
    let opened = models::inspect(dir).unwrap();
    let vae = opened.info.components.iter().find(|part| part.role == "vae").unwrap();
    vae.files[0].file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn the_vae_is_wans_whatever_lies_beside_it() {
    let dir = comfy();
    let vae = load(&dir.path().join(VAE));
    save(&dir.path().join("vae/qwen_image_vae.safetensors"), &other_values(&vae));
    save(&dir.path().join("vae/aaa_rgba_vae.safetensors"), &more_channels(&vae, 2));
    save(&dir.path().join("vae/Wan2.1_VAE_upscale2x_imageonly_real_v1.safetensors"), &more_channels(&vae, 4));
    assert_eq!(vae_file(dir.path()), "wan_2.1_vae.safetensors");
    let notes = models::inspect(dir.path()).unwrap().info.notes;
    assert!(
        notes.iter().any(|note| note.contains("2 VAEs fit") && note.contains("which is Wan's")),
        "{notes:?}"
    );

    // without it, another model's VAE is asked about, and a variant is refused before any work
    fs::remove_file(dir.path().join(VAE)).unwrap();
    let error = models::open(dir.path()).unwrap_err();
    assert_eq!((error.kind, error.field_name()), (Kind::Input, Some("vae")));
    assert!(error.message.contains("qwen_image_vae"), "{error:#}");
    let qwen = dir.path().join("vae/qwen_image_vae.safetensors");
    let chosen = ComponentFiles { vae: Some(qwen.clone()), ..ComponentFiles::default() };
    let opened = models::inspect_with(dir.path(), RoleHints::new(None, &chosen)).unwrap();
    let part = opened.info.components.iter().find(|part| part.role == "vae").unwrap();
    assert_eq!(part.role_source, Some(RoleSource::Chosen));
    fs::remove_file(qwen).unwrap();
    let error = models::open(dir.path()).unwrap_err();
    assert!(error.message.contains("instead of 3 and 3"), "{error:#}");
    let wrong = dir.path().join("vae/aaa_rgba_vae.safetensors");
    let wrong = ComponentFiles { vae: Some(wrong), ..ComponentFiles::default() };
    assert_eq!(
        models::open_with(dir.path(), RoleHints::new(None, &wrong)).unwrap_err().field_name(),
        Some("vae")
    );
    let no_vae = ComponentFiles { vae: Some(dir.path().join(HIGH)), ..ComponentFiles::default() };
    let error = models::open_with(dir.path(), RoleHints::new(None, &no_vae)).unwrap_err();
    assert!(error.message.contains("it seems to be a transformer of Wan"), "{error:#}");
}

#[test]
fn a_vae_with_quantised_weights_is_refused_by_tensor_and_form() {
    let dir = comfy();
    let vae = load(&dir.path().join(VAE));
    let name = vae.keys().find(|name| name.ends_with("conv1.weight")).unwrap().clone();
    let scale = name.replace(".weight", ".scale_weight");
    for (words, change) in [
        ([name.as_str(), "integers"], {
            let mut integers = vae.clone();
            let (dtype, _, data) = integers.get_mut(&name).unwrap();
            (*dtype, *data) = (Dtype::I8, data[..data.len() / 4].to_vec());
            integers
        }),
        ([scale.as_str(), "scale"], {
            let mut scaled = vae.clone();
            scaled.insert(scale.clone(), (Dtype::F32, vec![], 2.0_f32.to_le_bytes().to_vec()));
            scaled
        }),
    ] {
        save(&dir.path().join(VAE), &change);
        let error = format!("{:#}", models::open(dir.path()).unwrap_err());
        assert!(words.iter().all(|word| error.contains(word)), "{words:?}: {error}");
    }
    // numbers that were only cast are read
    let mut cast = vae.clone();
    let (dtype, _, data) = cast.get_mut(&name).unwrap();
    (*dtype, *data) = (Dtype::F8_E4M3, data[..data.len() / 4].to_vec());
    save(&dir.path().join(VAE), &cast);
    assert!(models::open(dir.path()).is_ok());
}

#[test]
fn unnamed_vaes_of_other_values_are_asked_about() {
    let dir = comfy();
    let vae = load(&dir.path().join(VAE));
    fs::rename(dir.path().join(VAE), dir.path().join("vae/one.safetensors")).unwrap();
    assert_eq!(vae_file(dir.path()), "one.safetensors");
    // the same values twice are no question
    save(&dir.path().join("vae/two.safetensors"), &vae);
    assert!(models::open(dir.path()).is_ok());
    save(&dir.path().join("vae/two.safetensors"), &other_values(&vae));
    let error = models::open(dir.path()).unwrap_err();
    assert_eq!(error.field_name(), Some("vae"));
    for word in ["one.safetensors", "two.safetensors", "--vae"] {
        assert!(
            format!("{error:#}").contains(word) || error.remedy_text().unwrap().contains(word),
            "{error:#}"
        );
    }
}

/// A folder whose experts have these names.
fn named(high: &str, low: &str) -> tempfile::TempDir {
    let dir = comfy();
    for (from, to) in [(HIGH, high), (LOW, low)] {
        let to = dir.path().join(format!("diffusion_models/{to}.safetensors"));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::rename(dir.path().join(from), to).unwrap();
    }
    dir
}

fn sources(opened: &models::Opened) -> Vec<RoleSource> {
    opened.info.components.iter().filter_map(|part| part.role_source.clone()).collect()
}

#[test]
fn experts_that_their_names_tell_apart_are_a_pair() {
    for (high, low) in [
        ("mergeFP8H", "mergeFP8L"),
        ("remix_h_v2", "remix_l_v2"),
        ("transformer", "transformer_2"),
        ("w_hnoise", "w_lnoise"),
        ("fooHIGHbar", "fooLOWbar"),
    ] {
        let dir = named(high, low);
        let opened = models::inspect(dir.path()).unwrap();
        assert_eq!(sources(&opened), [high, low].map(|name| RoleSource::FileName(name.into())));
    }
    // diffusers' folders without its model_index.json
    let dir = named("transformer/diffusion_pytorch_model", "transformer_2/diffusion_pytorch_model");
    let opened = models::inspect(dir.path()).unwrap();
    let folders = ["transformer", "transformer_2"];
    assert_eq!(sources(&opened), folders.map(|name| RoleSource::FolderName(name.into())));
}

#[test]
fn numbered_experts_are_a_pair_that_is_said_where_they_are_the_only_ones() {
    for (high, low) in [("transformer_1", "transformer_2"), ("model", "model_2"), ("model-1", "model-2")] {
        let dir = named(high, low);
        let opened = models::inspect(dir.path()).unwrap_or_else(|error| panic!("{high}: {error:#}"));
        assert_eq!(sources(&opened), [high, low].map(|name| RoleSource::FileName(name.into())));
        let note = opened.info.notes.iter().find(|note| note.contains("--high and --low"));
        assert!(
            note.is_some_and(|note| note.contains(&format!("{high} is taken for the high-noise expert"))),
            "{:?}",
            opened.info.notes
        );
        assert_eq!(opened.checkpoint.assumption.as_ref(), note, "it is a warning of every job");
        // a third file: the numbers may mean versions
        let mut third = load(&dir.path().join(format!("diffusion_models/{low}.safetensors")));
        third.get_mut("head.modulation").unwrap().2[0] ^= 1;
        save(&dir.path().join("diffusion_models/third.safetensors"), &third);
        assert!(models::open(dir.path()).is_err(), "{high}");
    }
    // a model that has one transformer
    let dir = tempfile::tempdir().unwrap();
    write(&narrow(SynthModel::Ti2v5b), SynthLayout::Comfy, SynthDtype::Fp32, dir.path());
    let folder = dir.path().join("diffusion_models");
    let file = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let mut second = load(&file);
    second.get_mut("head.modulation").unwrap().2[0] ^= 1;
    save(&folder.join("model_2.safetensors"), &second);
    fs::rename(&file, folder.join("model.safetensors")).unwrap();
    let error = models::open(dir.path()).unwrap_err();
    assert!(error.message.contains("holds 2 models"), "{error:#}");
}

#[test]
fn experts_that_their_names_do_not_tell_apart_are_asked_about() {
    for (one, two) in [
        ("fooHIGHres", "fooLOWres"),
        ("wan_high_quality", "wan_low_quality"),
        ("my_model", "my_model_2"),
        ("model", "model (1)"),
    ] {
        let dir = named(one, two);
        let error = models::open(dir.path()).unwrap_err();
        assert_eq!(error.kind, Kind::Input, "{one}: {error:#}");
    }
}

#[test]
fn the_folders_of_a_model_say_nothing_of_its_experts_by_chance() {
    let above = tempfile::tempdir().unwrap();
    for folder in [".tmpLnQ4xB", ".tmpHN_aB", "wan_low", "a_H"] {
        let dir = above.path().join(folder);
        let flat = dir.join("flat");
        write(&narrow(SynthModel::T2vA14b), SynthLayout::Comfy, SynthDtype::Fp32, &dir);
        fs::create_dir(&flat).unwrap();
        for file in [HIGH, LOW, VAE] {
            fs::copy(dir.join(file), flat.join(Path::new(file).file_name().unwrap())).unwrap();
        }
        for entry in fs::read_dir(dir.join("text_encoders")).unwrap() {
            let from = entry.unwrap().path();
            fs::copy(&from, flat.join(from.file_name().unwrap())).unwrap();
        }
        // the folder itself holds the files
        let renamed = above.path().join(format!("of{folder}")).join(folder);
        fs::create_dir_all(renamed.parent().unwrap()).unwrap();
        fs::rename(&flat, &renamed).unwrap();
        let opened = models::open(&renamed).unwrap_or_else(|error| panic!("{folder}: {error:#}"));
        assert!(opened.transformer_2.is_some(), "{folder}");
    }
}

#[test]
fn a_person_can_say_which_file_is_which_expert() {
    let dir = comfy();
    let [one, two] =
        ["one", "two"].map(|name| dir.path().join(format!("diffusion_models/{name}.safetensors")));
    fs::rename(dir.path().join(HIGH), &one).unwrap();
    fs::rename(dir.path().join(LOW), &two).unwrap();
    let files =
        ComponentFiles { high: Some(one.clone()), low: Some(two.clone()), ..ComponentFiles::default() };
    let opened = models::inspect_with(dir.path(), RoleHints::new(None, &files)).unwrap();
    let low = opened.checkpoint.transformer_2.as_ref().unwrap();
    assert_eq!(opened.checkpoint.transformer.weights.files(), [one.canonicalize().unwrap()]);
    assert_eq!(low.weights.files(), [two.canonicalize().unwrap()]);
    assert_eq!(opened.info.components[0].role_source, Some(RoleSource::Chosen));
    // the other way round is another model
    let swapped =
        ComponentFiles { high: Some(two.clone()), low: Some(one.clone()), ..ComponentFiles::default() };
    let swapped = models::open_with(dir.path(), RoleHints::new(None, &swapped)).unwrap();
    assert_eq!(swapped.transformer.weights.files(), [two.canonicalize().unwrap()]);
    let gone =
        ComponentFiles { high: Some(dir.path().join("gone.safetensors")), ..ComponentFiles::default() };
    assert_eq!(
        models::open_with(dir.path(), RoleHints::new(None, &gone)).unwrap_err().field_name(),
        Some("high")
    );
}

#[test]
fn a_distilled_checkpoint_brings_its_settings() {
    let dir = comfy();
    for (word, from) in [("high", HIGH), ("low", LOW)] {
        let to = format!("diffusion_models/wan2.2_t2v_A14b_{word}_noise_lightx2v_4step.safetensors");
        fs::rename(dir.path().join(from), dir.path().join(to)).unwrap();
    }
    let folders = Folders { data: dir.path().join("data"), models: Some(dir.path().to_path_buf()) };
    let model = folders.open("t2v-128-lightx2v_4step-fp32").unwrap();
    let distilled = model.info.as_ref().unwrap().distilled.clone().unwrap();
    assert!(distilled.source.contains("lightx2v_4step"), "{distilled}");
    let catalog = Catalog::new(vec![model.clone()], Profiles::shipped().unwrap()).unwrap();
    let draft = catalog.defaults(&model, Mode::T2V).unwrap();
    assert_eq!((draft.steps, draft.guidance, draft.guidance_low, draft.shift), (4, 1.0, None, 5.0));
    assert_eq!(draft.step_list.unwrap().0.len(), 4);
}
