//! Own presets that set only some fields, on the command line.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::common;

/// The document that a command prints.
fn json(data: &Path, args: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wandeck"));
    command.env("WANDECK_DATA_DIR", data);
    command.env("MODELS_ROOT", Path::new(env!("CARGO_MANIFEST_DIR")).join("models"));
    let done = command.args(args).arg("--json").output().unwrap();
    assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

/// A data folder with the preset "look", which has no model.
fn data_dir_with_look() -> tempfile::TempDir {
    let data = common::fresh_data_dir();
    let look = "(version: 2, name: \"look\", description: \"\", settings: (steps: 6, shift: 5.0))";
    fs::create_dir(data.path().join("presets")).unwrap();
    fs::write(data.path().join("presets/look.ron"), look).unwrap();
    data
}

#[test]
fn a_preset_without_a_model_runs_with_the_model_that_the_router_chooses() {
    let data = data_dir_with_look();
    let preset = ["generate", "a red circle", "--preset", "look", "--dry-run"];
    let found = json(data.path(), &preset);
    assert_eq!(found["request"]["steps"], 6, "{found}");
    // a fallback is no choice of the model
    let fallback = json(data.path(), &[&preset[..], &["--fallback-model", "toy-ti2v-5B"]].concat());
    assert_eq!(fallback["model"], found["model"]);
    let named = json(data.path(), &[&preset[..], &["--model", "toy-ti2v-5B"]].concat());
    assert_eq!((&named["request"]["steps"], &named["model"]), (&6.into(), &"toy-ti2v-5B".into()));
}

#[test]
fn a_preset_with_some_fields_differs_only_in_those() {
    let data = data_dir_with_look();
    let fields = |first, second| {
        let found = json(data.path(), &["presets", "diff", first, second]);
        let fields = found["differences"].as_array().unwrap().clone();
        fields.iter().map(|field| field["field"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let found = fields("look", "toy-t2v");
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(fields("toy-t2v", "look"), found);
    assert!(fields("toy-t2v", "ti2v-5B").len() > 2, "complete presets differ in all that they have");
}

#[test]
fn a_preset_is_saved_with_the_chosen_fields_and_other_values() {
    let data = common::fresh_data_dir();
    let save = ["presets", "save", "light", "--like", "toy-t2v", "--fields", "guidance,steps,drafts"];
    let values = ["--set", "steps=5", "--set", "drafts=2 seeds, 1 steps"];
    let saved = json(data.path(), &[&save[..], &values].concat());
    let settings = saved[0]["settings"].as_object().unwrap();
    assert_eq!(settings.keys().collect::<Vec<_>>(), ["drafts", "guidance", "steps"], "{saved}");
    assert_eq!((&saved[0]["origin"], &settings["steps"]), (&"own".into(), &5.into()));
    assert_eq!(saved[0].get("model"), None);
    let listed = json(data.path(), &["presets", "list"]);
    let origins: Vec<_> = listed.as_array().unwrap().iter().map(|preset| &preset["origin"]).collect();
    assert_eq!((origins[0], *origins.last().unwrap()), (&"shipped".into(), &"own".into()));
    // its drafts are those of `wandeck draft`
    let draft = ["draft", "a red circle", "--preset", "light", "--model", "toy-t2v-A14B", "--dry-run"];
    let planned = json(data.path(), &draft);
    assert_eq!(planned["cells"].as_array().unwrap().len(), 2, "{planned}");
    let more = json(data.path(), &[&draft[..], &["--drafts", "4"]].concat());
    assert_eq!(more["cells"].as_array().unwrap().len(), 4);
}
