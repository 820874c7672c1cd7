//! Graphs as files, for other programs to open.

use std::fs;
use std::path::{Path, PathBuf};

use super::spec::Graph;
use crate::core::{Error, Kind, Result};

/// How the weights came to lie beside an exported model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// A second name for the same bytes; no space is used.
    Linked,
    /// A copy, since the folder is on another file system.
    Copied,
}

/// Writes `NAME.onnx` into `dir` and puts the weight files beside it, linked where the file system allows.
///
/// External data must lie in or below the model's own folder (ONNX Runtime and the `onnx` checker refuse
/// links that point elsewhere), hence the hard links.
pub fn export(graph: &Graph, dir: &Path) -> Result<(PathBuf, Placed)> {
    let failed = |error: std::io::Error| {
        Error::new(Kind::Io, format!("Cannot export to {}", dir.display()))
            .because(error)
            .remedy("Choose a folder that can be written and has room for the weights")
    };
    fs::create_dir_all(dir).map_err(failed)?;
    let mut placed = Placed::Linked;
    for location in locations(graph) {
        let (from, to) = (graph.weights_root.join(&location), dir.join(&location));
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        if to.exists() {
            fs::remove_file(&to).map_err(failed)?;
        }
        if fs::hard_link(&from, &to).is_err() {
            fs::copy(&from, &to).map_err(failed)?;
            placed = Placed::Copied;
        }
    }
    let path = dir.join(format!("{}.onnx", graph.name));
    let temp = dir.join(format!("{}.onnx.part", graph.name));
    fs::write(&temp, graph.to_bytes()).and_then(|()| fs::rename(&temp, &path)).map_err(failed)?;
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
