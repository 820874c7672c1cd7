//! The layout holds: arrows point down, foreign names stay in one place, files stay small.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fs;
use std::path::{Path, PathBuf};

/// Layers from the top; a module may use modules of lower rank only.
const RANKS: [(&str, u32); 26] = [
    ("app", 12),
    ("cli", 12),
    ("worker", 11),
    ("queue", 10),
    ("bench", 10),
    ("attempt", 9),
    ("compare", 9),
    ("sweep", 10),
    ("plan", 8),
    ("library", 7),
    ("jobs", 6),
    ("preflight", 5),
    ("models", 5),
    ("presets", 6),
    ("monitor", 4),
    ("media", 5),
    ("metrics", 1),
    ("stop_signals", 1),
    ("store", 5),
    ("pipeline", 4),
    ("wan", 3),
    ("transfers", 1),
    ("engine", 2),
    ("onnx", 1),
    ("core", 0),
    ("lib", 13),
];
/// Crates and the only module that may name them.
const FOREIGN: [(&str, &[&str]); 17] = [
    ("ort", &["engine"]),
    ("libc", &["engine"]),
    ("libloading", &["engine"]),
    ("egui", &["app"]),
    ("eframe", &["app"]),
    ("egui_plot", &["app"]),
    ("nvml_wrapper", &["monitor"]),
    ("sysinfo", &["monitor"]),
    ("openh264", &["media"]),
    ("mp4_atom", &["media"]),
    ("rusqlite", &["library"]),
    ("fast_ssim2", &["metrics"]),
    ("optimizer", &["sweep"]),
    ("clap", &["cli", "main"]),
    ("indicatif", &["cli"]),
    ("tokenizers", &["wan"]),
    ("ureq", &["transfers"]),
];
const MAX_LINES: usize = 500;

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every source with its top-level module and its text without comments.
fn all() -> Vec<(PathBuf, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    sources(&root, &mut paths);
    assert!(paths.len() > 50, "the sources were found");
    let read = |path: PathBuf| {
        let inside = path.strip_prefix(&root).unwrap();
        let module = inside.components().next().unwrap().as_os_str().to_string_lossy();
        let module = module.trim_end_matches(".rs").to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let code: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        (path, module, code.join("\n"))
    };
    paths.into_iter().map(read).collect()
}

fn rank(module: &str) -> u32 {
    RANKS.iter().find(|(name, _)| *name == module).map_or(13, |(_, rank)| *rank)
}

