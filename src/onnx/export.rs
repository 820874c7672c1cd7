//! Graphs as files, for other programs to open.

use std::fs;
use std::path::{Path, PathBuf};

use super::spec::Graph;
use crate::core::{Error, Kind, Result};

/// How the weights came to lie beside an exported model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// They lie there already: the export went into the checkpoint's own folder.
    InPlace,
    /// Copied; file systems that can share the bytes do.
    Copied,
}

/// Writes `NAME.onnx` into `dir` and copies the weight files beside it, unless they are there.
///
/// External data must lie in or below the model's own folder, and the `onnx` checker refuses links of any kind.
pub fn export(graph: &Graph, dir: &Path) -> Result<(PathBuf, Placed)> {
    let failed = |error: std::io::Error| {
        Error::new(Kind::Io, format!("Cannot export to {}", dir.display()))
            .because(error)
            .remedy("Choose a folder that can be written and has room for the weights")
    };
    fs::create_dir_all(dir).map_err(failed)?;
    let root = dir.canonicalize().map_err(failed)?;
    let mut placed = Placed::InPlace;
    if root != graph.weights_root {
        placed = Placed::Copied;
        for location in locations(graph) {
            let to = root.join(&location);
            fs::create_dir_all(to.parent().unwrap_or(&root)).map_err(failed)?;
            let part = to.with_extension("part");
            fs::copy(graph.weights_root.join(&location), &part).map_err(failed)?;
            fs::rename(&part, &to).map_err(failed)?;
        }
    }
    let path = dir.join(format!("{}.onnx", graph.name));
    let part = dir.join(format!("{}.onnx.part", graph.name));
    fs::write(&part, graph.to_bytes()).and_then(|()| fs::rename(&part, &path)).map_err(failed)?;
    Ok((path, placed))
}

fn locations(graph: &Graph) -> Vec<String> {
    let initializers = graph.model.graph.iter().flat_map(|graph| &graph.initializer);
    let entries = initializers.flat_map(|tensor| &tensor.external_data);
    let mut found: Vec<_> = entries
        .filter(|entry| entry.key.as_deref() == Some("location"))
        .filter_map(|entry| entry.value.clone())
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}
