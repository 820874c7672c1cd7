//! Models in the cache of Hugging Face's tools are found where they lie.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use safetensors::Dtype;
use serde_json::Value;
use wandeck::models::synth::{SynthDtype, SynthLayout, SynthModel};

use crate::common;
use crate::common::layouts::{Tensors, narrow, save, write};

/// Puts a folder into a cache, as a repository's only snapshot.
fn cached(hub: &Path, repository: &str, source: &Path) -> PathBuf {
    let folder = hub.join(format!("models--{}", repository.replace('/', "--")));
    let blobs = folder.join("blobs");
    let snapshot = folder.join("snapshots/0123abcd");
    common::copy_all(source, &snapshot);
    fs::create_dir_all(&blobs).unwrap();
    fs::create_dir_all(folder.join("refs")).unwrap();
    fs::write(folder.join("refs/main"), "0123abcd").unwrap();
    let mut folders = vec![snapshot];
    while let Some(inside) = folders.pop() {
        for path in fs::read_dir(inside).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let blob = blobs.join(fs::read_dir(&blobs).unwrap().count().to_string());
            fs::rename(&path, &blob).unwrap();
            std::os::unix::fs::symlink(blob, path).unwrap();
        }
    }
    folder
}

/// A program that looks for models in this home of Hugging Face's tools.
fn program(data: &Path, home: &Path) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_wandeck"));
    program.env("WANDECK_DATA_DIR", data).env("HF_HOME", home);
    program.env_remove("MODELS_ROOT").env_remove("HF_HUB_CACHE");
    program
}

fn listed(mut program: Command) -> Vec<String> {
    let done = program.args(["models", "list", "--json"]).output().unwrap();
    let document: Value = serde_json::from_slice(&done.stdout).unwrap();
    let models = document.as_array().unwrap();
    models.iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_model_in_the_hub_cache_is_listed_and_makes_videos() {
    let data = common::fresh_data_dir();
    let home = tempfile::tempdir().unwrap();
    let hub = home.path().join("hub");
    let source = tempfile::tempdir().unwrap();
    let model = common::whole_golden_model("tiny-t2v", source.path());
    cached(&hub, "someone/tiny-wan", &model);
    // what is no model of Wan is not listed, but a damaged one is
    let language = source.path().join("language");
    save(
        &language.join("model.safetensors"),
        &Tensors::from([("model.embed_tokens.weight".into(), (Dtype::F32, vec![1, 1], vec![0; 4]))]),
    );
    fs::write(language.join("config.json"), "{}").unwrap();
    cached(&hub, "someone/language", &language);
    // nothing of a language model is read but its configuration
    let swan = source.path().join("swan");
    fs::create_dir(&swan).unwrap();
    fs::write(swan.join("config.json"), r#"{"architectures": ["SwanForCausalLM"]}"#).unwrap();
    fs::write(swan.join("model.safetensors"), "torn").unwrap();
    cached(&hub, "someone/swan", &swan);
    let flux = source.path().join("flux");
    fs::create_dir(&flux).unwrap();
    fs::write(flux.join("model_index.json"), r#"{"_class_name": "FluxPipeline"}"#).unwrap();
    cached(&hub, "someone/flux", &flux);
    fs::remove_file(model.join("vae/config.json")).unwrap();
    cached(&hub, "someone/Wan2.2-cut", &model);

    let found = listed(program(data.path(), home.path()));
    assert!(found.contains(&"someone/tiny-wan".to_owned()), "{found:?}");
    assert!(found.contains(&"someone/Wan2.2-cut".to_owned()), "{found:?}");
    let others = ["language", "swan", "flux"];
    assert!(!found.iter().any(|id| others.iter().any(|other| id.contains(other))), "{found:?}");
    // HF_HUB_CACHE names the folder itself
    let mut by_cache = program(data.path(), source.path());
    by_cache.env("HF_HUB_CACHE", &hub);
    assert!(listed(by_cache).contains(&"someone/tiny-wan".to_owned()));
    assert!(!listed(program(data.path(), source.path())).contains(&"someone/tiny-wan".to_owned()));

    let made = program(data.path(), home.path())
        .args(["generate", "a circle", "--model", "someone/tiny-wan", "--steps", "2", "--size", "32x32"])
        .args(["--frames", "1", "-o"])
        .arg(home.path().join("one.png"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[test]
fn a_repository_of_wan_is_known_by_what_it_has() {
    let data = common::fresh_data_dir();
    let home = tempfile::tempdir().unwrap();
    let hub = home.path().join("hub");
    let source = tempfile::tempdir().unwrap();
    let language_config = r#"{"architectures": ["FilmForConditionalGeneration"]}"#;
    // a pipeline whose repository has the configuration of a language model, too
    let pipeline = common::whole_golden_model("tiny-t2v", source.path());
    fs::write(pipeline.join("config.json"), language_config).unwrap();
    cached(&hub, "someone/pipeline", &pipeline);
    // files whose names say nothing
    let files = source.path().join("files");
    write(&narrow(SynthModel::Ti2v5b), SynthLayout::Comfy, SynthDtype::Fp32, &files);
    for (from, to) in
        [("diffusion_models/wan2.2_ti2v_5B_fp32", "diffusion_models/film"), ("vae/wan2.2_vae", "vae/pixels")]
    {
        let path = |stem| files.join(format!("{stem}.safetensors"));
        fs::rename(path(from), path(to)).unwrap();
    }
    fs::write(files.join("config.json"), language_config).unwrap();
    cached(&hub, "someone/files", &files);
    fs::remove_file(pipeline.join("vae/config.json")).unwrap();
    cached(&hub, "someone/incomplete", &pipeline);
    // a damaged file of Wan is listed by the repository's name, one of a language model is not
    let torn = source.path().join("torn");
    fs::create_dir(&torn).unwrap();
    fs::write(torn.join("config.json"), language_config).unwrap();
    fs::write(torn.join("model.safetensors"), "torn").unwrap();
    cached(&hub, "someone/FastWan2.2-torn", &torn);
    cached(&hub, "someone/Taiwan-LLM", &torn);

    let found = listed(program(data.path(), home.path()));
    for id in ["someone/pipeline", "ti2v-128-film-fp32", "someone/incomplete", "someone/FastWan2.2-torn"] {
        assert!(found.iter().any(|other| other == id), "{id} is not in {found:?}");
    }
    assert!(!found.iter().any(|id| id.contains("Taiwan")), "{found:?}");
    // the repository's name finds what its files make
    for name in ["someone/files", "files"] {
        let shown = program(data.path(), home.path()).args(["models", "show", name]).output().unwrap();
        let text = String::from_utf8_lossy(&shown.stdout);
        assert!(shown.status.success() && text.contains("ti2v-128-film-fp32"), "{name}: {text}");
    }
}
