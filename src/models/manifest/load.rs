//! The shipped manifest, and files that extend or replace it.

use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};

use super::check::first_problem;
use super::item::Manifest;
use crate::core::{Bytes, Error, Kind, Result, read_text_bounded};

/// Environment variable with a manifest that extends or replaces the shipped one.
pub const MANIFEST_VARIABLE: &str = "WAN_MODELS_MANIFEST";
/// File in the data folder with a manifest that extends or replaces the shipped one.
pub const MANIFEST_FILE: &str = "models-manifest.ron";
const SHIPPED: &str = include_str!("../../../manifest/models.ron");
/// Largest manifest that is read.
const MAX_FILE: Bytes = Bytes(4 << 20);

/// The shipped manifest with the data folder's own and the one that [`MANIFEST_VARIABLE`] names, in this order; later
/// items replace earlier ones with the same id.
///
/// # Errors
///
/// [`Kind::Input`] with the file, the place and the field for an invalid manifest.
pub fn load_manifest(data_dir: &Path) -> Result<Manifest> {
    let own = data_dir.join(MANIFEST_FILE);
    let named = env::var_os(MANIFEST_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    load_from(own.exists().then_some(own).into_iter().chain(named))
}

fn load_from(paths: impl IntoIterator<Item = PathBuf>) -> Result<Manifest> {
    let mut manifest = parse(SHIPPED, "the shipped manifest", &Manifest::default())?;
    for path in paths {
        let text = read_text_bounded(&path, MAX_FILE).map_err(|error| {
            Error::new(Kind::Input, format!("Cannot read the manifest {}", path.display()))
                .because(error)
                .remedy(format!("Correct the path in {MANIFEST_VARIABLE}, or make the file readable"))
        })?;
        let more = parse(&text, &path.display().to_string(), &manifest)?;
        manifest = if more.extends { merged(manifest, more) } else { more };
    }
    Ok(manifest)
}

/// Reads a manifest; `source` is its name in errors, and it may use the files of `known`.
fn parse(text: &str, source: &str, known: &Manifest) -> Result<Manifest> {
    let wrong = |why: String| {
        Error::new(Kind::Input, format!("{source} is not a valid manifest: {why}"))
            .field("manifest")
            .remedy("Correct the file")
    };
    let options = ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
    let manifest: Manifest = options.from_str(text).map_err(|error| wrong(error.to_string()))?;
    let known: BTreeSet<_> =
        if manifest.extends { known.files.keys().map(String::as_str).collect() } else { BTreeSet::new() };
    match first_problem(&manifest, &known) {
        Some(problem) => Err(wrong(problem)),
        None => Ok(manifest),
    }
}

fn merged(mut base: Manifest, more: Manifest) -> Manifest {
    base.endpoint = more.endpoint.or(base.endpoint);
    base.files.extend(more.files);
    base.items.retain(|item| !more.items.iter().any(|other| other.id == item.id));
    base.items.extend(more.items);
    base
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> Result<Manifest> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mine.ron");
        std::fs::write(&path, text).unwrap();
        load_from([path])
    }

    #[test]
    fn the_shipped_manifest_is_valid_and_can_be_extended_or_replaced() {
        let shipped = load_from([]).unwrap();
        assert!(shipped.items.len() >= 5 && shipped.files.len() > 20);
        let item = "(id: \"mine\", version: \"1\", kind: model, purpose: \"p\", licence: \"MIT\",
            variants: [(name: \"v\", files: [\"vae-2.1\"])])";
        let more = with(&format!("(version: 1, items: [{item}])")).unwrap();
        assert_eq!(more.items.len(), shipped.items.len() + 1);
        let file = "\"vae-2.1\": (component: vae, repository: \"o/n\", path: \"v.safetensors\")";
        let alone =
            with(&format!("(version: 1, extends: false, files: {{{file}}}, items: [{item}])")).unwrap();
        assert_eq!((alone.items.len(), alone.files.len()), (1, 1));
    }

    #[test]
    fn a_variant_is_found_by_every_form_of_its_name() {
        let shipped = load_from([]).unwrap();
        for name in ["t2v-A14B", "t2v-A14B@2.2.0", "t2v-A14B@2.2"] {
            assert_eq!(shipped.select(name, None).unwrap().folder_name(), "t2v-A14B-fp8_scaled", "{name}");
            let fp16 = shipped.select(name, Some("fp16")).unwrap();
            assert_eq!(fp16.folder_name(), "t2v-A14B-fp16", "{name}");
        }
        assert_eq!(shipped.select("T2V-a14b", Some("FP16")).unwrap().folder_name(), "t2v-A14B-fp16");
        for name in
            ["t2v-a14b-GGUF-Q8_0", "t2v-A14B-gguf-q8_0", "t2v-A14B@2.2.0-gguf-q8_0", "t2v-A14B@2-gguf-q8_0"]
        {
            assert_eq!(shipped.select(name, None).unwrap().folder_name(), "t2v-A14B-gguf-q8_0", "{name}");
        }
        for name in ["t2v-A14B@2.1", "t2v-A14B@2.", "t2v-A14B-none", "t2v-A14B@2.2.0-none", "t2v"] {
            let error = shipped.select(name, None).unwrap_err();
            assert!(error.message.contains(name), "{error:#}");
        }
    }

    #[test]
    fn an_invalid_manifest_is_refused_with_file_place_and_field() {
        let file = |fields: &str| {
            format!(
                "(version: 1, files: {{\"f\": (component: vae, repository: \"o/n\", path: \"p\", {fields})}})"
            )
        };
        let item = |fields: &str| {
            format!(
                "(version: 1, items: [(id: \"x\", version: \"1\", kind: model, purpose: \"\", licence: \"MIT\", {fields})])"
            )
        };
        for (text, words) in [
            ("(version: 2)".to_owned(), "version: 2 is not supported"),
            (file("colour: 1"), "colour"),
            (file("sha256: \"ab\""), "files[\"f\"].sha256"),
            (file("to: \"../up\""), "files[\"f\"].to"),
            (item("variants: []"), "items[0] (\"x\").variants"),
            (
                item("variants: [(name: \"v\", files: [\"none\"])]"),
                "variants[0] (\"v\").files: there is no file \"none\"",
            ),
            (item("variants: [(name: \"v\")]"), "files"),
        ] {
            let error = with(&text).unwrap_err();
            assert!(error.message.contains("mine.ron") && error.message.contains(words), "{error:#}");
        }
        // a mistake in the format has its line
        let error = with("(version: 1,\n  colour: 2)").unwrap_err();
        assert!(error.message.contains("2:"), "{error:#}");
    }
}
