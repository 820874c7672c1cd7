//! Files that hold weights in a form that is not read.

use std::path::{Path, PathBuf};

use crate::core::{Error, Kind};

/// What `PyTorch` writes with `torch.save`.
const PICKLES: [&str; 4] = ["pth", "pt", "ckpt", "bin"];
/// llama.cpp's format.
const GGUF: &str = "gguf";

/// Whether `path` is such a file, by its name.
pub(super) fn is_refused(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    extension == GGUF || PICKLES.contains(&extension.as_str())
}

/// Why `path` is not read, and how to get something that is.
pub(super) fn refusal(path: &Path) -> Error {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    if extension == GGUF {
        return Error::new(
            Kind::Unsupported,
            format!("{} is a GGUF file, which is not read", path.display()),
        )
        .remedy(
            "Fetch the same model as .safetensors: Comfy-Org/Wan_2.2_ComfyUI_Repackaged has it in fp16 and, of \
             about the same size as this file, in fp8_scaled",
        );
    }
    Error::new(
        Kind::Unsupported,
        format!(
            "{} is a PyTorch pickle, which can run any program when it is opened and is not read",
            path.display()
        ),
    )
    .remedy(
        "Fetch the same weights as .safetensors: Comfy-Org/Wan_2.2_ComfyUI_Repackaged has both VAEs and the text \
         encoder; or convert the file once in Python with safetensors.torch.save_file(torch.load(\"IN\", \
         weights_only=True), \"OUT.safetensors\")",
    )
}

/// The first such file directly in `dir`.
pub(super) fn first_refused(dir: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(dir).ok()?;
    let mut found: Vec<_> =
        entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| is_refused(path)).collect();
    found.sort();
    found.into_iter().next()
}
