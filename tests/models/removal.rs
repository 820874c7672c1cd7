//! Removing models that were imported: the files of other programs stay where they are.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use wandeck::models::fetch::import_model;
use wandeck::models::synth::{SynthDtype, SynthLayout, SynthModel};
use wandeck::models::{self, Installed, Removal};

use crate::common::layouts::{narrow, write};

fn installed(data: &Path) -> Vec<Installed> {
    let all = models::installed(data, None).into_iter();
    all.filter(|model| model.path.starts_with(data)).collect()
}

#[test]
fn of_an_imported_folder_only_the_link_goes() {
    let (data, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let comfy = elsewhere.path().join("ComfyUI");
    write(&narrow(SynthModel::Ti2v5b), SynthLayout::Comfy, SynthDtype::Bf16, &comfy);
    let link = import_model(data.path(), &comfy).unwrap().path;
    let all = installed(data.path());
    let removal = Removal::plan(&all[0], &all).unwrap();
    assert_eq!((&removal.paths, &removal.stays_at), (&vec![link.clone()], &comfy.canonicalize().ok()));
    assert!(removal.frees.0 < 4096, "{removal:?}");

    // with another model in the folder the link is of both
    let more = elsewhere.path().join("more");
    write(&narrow(SynthModel::T2vA14b), SynthLayout::Comfy, SynthDtype::Bf16, &more);
    for folder in ["diffusion_models", "vae"] {
        for entry in fs::read_dir(more.join(folder)).unwrap() {
            let from = entry.unwrap().path();
            fs::rename(&from, comfy.join(folder).join(from.file_name().unwrap())).unwrap();
        }
    }
    let all = installed(data.path());
    assert_eq!(all.len(), 2, "{all:?}");
    let error = Removal::plan(&all[0], &all).unwrap_err();
    assert!(error.message.contains(link.to_str().unwrap()), "{error:#}");
}

#[test]
fn of_linked_files_only_the_links_go() {
    let (data, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let own = data.path().join("models/own");
    write(&narrow(SynthModel::Ti2v5b), SynthLayout::Comfy, SynthDtype::Bf16, &own);
    let link = own.join("vae/wan2.2_vae.safetensors");
    let real = elsewhere.path().join("wan2.2_vae.safetensors");
    fs::rename(&link, &real).unwrap();
    symlink(&real, &link).unwrap();
    let all = installed(data.path());
    let removal = Removal::plan(&all[0], &all).unwrap();
    assert!(removal.paths.contains(&link) && !removal.paths.iter().any(|path| path.ends_with(&real)));
    assert_eq!(removal.paths.len(), 3, "{removal:?}");
}
