//! The fields of every document that `--json` prints, held against `tests/fixtures/documents.txt`.
//!
//! A field that is renamed or removed needs a new `DOCUMENT_VERSION`. Afterwards, and for a new field, set
//! `WANDECK_UPDATE_DOCUMENTS` to write the file again.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::common;

/// Fields whose content has a test of its own or depends on the machine.
const LEAVES: [&str; 8] =
    ["draft", "request", "settings", "failures", "summary", "info", "devices", "findings"];

/// The fields of a document at any depth; those of all items of a list together.
fn fields(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                found.insert(path.clone());
                if !LEAVES.contains(&key.as_str()) {
                    fields(value, &path, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fields(item, path, found)),
        _ => {}
    }
}

/// The fields of what the program prints, each with its command in front.
fn document(data: &Path, args: &[&str]) -> Vec<String> {
    let run = common::program(data).args(args).arg("--json").output().unwrap();
    let value = serde_json::from_slice(&run.stdout)
        .unwrap_or_else(|error| panic!("{args:?}: {error}: {}", String::from_utf8_lossy(&run.stderr)));
    let mut found = BTreeSet::new();
    fields(&value, "", &mut found);
    let command: Vec<_> =
        args.iter().take_while(|arg| arg.chars().all(|c| c.is_ascii_lowercase())).copied().collect();
    found.into_iter().map(|field| format!("{}: {field}", command.join(" "))).collect()
}

#[test]
fn the_documents_have_the_fields_of_their_version() {
    let folder = common::fresh_data_dir();
    let data = folder.path();
    let lora = common::golden_model("../loras/rslora.safetensors");
    let tiny = common::golden_model("tiny-t2v");
    let (lora, tiny) = (lora.to_str().unwrap(), tiny.to_str().unwrap());
    let graphs = data.join("graphs");
    let small = data.join("small");
    let toy = ["--preset", "toy-t2v", "--steps", "2", "--frames", "5"];
    let loras = data.join("models/loras");
    fs::create_dir_all(&loras).unwrap();
    fs::copy(lora, loras.join("rslora.safetensors")).unwrap();
    // a file that is part of no model
    fs::create_dir_all(data.join("models/mixed")).unwrap();
    fs::copy(lora, data.join("models/mixed/style.safetensors")).unwrap();
    let clip = ["--size", "64x64", "--frames", "5"];
    let commands: [&[&str]; 25] = [
        &[&["generate", "A red circle"], &toy[..], &["--dry-run"]].concat(),
        &[&["generate", "A red circle"], &toy[..]].concat(),
        &["generate", "A red circle", "--model", "not-here"],
        &[&["queue", "add", "A red circle"], &toy[..]].concat(),
        &["queue", "list"],
        &["queue", "run"],
        &["status"],
        &["doctor"],
        &["tasks", "3"],
        &["analysis", "1"],
        &["compare", "1", "1"],
        &["models", "list"],
        &["models", "show", tiny],
        &["models", "convert", "toy-t2v-A14B", "--precision", "int8", "-o", small.to_str().unwrap()],
        &["presets", "show", "toy-t2v"],
        &["lora", "show", lora, "--model", tiny],
        &["lora", "list", "--model", tiny],
        &["graph", "export", tiny, graphs.to_str().unwrap()],
        &["monitor", "1"],
        &[&["bench", "--model", "toy-ti2v-5B"], &clip[..]].concat(),
        &["bench", "list"],
        &["bench", "compare", "1", "1"],
        &["settings", "show"],
        &["settings", "path"],
        &["queue", "clear"],
    ];
    let found: BTreeSet<_> = commands.iter().flat_map(|args| document(data, args)).collect();
    let found: String = found.into_iter().map(|line| line + "\n").collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/documents.txt");
    if std::env::var_os("WANDECK_UPDATE_DOCUMENTS").is_some() {
        fs::write(&path, &found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (found, expected) = (lines(&found), lines(&expected));
    let gone: Vec<_> = expected.difference(&found).collect();
    let new: Vec<_> = found.difference(&expected).collect();
    assert!(
        gone.is_empty() && new.is_empty(),
        "run it with WANDECK_UPDATE_DOCUMENTS=1 if this is meant; gone: {gone:#?}\nnew: {new:#?}"
    );
}
