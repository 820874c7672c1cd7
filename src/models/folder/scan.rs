//! Finds the checkpoint files in a folder and recognises them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::diffusers;
use super::super::info::Layout;
use super::super::unsupported::is_unsupported;
use super::vae::Origin;
use crate::core::{Error, Kind, Result};
use crate::onnx::Weights;
use crate::wan::names::{Recognised, recognise, resemblance};
use crate::wan::text::has_attached_tokenizer;

/// Subfolders of ComfyUI's `models` folder that are searched; one of the first two identifies it.
const COMFY: [&str; 6] = ["diffusion_models", "unet", "text_encoders", "clip", "vae", "checkpoints"];
/// Extensions of checkpoint files, in any case.
const EXTENSIONS: [&str; 3] = ["safetensors", "sft", "gguf"];
/// Subfolders that may themselves be a ComfyUI `models` folder.
const INSIDE: [&str; 2] = ["split_files", "models"];
/// How many folders deep files are searched (`google/umt5-xxl/spiece.model` is two deep).
const MAX_DEPTH: usize = 3;
/// Maximum number of checkpoint files that are opened, in case the folder is a whole disk.
const MAX_FILES: usize = 1000;
/// Maximum number of folders that are searched.
const MAX_FOLDERS: usize = 500;

/// A component of a Wan model that was found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The file, or the first of several shards, by its name in the folder; links are not resolved.
    pub(super) path: PathBuf,
    /// The file's stem, without shard numbers.
    pub(super) stem: String,
    /// The component.
    pub(super) recognised: Recognised,
}

/// What a folder contains.
#[derive(Debug)]
pub(super) struct Scan {
    /// The folder.
    pub(super) root: PathBuf,
    /// How its files are arranged.
    pub(super) layout: Layout,
    /// Components of Wan models.
    pub(super) found: Vec<Found>,
    /// Files that cannot be read, each with the error.
    pub(super) broken: Vec<(PathBuf, Error)>,
    /// Files that are no component of a Wan model, each with what it seems to be.
    pub(super) unrecognised: Vec<(PathBuf, String)>,
    /// Files in an unsupported format.
    pub(super) unsupported: Vec<PathBuf>,
    /// Folders with a tokenizer.
    pub(super) tokenizers: Vec<PathBuf>,
    /// Files whose header contains a tokenizer.
    pub(super) tokenizer_files: Vec<PathBuf>,
    /// By path, what is known of the VAEs that were looked at; it may take reading a whole file.
    pub(super) origins: RefCell<BTreeMap<PathBuf, Origin>>,
    num_folders: usize,
}

/// Checkpoints on disk by folder, stem and extension: one file, or shards.
type Sets = BTreeMap<(PathBuf, String, String), Vec<PathBuf>>;

/// Searches `dir`. A folder that cannot be listed counts as empty.
pub(super) fn scan(dir: &Path) -> Scan {
    let inside = INSIDE.iter().map(|name| dir.join(name)).find(|path| is_comfy(path));
    let root = if is_comfy(dir) { dir.to_path_buf() } else { inside.unwrap_or_else(|| dir.to_path_buf()) };
    let mut scan = Scan {
        layout: if is_comfy(&root) { Layout::Comfy } else { Layout::SingleFiles },
        root: root.clone(),
        found: Vec::new(),
        broken: Vec::new(),
        unrecognised: Vec::new(),
        unsupported: Vec::new(),
        tokenizers: Vec::new(),
        tokenizer_files: Vec::new(),
        origins: RefCell::default(),
        num_folders: 0,
    };
    let mut sets = Sets::new();
    if scan.layout == Layout::Comfy {
        for name in COMFY {
            scan.walk(&root.join(name), 1, &mut sets);
        }
    } else {
        scan.walk(&root, 0, &mut sets);
    }
    for ((folder, stem, extension), files) in sets.into_iter().take(MAX_FILES) {
        let path = files[0].clone();
        let read = open(&folder, [&stem, &extension], &files).and_then(|weights| {
            if has_attached_tokenizer(&weights) {
                scan.tokenizer_files.push(path.clone());
            }
            let components = recognise(&weights)?;
            if components.is_empty() {
                scan.unrecognised.push((path.clone(), resemblance(&weights)));
            }
            Ok(components)
        });
        match read {
            Ok(components) => scan.found.extend(components.into_iter().map(|recognised| Found {
                path: path.clone(),
                stem: stem.clone(),
                recognised,
            })),
            Err(error) => scan.broken.push((path, error)),
        }
    }
    scan
}

