//! Whether a file is what its name says, by its header: a captive portal's page must not become a model.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::core::{Bytes, Error, Kind, Result, read_bounded};

/// Longest header of a safetensors file; the format's own limit.
const MAX_HEADER: u64 = 100 << 20;
/// Largest JSON file that is looked into.
const MAX_JSON: Bytes = Bytes(64 << 20);

/// Fails with [`Kind::CorruptModel`] if the file at `path`, which is or becomes a file called `name`, has the wrong
/// header or length for its kind (`.safetensors`, `.gguf`, `.json`); other kinds are not looked into.
pub fn check_file_header(path: &Path, name: &str) -> Result<()> {
    let extension = Path::new(name).extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let wrong = match extension.as_str() {
        "safetensors" | "sft" => safetensors(path),
        "gguf" => gguf(path),
        "json" => json(path),
        _ => Ok(()),
    };
    wrong.map_err(|error| {
        Error::new(Kind::CorruptModel, format!("{name} is not what its name says"))
            .because(error)
            .remedy("The download was discarded. Try again; if it keeps failing, a proxy or mirror is altering the file")
    })
}

fn wrong(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// The place of a tensor's bytes; the rest of its entry is checked when the model is opened.
#[derive(Deserialize)]
struct Place {
    data_offsets: Option<(u64, u64)>,
}

fn safetensors(path: &Path) -> io::Result<()> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER || length + 8 > size {
        return Err(wrong("it has no safetensors header"));
    }
    let entries: std::collections::HashMap<String, Place> =
        serde_json::from_reader(io::BufReader::new(file.take(length)))
            .map_err(|error| wrong(format!("its header is damaged: {error}")))?;
    let end = entries.values().filter_map(|place| place.data_offsets).map(|(_, end)| end).max();
    let expected = end.unwrap_or(0) + length + 8;
    if expected == size {
        return Ok(());
    }
    Err(wrong(format!("it has {size} bytes, and its header says {expected}")))
}

fn gguf(path: &Path) -> io::Result<()> {
    let mut start = [0; 8];
    File::open(path)?.read_exact(&mut start)?;
    let version = u32::from_le_bytes([start[4], start[5], start[6], start[7]]);
    if &start[..4] == b"GGUF" && (1..=1000).contains(&version) {
        Ok(())
    } else {
        Err(wrong("it is not a GGUF file"))
    }
}

fn json(path: &Path) -> io::Result<()> {
    let text = read_bounded(path, MAX_JSON)?;
    serde_json::from_slice::<IgnoredAny>(&text)
        .map(drop)
        .map_err(|error| wrong(format!("it is not JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_no_model_and_a_cut_file_is_too_short() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file.part");
        let check = |bytes: &[u8], name: &str| {
            std::fs::write(&path, bytes).unwrap();
            check_file_header(&path, name).map_err(|error| format!("{error:#}"))
        };
        let page = b"<html>Please sign in to the hotel's network</html>";
        for name in ["a.safetensors", "a.SFT", "a.gguf", "config.json"] {
            assert!(check(page, name).unwrap_err().contains("is not what its name says"), "{name}");
        }
        check(page, "README.md").unwrap();
        let toy = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("models/toy-t2v-A14B/vae/diffusion_pytorch_model.safetensors");
        let mut bytes = std::fs::read(toy).unwrap();
        check(&bytes, "a.safetensors").unwrap();
        bytes.pop();
        assert!(check(&bytes, "a.safetensors").unwrap_err().contains("its header says"));
        check(b"GGUF\x03\0\0\0", "a.gguf").unwrap();
        check(b"{\"a\": 1}", "config.json").unwrap();
    }
}