#[test]
fn arrows_point_down() {
    let mut wrong = Vec::new();
    for (path, module, code) in all().into_iter().filter(|(_, module, _)| module != "lib" && module != "main")
    {
        for part in code.split("crate::").skip(1) {
            let used: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let is_module = RANKS.iter().any(|(name, _)| *name == used);
            let allowed = used == module || rank(&used) < rank(&module);
            if is_module && !allowed {
                wrong.push(format!("{}: {module} uses {used}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows up:\n{}", wrong.join("\n"));
}

#[test]
fn foreign_names_stay_in_one_place() {
    let mut wrong = Vec::new();
    for (path, module, code) in all() {
        for (name, homes) in FOREIGN {
            let named = code.contains(&format!("{name}::")) && {
                // not as the end of a longer word
                code.split(&format!("{name}::"))
                    .next()
                    .is_some_and(|before| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_'))
            };
            if named && !homes.contains(&module.as_str()) {
                wrong.push(format!("{} names {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_stay_small_and_tables_of_contents_hold_no_logic() {
    for (path, _, code) in all() {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines", path.display());
        let is_table = path.file_name().unwrap() == "mod.rs" && !path.to_string_lossy().contains("/cli/");
        assert!(!is_table || !code.contains("fn "), "{} holds logic", path.display());
    }
}

/// The map leads somewhere: each file and folder of the sources that ARCHITECTURE.md names is there.
#[test]
fn what_the_map_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let map = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let names = map.split('`').skip(1).step_by(2).filter(|name| {
        let is_path = name.chars().all(|c| c.is_alphanumeric() || "/._-".contains(c));
        is_path
            && name.contains('/')
            && (Path::new(name).extension().is_some_and(|extension| extension == "rs") || name.ends_with('/'))
    });
    let of_data_folder =
        ["queue/", "latents/", "sweeps/", "outputs/", "models/", "loras/", "runtime/", "cache/"];
    let mut missing = Vec::new();
    let mut count = 0;
    for name in names {
        count += 1;
        let is_there = ["", "src", "tests"].iter().any(|at| root.join(at).join(name).exists());
        // folders that the text names inside the folder it is about
        let is_inside = || {
            ["app", "models", "wan", "engine"].iter().any(|at| root.join("src").join(at).join(name).exists())
        };
        if !is_there && !is_inside() && !of_data_folder.contains(&name) {
            missing.push(name);
        }
    }
    assert!(count > 30, "names were found");
    assert!(missing.is_empty(), "ARCHITECTURE.md names what is not there: {missing:?}");
}

/// Names of the types declared `pub` in `code`.
fn public_types(code: &str) -> impl Iterator<Item = &str> {
    const KINDS: [&str; 4] = ["pub struct ", "pub enum ", "pub trait ", "pub type "];
    code.lines().filter_map(|line| {
        let rest = KINDS.iter().find_map(|kind| line.strip_prefix(kind))?;
        rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()
    })
}

#[test]
fn no_two_public_types_share_a_name() {
    let sources = all();
    let mut names = std::collections::BTreeMap::<&str, Vec<String>>::new();
    for (path, _, code) in &sources {
        for name in public_types(code) {
            names.entry(name).or_default().push(path.display().to_string());
        }
    }
    names.retain(|_, paths| paths.len() > 1);
    assert!(names.is_empty(), "{names:#?}");
}

/// Whether a function in `code` has a parameter with a tuple pattern: `(a, b): (X, Y)`.
fn has_tuple_parameter(code: &str) -> bool {
    code.match_indices("): (").any(|(at, _)| {
        let before = &code[..at];
        let Some(open) = before.rfind('(') else { return false };
        let is_names = |c: char| c.is_alphanumeric() || matches!(c, '_' | ',' | ' ');
        // a closure writes a bar before its first parameter, a parameter of a function follows a parenthesis or a comma
        let is_pattern = before[open + 1..].contains(',') && before[open + 1..].chars().all(is_names);
        let lead = before[..open].trim_end().trim_end_matches('&');
        let closure = lead.rfind('|').is_some_and(|bar| !lead[bar..].contains('\n'));
        is_pattern && !closure && lead.ends_with(['(', ','])
    })
}

#[test]
fn no_function_takes_a_tuple_of_unrelated_things() {
    assert!(has_tuple_parameter("fn f(\n    &self,\n    (a, b): (&A, B),\n) {}"));
    assert!(!has_tuple_parameter("let f = |(a, b): (A, B)| a;"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let offends = |path: &Path, code: &str| {
        let inside = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
        has_tuple_parameter(code).then_some(inside)
    };
    let found: Vec<_> = all().iter().filter_map(|(path, _, code)| offends(path, code)).collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// Words that this project does not use, each with the word to use instead (see CONTRIBUTING.md).
const BANNED: [(&str, &str); 19] = [
    ("by chance", "random"),
    ("clerk", "dispatcher"),
    ("dialect", "format"),
    ("heard", "receives"),
    ("hears", "is called with"),
    ("likewise", "a sentence that stands alone"),
    ("look before a run", "preflight"),
    ("made-up", "synthetic or random"),
    ("mend", "fix"),
    ("mended", "fixed"),
    ("obstacle", "reason or blocker"),
    ("picture", "image"),
    ("pictures", "images"),
    ("reins", "JobControl"),
    ("story", "events"),
    ("struck", "injected"),
    ("told", "reported"),
    ("wish", "pending action"),
    ("wished", "requested"),
];
/// Lines that must keep an old word: stored formats of version 0.1, and terms of standards.
const BANNED_EXCEPT: [&str; 8] = [
    "src/queue/journal_v1.rs",
    "src/library/request_record.rs",
    "src/library/provenance.rs",
    "src/library/history/row.rs",
    "src/library/history/schema.rs",
    "src/attempt/resume_key.rs",
    "src/media/h264.rs",
    "tests/architecture.rs",
];

/// Whether `line` contains `word` as a word of its own or as a part of an identifier in `snake_case`.
fn has_word(line: &str, word: &str) -> bool {
    let lower = line.to_lowercase();
    lower.match_indices(word).any(|(at, _)| {
        let before = lower[..at].chars().next_back();
        let after = lower[at + word.len()..].chars().next();
        [before, after].iter().all(|c| c.is_none_or(|c| !c.is_alphanumeric()))
    })
}

#[test]
fn banned_words_do_not_come_back() {
    assert!(has_word("fn what_was_told() {}", "told") && !has_word("the threshold", "told"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for folder in ["src", "tests", "benches"] {
        sources(&root.join(folder), &mut paths);
    }
    let mut found = Vec::new();
    for path in paths {
        let inside = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
        // a user story is a kind of test
        let is_story = |word: &str| word == "story" && inside.starts_with("tests/");
        if BANNED_EXCEPT.contains(&inside.as_str()) {
            continue;
        }
        for (number, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            // the serde name of a field of version 0.1, and the name of a field in another crate
            if line.trim_start().starts_with("#[serde(") || line.contains("picture_parameter_sets") {
                continue;
            }
            for (word, better) in BANNED.iter().filter(|(word, _)| has_word(line, word) && !is_story(word)) {
                found.push(format!("{inside}:{}: \"{word}\", say \"{better}\"", number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
