//! A model keeps its id whatever lies beside it, and every name that was ever shown still finds it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fs;
use std::path::Path;

use wandeck::models::synth::{SynthDtype, SynthLayout, SynthModel};
use wandeck::models::{self, Installed};

use crate::common::layouts::{load, narrow, save, write};

const NOWHERE: &str = "/nowhere";
const HIGH: &str = "diffusion_models/wan2.2_t2v_high_noise_14B_fp32.safetensors";

/// The models in `dir`, without those that come with the program.
fn inside(dir: &Path) -> Vec<Installed> {
    let all = models::installed(Path::new(NOWHERE), Some(dir));
    all.into_iter().filter(|model| model.path.starts_with(dir)).collect()
}

fn usable_ids(dir: &Path) -> Vec<String> {
    inside(dir).into_iter().filter(|model| model.limits.is_ok()).map(|model| model.id).collect()
}

fn found(name: &str, dir: &Path) -> String {
    let path = models::find(name, Path::new(NOWHERE), Some(dir)).unwrap();
    models::open(&path).unwrap().id
}

#[test]
fn an_id_does_not_depend_on_the_neighbours() {
    let dir = tempfile::tempdir().unwrap();
    write(&narrow(SynthModel::T2vA14b), SynthLayout::Comfy, SynthDtype::Fp32, dir.path());
    let files = dir.path().join("diffusion_models");
    assert_eq!(usable_ids(dir.path()), ["t2v-128-fp32"]);
    let job = inside(dir.path())[0].path.clone();
    assert_eq!(inside(dir.path())[0].folder(), dir.path(), "what is shown is a folder of the disk");

    // a second copy of one file
    fs::copy(dir.path().join(HIGH), files.join("wan2.2_t2v_high_noise_14B_fp32 (1).safetensors")).unwrap();
    assert_eq!(usable_ids(dir.path()), ["t2v-128-fp32"]);
    // a half of another pair
    let mut other = load(&dir.path().join(HIGH));
    other.get_mut("head.modulation").unwrap().2[0] ^= 1;
    save(&files.join("remixWan22_t2v_high_noise.safetensors"), &other);
    assert_eq!(usable_ids(dir.path()), ["t2v-128-fp32"]);
    // the same model in another precision
    let small = tempfile::tempdir().unwrap();
    write(&narrow(SynthModel::T2vA14b), SynthLayout::Comfy, SynthDtype::Fp8Scaled, small.path());
    for word in ["high", "low"] {
        let name = format!("wan2.2_t2v_{word}_noise_14B_fp8_scaled.safetensors");
        fs::copy(small.path().join("diffusion_models").join(&name), files.join(&name)).unwrap();
    }
    assert_eq!(usable_ids(dir.path()), ["t2v-128-fp32", "t2v-128-fp8_scaled"]);

    // the job's path and the ids of version 0.1, with which of them is meant
    assert_eq!(models::open(&job).unwrap().id, "t2v-128-fp32");
    for (name, id) in [
        ("t2v-128", "t2v-128-fp32"),
        ("t2v-128-fp32", "t2v-128-fp32"),
        ("t2v-128-wan2_2_t2v_14b_fp32", "t2v-128-fp32"),
        ("t2v-128-fp8_scaled", "t2v-128-fp8_scaled"),
        ("t2v-128-wan2_2_t2v_14b_fp8_scaled", "t2v-128-fp8_scaled"),
    ] {
        assert_eq!(found(name, dir.path()), id, "{name}");
        assert_eq!(models::open(&dir.path().join(name)).unwrap().id, id, "{name}");
    }
    // what was shown beside the other goes on when it is alone
    for word in ["high", "low"] {
        fs::remove_file(files.join(format!("wan2.2_t2v_{word}_noise_14B_fp8_scaled.safetensors"))).unwrap();
    }
    assert_eq!(models::open(&dir.path().join("t2v-128-fp32")).unwrap().id, "t2v-128-fp32");
}

#[test]
fn one_content_is_one_model() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    write(&narrow(SynthModel::Ti2v5b), SynthLayout::Comfy, SynthDtype::Fp32, &one);
    write(&narrow(SynthModel::Ti2v5b), SynthLayout::Comfy, SynthDtype::Fp32, &two);
    let file = two.join("diffusion_models/wan2.2_ti2v_5B_fp32.safetensors");
    let renamed = two.join("diffusion_models/myFavourite.safetensors");
    fs::rename(&file, &renamed).unwrap();
    assert_eq!(usable_ids(dir.path()), ["ti2v-128-fp32"]);
    assert_eq!(found("ti2v-128-myfavourite-fp32", dir.path()), "ti2v-128-fp32");
    // other values are another model
    let mut other = load(&renamed);
    other.get_mut("head.modulation").unwrap().2[0] ^= 1;
    save(&renamed, &other);
    assert_eq!(usable_ids(dir.path()), ["ti2v-128-fp32", "ti2v-128-myfavourite-fp32"]);
    // even under the same name
    fs::rename(&renamed, &file).unwrap();
    let ids = usable_ids(dir.path());
    assert!(ids.len() == 2 && ids[1].starts_with("ti2v-128-fp32~"), "{ids:?}");
    let path = inside(dir.path())[1].path.clone();
    assert!(path.starts_with(&two) && models::open(&path).is_ok());
}

#[test]
fn a_repository_in_a_hub_cache_is_called_by_its_name() {
    let hub = tempfile::tempdir().unwrap();
    let repository = hub.path().join("models--Wan-AI--Wan2.2-TI2V-5B-Diffusers");
    let commit = "b8fff7315c768468a5333511427288870b2e9635";
    let snapshot = repository.join("snapshots").join(commit);
    write(&narrow(SynthModel::Ti2v5b), SynthLayout::Diffusers, SynthDtype::Fp32, &snapshot);
    fs::create_dir_all(repository.join("refs")).unwrap();
    fs::write(repository.join("refs/main"), commit).unwrap();
    let id = "Wan-AI/Wan2.2-TI2V-5B-Diffusers";
    assert_eq!(usable_ids(hub.path()), [id]);
    let lower = id.to_lowercase();
    for name in [id, &lower, "ti2v-5B", "ti2v-5B@2.2.0", "Wan2.2-TI2V-5B-Diffusers", commit] {
        assert_eq!(found(name, hub.path()), id, "{name}");
    }
    for path in [&repository, &snapshot] {
        assert_eq!(models::open(path).unwrap().id, id);
    }
    let error = models::find("ti2v-5B@2.1.0", Path::new(NOWHERE), Some(hub.path())).unwrap_err();
    assert!(format!("{error:#}").contains("not in that version"), "{error:#}");
}
