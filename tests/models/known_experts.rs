//! Experts whose files' names say nothing are known by their content: chosen before, in a hub cache, or published.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fs;
use std::path::{Path, PathBuf};

use wandeck::core::{Expert, sha256_hex};
use wandeck::models::synth::{SynthDtype, SynthLayout, SynthModel};
use wandeck::models::{self, Opened, RoleHints, RoleSource, remember_chosen_experts};

use crate::common::layouts::{narrow, write};

/// A ComfyUI folder with the experts `one` (high noise) and `two` (low noise), and a data folder.
struct Unnamed {
    dir: tempfile::TempDir,
    data: tempfile::TempDir,
}

impl Unnamed {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        write(&narrow(SynthModel::T2vA14b), SynthLayout::Comfy, SynthDtype::Fp32, dir.path());
        let unnamed = Self { dir, data: tempfile::tempdir().unwrap() };
        for (word, name) in [("high", "one"), ("low", "two")] {
            let from = format!("diffusion_models/wan2.2_t2v_{word}_noise_14B_fp32.safetensors");
            fs::rename(unnamed.dir.path().join(from), unnamed.file(name)).unwrap();
        }
        assert!(unnamed.experts().is_none(), "nothing says which is which");
        unnamed
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(format!("diffusion_models/{name}.safetensors"))
    }

    fn open(&self) -> Option<Opened> {
        models::inspect_with(self.dir.path(), RoleHints::remembered(self.data.path())).ok()
    }

    /// The files of both experts, and how they are known; `None` if they are no pair.
    fn experts(&self) -> Option<Vec<(String, RoleSource)>> {
        let opened = self.open()?;
        opened.checkpoint.transformer_2.as_ref()?;
        let parts = opened.info.components.into_iter().take(2);
        let stem = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
        Some(parts.map(|part| (stem(&part.files[0]), part.role_source.unwrap())).collect())
    }

    /// A manifest in the data folder that lists both files as published experts.
    fn publish(&self) {
        let file = |expert: &str, name: &str| {
            let bytes = fs::read(self.file(name)).unwrap();
            format!(
                "\"{expert}\": (component: {expert}_noise_expert, repository: \"owner/model\", \
                 path: \"the_{expert}_noise.safetensors\", size: {}, sha256: \"{}\"),",
                bytes.len(),
                sha256_hex(&bytes)
            )
        };
        let files = format!("{}{}", file("high", "one"), file("low", "two"));
        let text = format!("(version: 1, files: {{{files}}})");
        fs::write(self.data.path().join("models-manifest.ron"), text).unwrap();
    }
}

#[test]
fn files_that_a_person_chose_are_known_again_under_other_names() {
    let unnamed = Unnamed::new();
    let (one, two) = (unnamed.file("one"), unnamed.file("two"));
    remember_chosen_experts(unnamed.data.path(), Some(&two), Some(&one));
    let earlier = |name: &str| (name.to_owned(), RoleSource::ChosenEarlier);
    assert_eq!(unnamed.experts().unwrap(), [earlier("two"), earlier("one")]);
    fs::rename(&one, unnamed.file("model-a")).unwrap();
    fs::rename(&two, unnamed.file("model-b")).unwrap();
    assert_eq!(unnamed.experts().unwrap(), [earlier("model-b"), earlier("model-a")]);
    // a later choice counts
    remember_chosen_experts(
        unnamed.data.path(),
        Some(&unnamed.file("model-a")),
        Some(&unnamed.file("model-b")),
    );
    assert_eq!(unnamed.experts().unwrap(), [earlier("model-a"), earlier("model-b")]);
    // it is listed by its name, and found by it
    let found = models::installed(unnamed.data.path(), Some(unnamed.dir.path()));
    let pair = found.iter().find(|model| model.id.starts_with("t2v-128")).unwrap();
    assert!(pair.limits.is_ok(), "{pair:?}");
    // what a name says comes before what is remembered
    fs::rename(unnamed.file("model-a"), unnamed.file("a_low_noise")).unwrap();
    fs::rename(unnamed.file("model-b"), unnamed.file("a_high_noise")).unwrap();
    let named = |name: &str| (name.to_owned(), RoleSource::FileName(name.to_owned()));
    assert_eq!(unnamed.experts().unwrap(), [named("a_high_noise"), named("a_low_noise")]);
}

#[test]
fn published_files_are_known_by_their_checksum_which_is_computed_once() {
    let unnamed = Unnamed::new();
    unnamed.publish();
    let known =
        |name: &str, of: &str| (name.to_owned(), RoleSource::Content(format!("the_{of}_noise.safetensors")));
    assert_eq!(unnamed.experts().unwrap(), [known("one", "high"), known("two", "low")]);
    // nothing is read again: a byte that no sample holds was changed, and size and time put back
    let time = fs::metadata(unnamed.file("one")).unwrap().modified().unwrap();
    let mut bytes = fs::read(unnamed.file("one")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(unnamed.file("one"), &bytes).unwrap();
    fs::File::options().write(true).open(unnamed.file("one")).unwrap().set_modified(time).unwrap();
    assert_eq!(unnamed.experts().unwrap(), [known("one", "high"), known("two", "low")]);
}

#[test]
fn a_file_of_a_published_size_and_another_content_is_no_expert() {
    let unnamed = Unnamed::new();
    unnamed.publish();
    let mut bytes = fs::read(unnamed.file("two")).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(unnamed.file("two"), &bytes).unwrap();
    assert_eq!(unnamed.experts(), None);
    assert_eq!(unnamed.experts(), None, "and it stays so");
}

#[cfg(unix)]
#[test]
fn links_to_a_hub_cache_are_known_by_the_names_in_its_snapshots() {
    let unnamed = Unnamed::new();
    let repository = unnamed.data.path().join("hub/models--owner--model");
    for (name, word, digit) in [("one", "high", "a"), ("two", "low", "b")] {
        let blob = repository.join("blobs").join(digit.repeat(64));
        let link = repository.join(format!("snapshots/1/{word}_noise_model/weights.safetensors"));
        fs::create_dir_all(blob.parent().unwrap()).unwrap();
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        fs::rename(unnamed.file(name), &blob).unwrap();
        std::os::unix::fs::symlink(&blob, link).unwrap();
        std::os::unix::fs::symlink(&blob, unnamed.file(name)).unwrap();
    }
    let experts = unnamed.experts().unwrap();
    let sources: Vec<_> = experts.into_iter().map(|(_, source)| source).collect();
    assert_eq!(sources, ["high", "low"].map(|word| RoleSource::Content(format!("{word}_noise_model"))));
    let high = unnamed.open().unwrap().checkpoint.transformer;
    assert!(high.weights.files()[0].ends_with("a".repeat(64)));
    assert_eq!(Expert::from_name("one"), None);
}
