//! Where ONNX Runtime is looked for, in which order, and what is said about the places without it.
#![expect(clippy::unwrap_used, reason = "the functions that tests share may fail like tests")]

use std::fs;
use std::path::{Path, PathBuf};

use wandeck::core::{CancelToken, Kind};
use wandeck::engine::runtime::{Build, Environment, Origin, Search, VERSION, ensure_with, search};

/// The smallest file that looks like a whole library from outside: an ELF header without sections, which the
/// other platforms do not look into.
fn put_library(path: &Path) {
    let mut bytes = [0; 64];
    bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// What the pinned library is called here, and the same in another version.
fn names() -> (&'static str, String) {
    let name = Build::for_this_machine().unwrap().file_name;
    (name, name.replace(VERSION, "1.30.0"))
}

/// A library name without a version, as Windows wheels and development packages have it.
fn plain_name() -> &'static str {
    match std::env::consts::OS {
        "windows" => "onnxruntime.dll",
        "macos" => "libonnxruntime.dylib",
        _ => "libonnxruntime.so",
    }
}

fn environment(root: &Path) -> Environment {
    Environment {
        dylib_path: None,
        program_dir: Some(root.join("bin")),
        data_dir: root.join("data"),
        python_envs: vec![root.join("venv"), root.join("conda")],
        ..Environment::default()
    }
}

fn origins(search: &Search) -> Vec<Origin> {
    search.found.iter().map(|located| located.origin).collect()
}

#[test]
fn the_order_is_variable_program_data_python() {
    let root = tempfile::tempdir().unwrap();
    let mut environment = environment(root.path());
    let (name, _) = names();

    let nothing = search(&environment).unwrap();
    assert_eq!(nothing.found, []);
    assert_eq!(nothing.rejected.len(), 4, "{nothing:?}");
    assert!(
        nothing.rejections().contains("venv (the active Python environment): It has no onnxruntime package")
    );

    put_library(&root.path().join("conda/lib/python3.13/site-packages/onnxruntime/capi").join(name));
    assert_eq!(origins(&search(&environment).unwrap()), [Origin::PythonEnv]);
    put_library(&root.path().join("venv/Lib/site-packages/onnxruntime/capi").join(name));
    assert_eq!(origins(&search(&environment).unwrap()), [Origin::PythonEnv, Origin::PythonEnv]);
    put_library(&root.path().join("data/runtime").join(name));
    put_library(&root.path().join("bin").join(name));
    let all = search(&environment).unwrap();
    let expected = [Origin::Program, Origin::DataDir, Origin::PythonEnv, Origin::PythonEnv];
    assert_eq!(origins(&all), expected);
    assert_eq!(all.found[0].path, root.path().join("bin").join(name));
    assert!(all.found[2].path.starts_with(root.path().join("venv")));

    let named = root.path().join("mine").join(plain_name());
    put_library(&named);
    environment.dylib_path = Some(named.clone());
    let only = search(&environment).unwrap();
    assert_eq!((origins(&only), &only.found[0].path), (vec![Origin::Variable], &named));
}

#[test]
fn a_wrong_variable_is_an_error_and_nothing_else_is_taken() {
    let root = tempfile::tempdir().unwrap();
    put_library(&root.path().join("data/runtime").join(names().0));
    let empty = root.path().join("empty.so");
    fs::write(&empty, b"").unwrap();
    let cases: [(PathBuf, &str); 3] = [
        (root.path().join("nowhere.so"), "there is no such file"),
        (root.path().to_path_buf(), "that is a folder"),
        (empty, "The file is empty"),
    ];
    for (path, why) in cases {
        let environment = Environment { dylib_path: Some(path.clone()), ..environment(root.path()) };
        let error = search(&environment).unwrap_err();
        assert_eq!(error.kind, Kind::Runtime);
        assert!(error.message.contains("ORT_DYLIB_PATH is ") && error.message.contains(why), "{error:#}");
        assert!(error.message.contains(&path.display().to_string()), "{error:#}");
        let ensured = ensure_with(&environment, &CancelToken::new(), &mut |event| {
            panic!("must not fetch: {event}");
        });
        assert_eq!(ensured.unwrap_err().message, error.message);
    }
}

#[test]
fn another_version_is_passed_over_with_the_reason() {
    let root = tempfile::tempdir().unwrap();
    let environment = environment(root.path());
    let (name, old) = names();
    let bin = root.path().join("bin");
    put_library(&bin.join(&old));
    let search_now = || search(&environment).unwrap();
    assert_eq!(search_now().found, []);
    let reason = &search_now().rejected[0].reason;
    assert_eq!(reason, &format!("{old} is version 1.30.0, {VERSION} is needed"));

    // The right one beside it is taken, and before one that does not say its version.
    put_library(&bin.join(plain_name()));
    assert_eq!(search_now().found[0].path, bin.join(plain_name()), "opening it will tell its version");
    put_library(&bin.join(name));
    assert_eq!(search_now().found[0].path, bin.join(name));
}

#[test]
fn a_python_package_says_its_version_where_the_file_does_not() {
    let root = tempfile::tempdir().unwrap();
    let capi = root.path().join("venv/lib/python3.12/site-packages/onnxruntime/capi");
    put_library(&capi.join(plain_name()));
    let info = capi.join("build_and_package_info.py");
    fs::write(&info, "package_name = 'onnxruntime'\n__version__ = '1.24.4'\n").unwrap();
    let found = search(&environment(root.path())).unwrap();
    assert_eq!(found.found, []);
    assert!(found.rejections().contains("is version 1.24.4"), "{}", found.rejections());
    fs::write(&info, format!("__version__ = '{VERSION}'\n")).unwrap();
    assert_eq!(origins(&search(&environment(root.path())).unwrap()), [Origin::PythonEnv]);
}

#[cfg(unix)]
#[test]
fn a_link_has_the_version_of_what_it_links_to() {
    let root = tempfile::tempdir().unwrap();
    let bin = root.path().join("bin");
    put_library(&root.path().join("lib").join(names().1));
    fs::create_dir_all(&bin).unwrap();
    std::os::unix::fs::symlink(root.path().join("lib").join(names().1), bin.join(plain_name())).unwrap();
    let found = search(&environment(root.path())).unwrap();
    assert!(
        found.found.is_empty() && found.rejections().contains("version 1.30.0"),
        "{}",
        found.rejections()
    );
}
