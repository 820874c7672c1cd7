//! A manifest of one's own: the file that `WAN_MODELS_MANIFEST` names extends or replaces the others.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::hub::{LoopbackHub, manifest_of};
use crate::model::{program, toy};

const REPOSITORY: &str = "toys/t2v";

fn run(hub: &LoopbackHub, data: &Path, manifest: &Path, args: &[&str]) -> Output {
    program(hub, data).args(args).env("WAN_MODELS_MANIFEST", manifest).output().unwrap()
}

fn available(hub: &LoopbackHub, data: &Path, manifest: &Path) -> String {
    let done = run(hub, data, manifest, &["models", "available"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn the_named_manifest_extends_or_replaces_the_list() {
    let (hub, data) = (LoopbackHub::start(), tempfile::tempdir().unwrap());
    let named = data.path().join("named.ron");
    let replacing = manifest_of("named-toy", REPOSITORY);
    fs::write(&named, &replacing).unwrap();
    let listed = available(&hub, data.path(), &named);
    assert!(listed.contains("named-toy@1") && !listed.contains("t2v-A14B"), "{listed}");

    fs::write(&named, replacing.replace("extends: false,", "")).unwrap();
    let listed = available(&hub, data.path(), &named);
    assert!(listed.contains("named-toy@1") && listed.contains("t2v-A14B@"), "{listed}");

    // the data folder's own list comes before it: of two items with one id, the named one counts
    let own = data.path().join("models-manifest.ron");
    let other = manifest_of("named-toy", "toys/other").replace("Draws shapes", "Another one");
    fs::write(&own, other.replace("extends: false,", "")).unwrap();
    let listed = available(&hub, data.path(), &named);
    assert!(listed.contains("Draws shapes") && !listed.contains("Another one"), "{listed}");
    let listed = available(&hub, data.path(), Path::new(""));
    assert!(listed.contains("Another one") && listed.contains("t2v-A14B@"), "an empty variable: {listed}");
}

#[test]
fn a_model_of_the_named_manifest_is_fetched_and_found() {
    let (hub, data) = (LoopbackHub::start(), tempfile::tempdir().unwrap());
    hub.put_folder(REPOSITORY, &toy());
    let named = data.path().join("named.ron");
    fs::write(&named, manifest_of("named-toy", REPOSITORY)).unwrap();
    let done = run(&hub, data.path(), &named, &["models", "fetch", "named-toy", "--json"]);
    let document: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(document["status"], "done", "{document}");
    let shown = run(&hub, data.path(), &named, &["models", "show", "named-toy"]);
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
}

#[test]
fn a_named_manifest_that_cannot_be_used_is_refused_with_its_path() {
    let (hub, data) = (LoopbackHub::start(), tempfile::tempdir().unwrap());
    let named = data.path().join("named.ron");
    let said = || {
        let done = run(&hub, data.path(), &named, &["models", "available"]);
        assert_eq!(done.status.code(), Some(2), "{done:?}");
        String::from_utf8(done.stderr).unwrap()
    };
    let missing = said();
    assert!(missing.contains("named.ron") && missing.contains("WAN_MODELS_MANIFEST"), "{missing}");
    fs::write(&named, "(version: 1,\n items: [(id: \"x\")])").unwrap();
    let invalid = said();
    assert!(invalid.contains("named.ron") && invalid.contains("2:"), "{invalid}");
    fs::write(&named, manifest_of("named-toy", "no-owner")).unwrap();
    let wrong = said();
    assert!(wrong.contains("files[\"all\"].repository"), "{wrong}");
}