fn is_comfy(dir: &Path) -> bool {
    COMFY[..2].iter().any(|name| dir.join(name).is_dir())
}

impl Scan {
    fn walk(&mut self, dir: &Path, depth: usize, sets: &mut Sets) {
        self.num_folders += 1;
        if self.num_folders > MAX_FOLDERS {
            return;
        }
        let Ok(entries) = std::fs::read_dir(dir) else { return };
        let mut paths: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
        paths.sort();
        if ["tokenizer.json", "spiece.model"].iter().any(|name| dir.join(name).exists()) {
            self.tokenizers.push(dir.to_path_buf());
        }
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            if path.is_dir() {
                if depth < MAX_DEPTH && !diffusers::is_one(&path) {
                    self.walk(&path, depth + 1, sets);
                }
            } else if let Some((stem, extension)) = stem_and_extension(&name) {
                let stem = shard(stem).map_or(stem, |(stem, _)| stem).to_owned();
                sets.entry((dir.to_path_buf(), stem, extension.to_owned())).or_default().push(path);
            } else if is_unsupported(&path) && may_be_wan(&name) {
                self.unsupported.push(path);
            }
        }
    }
}

/// Whether the name of a file is that of a checkpoint.
pub(in crate::models) fn is_checkpoint(path: &Path) -> bool {
    path.file_name().is_some_and(|name| stem_and_extension(&name.to_string_lossy()).is_some())
}

/// Stem and extension of a checkpoint file's name.
fn stem_and_extension(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('.')
        .filter(|(_, extension)| EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

/// Whether a file in an unsupported format may belong to a Wan model, by its name; `.bin` alone is not enough.
fn may_be_wan(name: &str) -> bool {
    let name = name.to_lowercase();
    ["wan", "t5", "vae", "noise", "pytorch_model"].iter().any(|word| name.contains(word))
}

/// The name before the shard number of `NAME-00001-of-00003`, and the number of shards.
fn shard(stem: &str) -> Option<(&str, usize)> {
    let (rest, total) = stem.rsplit_once("-of-")?;
    let (name, number) = rest.rsplit_once('-')?;
    let is_number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(number) && is_number(total)).then_some((name, total.parse().ok()?))
}

fn open(folder: &Path, [stem, extension]: [&str; 2], files: &[PathBuf]) -> Result<Weights> {
    let first = files[0].file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let Some((_, total)) = shard(&first) else { return Weights::from_files(&files[..1]) };
    if let Some(missing) = (1..=total)
        .map(|number| format!("{stem}-{number:05}-of-{total:05}.{extension}"))
        .find(|name| !folder.join(name).exists())
    {
        return Err(Error::new(
            Kind::MissingModel,
            format!("{missing} is missing in {}; the checkpoint has {total} shards", folder.display()),
        )
        .remedy("Download that file"));
    }
    if folder.join(format!("{stem}.safetensors.index.json")).exists() {
        return Weights::open(folder, stem);
    }
    Weights::from_files(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_known_by_their_numbers() {
        assert_eq!(shard("model-00002-of-00012"), Some(("model", 12)));
        assert_eq!(shard("wan2.2_t2v_high_noise_14B_fp16"), None);
        assert_eq!(shard("two-of-three"), None);
        for (name, parts) in [
            ("a.b.SAFETENSORS", Some(("a.b", "SAFETENSORS"))),
            ("wan.sft", Some(("wan", "sft"))),
            ("Wan-Q4_K_M.gguf", Some(("Wan-Q4_K_M", "gguf"))),
            ("wan.pth", None),
        ] {
            assert_eq!(stem_and_extension(name), parts, "{name}");
        }
    }
}
