//! Models on the command line: what is said before one goes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::common;

fn wandeck(data_dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wandeck"))
        .args(args)
        .env("WANDECK_DATA_DIR", data_dir)
        .env_remove("MODELS_ROOT")
        .output()
        .unwrap()
}

#[test]
fn a_model_that_jobs_need_is_not_removed_and_the_jobs_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let toy = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B");
    let model = dir.path().join("models/mine");
    common::copy_all(&toy, &model);
    let transformer = model.join("transformer/diffusion_pytorch_model.safetensors");
    // values of its own, so that it is not the toy under another name
    let mut bytes = std::fs::read(&transformer).unwrap();
    let half = bytes.len() / 2;
    for byte in bytes[half..].iter_mut().step_by(64) {
        *byte ^= 1;
    }
    std::fs::write(&transformer, bytes).unwrap();
    for _ in 0..2 {
        assert!(wandeck(dir.path(), &["queue", "add", "a circle", "--model", "mine"]).status.success());
    }
    let refused = wandeck(dir.path(), &["models", "remove", "mine"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("Jobs 1 and 2 need the model mine"), "{said}");
    assert!(model.is_dir());
    let asked = wandeck(dir.path(), &["models", "remove", "mine", "--dry-run", "--json"]);
    let document: Value = serde_json::from_slice(&asked.stdout).unwrap();
    assert_eq!(document["needed_by_jobs"], serde_json::json!([1, 2]), "{document}");
}
