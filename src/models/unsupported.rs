//! Checkpoint formats that are not supported.

use std::path::{Path, PathBuf};

use crate::core::{Error, Kind};

/// Extensions of files that `PyTorch` writes with `torch.save`.
const PICKLES: [&str; 4] = ["pth", "pt", "ckpt", "bin"];

/// Whether the extension of `path` is that of an unsupported checkpoint format.
pub(super) fn is_unsupported(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    PICKLES.contains(&extension.as_str())
}

/// The error for a file in an unsupported format, with what to download instead.
pub(super) fn unsupported_format(path: &Path) -> Error {
    Error::new(
        Kind::Unsupported,
        format!(
            "{} is a PyTorch pickle. Opening one can run any program, so this format is not supported",
            path.display()
        ),
    )
    .remedy(
        "Download the weights as .safetensors: Comfy-Org/Wan_2.2_ComfyUI_Repackaged has both VAEs and the text \
         encoder. Or convert the file once in Python with safetensors.torch.save_file(torch.load(\"IN\", \
         weights_only=True), \"OUT.safetensors\")",
    )
}

/// The first file of an unsupported format directly in `dir`.
pub(super) fn first_unsupported(dir: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(dir).ok()?;
    let mut found: Vec<_> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| is_unsupported(path))
        .collect();
    found.sort();
    found.into_iter().next()
}
