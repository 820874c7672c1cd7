//! Which components a model must and must not have, as the program says it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::Path;

use crate::common;

/// What `models show` says of a folder, and whether it could be opened.
fn show(data: &Path, model: &Path) -> (bool, String) {
    let done = common::program(data).args(["models", "show"]).arg(model).output().unwrap();
    let said = [done.stdout, done.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (done.status.success(), said)
}

#[test]
fn components_that_wan_does_not_use_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let model = common::whole_golden_model("tiny-t2v", dir.path());
    let before = show(dir.path(), &model).1;
    assert!(!before.contains("can be removed"), "{before}");
    for (folder, config) in [
        ("image_encoder", "config.json"),
        ("image_processor", "preprocessor_config.json"),
        ("text_encoder_2", "config.json"),
    ] {
        std::fs::create_dir(model.join(folder)).unwrap();
        std::fs::write(model.join(folder).join(config), "{}").unwrap();
    }
    std::fs::create_dir(model.join("examples")).unwrap();
    let (is_open, said) = show(dir.path(), &model);
    assert!(is_open, "{said}");
    for folder in ["image_encoder", "image_processor", "text_encoder_2"] {
        assert!(said.contains(&format!("{folder}: Wan 2.2 does not use it; it can be removed")), "{said}");
    }
    assert!(!said.contains("examples"), "{said}");
}

#[test]
fn a_component_that_is_missing_or_one_too_many_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let t2v = common::whole_golden_model("tiny-t2v", &dir.path().join("t2v"));
    for (folder, words) in [
        ("transformer_2", "lacks transformer_2, its low-noise expert"),
        ("text_encoder", "text_encoder"),
        ("vae", "vae"),
        ("transformer", "transformer"),
    ] {
        let aside = dir.path().join(folder);
        std::fs::rename(t2v.join(folder), &aside).unwrap();
        let (is_open, said) = show(dir.path(), &t2v);
        assert!(!is_open && said.contains(words), "{folder}: {said}");
        std::fs::rename(aside, t2v.join(folder)).unwrap();
    }
    assert!(show(dir.path(), &t2v).0);

    // the 5B model has one transformer
    let ti2v = common::whole_golden_model("tiny-ti2v", &dir.path().join("ti2v"));
    common::copy_all(&ti2v.join("transformer"), &ti2v.join("transformer_2"));
    let (is_open, said) = show(dir.path(), &ti2v);
    assert!(!is_open && said.contains("one transformer, and there is a transformer_2"), "{said}");
}
