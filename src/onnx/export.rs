//! Export of graphs as ONNX files for other programs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::spec::Graph;
use crate::core::{Error, Kind, Result};

/// What `wandeck graph export --json` prints.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct ExportDocument<'a> {
    /// The `.onnx` files.
    pub files: &'a [PathBuf],
}

/// How the weights of an exported model were placed beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightPlacement {
    /// They are there already: the model was exported into the checkpoint's folder.
    InPlace,
    /// Copied; file systems with reflinks share the bytes.
    Copied,
}

/// Writes `NAME.onnx` into `dir` and copies the weight files beside it, unless they are there already.
///
/// External data must be in or below the folder of the model, and the `onnx` checker rejects links of any kind.
/// Fails with [`Kind::Io`] if a file cannot be written.
pub fn export(graph: &Graph, dir: &Path) -> Result<(PathBuf, WeightPlacement)> {
    let failed = |error: std::io::Error| {
        Error::new(Kind::Io, format!("Cannot export to {}", dir.display()))
            .because(error)
            .remedy("Choose a writable folder with enough free space for the weights")
    };
    fs::create_dir_all(dir).map_err(failed)?;
    let root = dir.canonicalize().map_err(failed)?;
    let mut placed = WeightPlacement::InPlace;
    if root != graph.weights_root {
        placed = WeightPlacement::Copied;
        for location in locations(graph) {
            let to = root.join(location);
            fs::create_dir_all(to.parent().unwrap_or(&root)).map_err(failed)?;
            let part = to.with_extension("part");
            fs::copy(graph.weights_root.join(location), &part).map_err(failed)?;
            fs::rename(&part, &to).map_err(failed)?;
        }
    }
    let path = dir.join(format!("{}.onnx", graph.name));
    let part = dir.join(format!("{}.onnx.part", graph.name));
    fs::write(&part, graph.to_bytes()).and_then(|()| fs::rename(&part, &path)).map_err(failed)?;
    Ok((path, placed))
}

fn locations(graph: &Graph) -> BTreeSet<&str> {
    graph.initializers().filter_map(|tensor| tensor.external("location")).collect()
}
