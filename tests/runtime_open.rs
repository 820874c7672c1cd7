//! Opening ONNX Runtime: what is refused and why, and that one process opens one library.
//!
//! One test, because the order matters: after the first success the process is committed to that library.
#![expect(clippy::unwrap_used, reason = "the functions that tests share may fail like tests")]

use std::fs;
use std::path::Path;

use wandeck::core::{CancelToken, Error};
use wandeck::engine::runtime::{
    Build, Environment, FoundLibrary, Origin, Runtime, RuntimeOpenError, VERSION, fetch, search,
};

mod common;

/// The library of the checkout, not opened yet.
fn library() -> FoundLibrary {
    let environment = Environment::from_process(&common::data_dir());
    search(&environment).unwrap().found.into_iter().next().unwrap_or_else(|| {
        let build = Build::for_this_machine().unwrap();
        fetch(build, &environment.runtime_dir(), None, &CancelToken::new(), &mut |_| {}).unwrap()
    })
}

fn at(path: impl AsRef<Path>, origin: Origin) -> FoundLibrary {
    FoundLibrary { path: path.as_ref().to_path_buf(), origin }
}

/// A library of the system that is not ONNX Runtime.
fn other_library() -> &'static str {
    match std::env::consts::OS {
        "windows" => "kernel32.dll",
        "macos" => "/usr/lib/libSystem.B.dylib",
        _ => "libm.so.6",
    }
}

#[test]
fn wrong_libraries_are_refused_and_one_process_opens_one() {
    let right = library();
    let dir = tempfile::tempdir().unwrap();

    let text = dir.path().join("text.so");
    fs::write(&text, "no library").unwrap();
    let refused = Runtime::open(&at(&text, Origin::DataDir)).unwrap_err();
    assert!(matches!(refused, RuntimeOpenError::CannotLoad { .. }), "{refused}");
    let shown = format!("{:#}", Error::from(refused));
    assert!(shown.contains("text.so") && shown.contains("ORT_DYLIB_PATH"), "{shown}");

    let refused = Runtime::open(&at(other_library(), Origin::Variable)).unwrap_err();
    assert!(matches!(refused, RuntimeOpenError::NotOnnxRuntime { .. }), "{refused}");

    // Changing a signed library is not possible on macOS.
    if cfg!(not(target_os = "macos")) {
        let old = dir.path().join("old.so");
        fs::write(&old, with_version(&fs::read(&right.path).unwrap(), "1.30.9")).unwrap();
        for origin in [Origin::Variable, Origin::PythonEnv] {
            let refused = Runtime::open(&at(&old, origin)).unwrap_err();
            assert!(
                matches!(&refused, RuntimeOpenError::WrongVersion { version, .. } if version == "1.30.9"),
                "{refused}"
            );
        }
        let new = dir.path().join("new.so");
        fs::write(&new, with_version(&fs::read(&right.path).unwrap(), "1.32.0")).unwrap();
        let refused = Runtime::open(&at(&new, Origin::PythonEnv)).unwrap_err();
        assert!(matches!(refused, RuntimeOpenError::WrongVersion { .. }), "{refused}");
    }

    let runtime = Runtime::open(&right).unwrap();
    assert_eq!(runtime.info().path, right.path);
    assert_eq!(Runtime::open(&right).unwrap().info(), runtime.info());
    let copy = dir.path().join(right.path.file_name().unwrap());
    fs::copy(&right.path, &copy).unwrap();
    let refused = Runtime::open(&at(&copy, Origin::DataDir)).unwrap_err();
    assert!(
        matches!(&refused, RuntimeOpenError::AnotherIsOpen { open, .. } if *open == right.path),
        "{refused}"
    );
    assert_eq!(common::runtime().info(), runtime.info());
}

/// The library with another version of the same length in the place where it keeps its own.
fn with_version(library: &[u8], version: &str) -> Vec<u8> {
    let kept = format!("\0{VERSION}\0");
    let mut out = library.to_vec();
    let places: Vec<_> = (0..out.len()).filter(|&at| out[at..].starts_with(kept.as_bytes())).collect();
    assert_eq!(places.len(), 1, "one string is the version");
    out[places[0] + 1..][..version.len()].copy_from_slice(version.as_bytes());
    out
}
