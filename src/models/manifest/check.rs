//! What a manifest must be beyond its format: every error names the item and the field.

use std::collections::BTreeSet;

use super::item::{Manifest, ManifestFile, ManifestItem};
use crate::core::is_plain_path;

/// Version of the file format.
const VERSION: u32 = 1;

/// The first thing that is wrong, with its place: `files["x"].path: …`.
pub(super) fn first_problem(manifest: &Manifest, known: &BTreeSet<&str>) -> Option<String> {
    if manifest.version != VERSION {
        return Some(format!("version: {} is not supported, only {VERSION}", manifest.version));
    }
    let in_files = manifest.files.iter().find_map(|(name, file)| {
        file_problem(file).map(|(field, why)| format!("files[\"{name}\"].{field}: {why}"))
    });
    in_files.or_else(|| {
        let mut ids = BTreeSet::new();
        manifest.items.iter().enumerate().find_map(|(index, item)| {
            let place = format!("items[{index}] (\"{}\")", item.id);
            if !ids.insert((&item.id, &item.version)) {
                return Some(format!("{place}.id: is listed twice with the version {}", item.version));
            }
            item_problem(manifest, known, item).map(|(field, why)| format!("{place}.{field}: {why}"))
        })
    })
}

fn file_problem(file: &ManifestFile) -> Option<(&'static str, String)> {
    let is_repository = file.repository.split('/').count() == 2 && is_plain_path(&file.repository);
    if !is_repository {
        return Some(("repository", format!("\"{}\" is not OWNER/NAME", file.repository)));
    }
    if !file.path.is_empty() && !is_plain_path(file.path.trim_end_matches('/')) {
        return Some(("path", format!("\"{}\" is not a path in the repository", file.path)));
    }
    if !file.to.is_empty() && !is_plain_path(&file.to) {
        return Some(("to", format!("\"{}\" is not a folder of the item", file.to)));
    }
    if file.revision.is_empty() {
        return Some(("revision", "is empty".to_owned()));
    }
    let is_sum = |text: &String| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match &file.sha256 {
        Some(text) if !is_sum(text) => Some(("sha256", format!("\"{text}\" is not 64 hexadecimal digits"))),
        Some(_) if file.is_folder() => Some(("sha256", "a folder has none".to_owned())),
        _ => None,
    }
}

fn item_problem(
    manifest: &Manifest,
    known: &BTreeSet<&str>,
    item: &ManifestItem,
) -> Option<(String, String)> {
    if !is_plain_name(&item.id) {
        return Some((
            "id".to_owned(),
            "has other characters than letters, digits, '.', '_' and '-'".to_owned(),
        ));
    }
    if !is_plain_name(&item.version) {
        return Some(("version".to_owned(), format!("\"{}\" is not a version", item.version)));
    }
    if item.variants.is_empty() {
        return Some(("variants".to_owned(), "there is none".to_owned()));
    }
    let mut names = BTreeSet::new();
    item.variants.iter().enumerate().find_map(|(index, variant)| {
        let place = |field: &str| format!("variants[{index}] (\"{}\").{field}", variant.name);
        if !is_plain_name(&variant.name) || !names.insert(&variant.name) {
            return Some((place("name"), "is not a name, or is listed twice".to_owned()));
        }
        if variant.files.is_empty() {
            return Some((place("files"), "there is none".to_owned()));
        }
        let unknown = variant
            .files
            .iter()
            .find(|name| !manifest.files.contains_key(*name) && !known.contains(name.as_str()))?;
        Some((place("files"), format!("there is no file \"{unknown}\"")))
    })
}

fn is_plain_name(text: &str) -> bool {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    !text.is_empty() && !text.starts_with('.') && text.chars().all(is_plain)
}
