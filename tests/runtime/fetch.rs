//! Fetching ONNX Runtime for real: pip, the package index, checksums, several at once, stopped half-way.
#![expect(clippy::unwrap_used, reason = "the functions that tests share may fail like tests")]

use std::fs;
use std::path::Path;
use std::sync::Barrier;
use std::thread;

use wandeck::core::{Bytes, CancelToken, Kind};
use wandeck::engine::runtime::{Build, FetchEvent, Origin, fetch};

fn names_in(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_fetch_says_so_first_and_two_at_once_end_with_one_library() {
    let build = Build::for_this_machine().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let into = dir.path().join("data/runtime");
    let start = Barrier::new(2);
    let fetch_one = || {
        let mut events = Vec::new();
        start.wait();
        let located = fetch(build, &into, None, &CancelToken::new(), &mut |event| events.push(event));
        (located.unwrap(), events)
    };
    let (one, two) = thread::scope(|scope| {
        let other =
            thread::Builder::new().name("second fetch".into()).spawn_scoped(scope, fetch_one).unwrap();
        (fetch_one(), other.join().unwrap())
    });
    assert_eq!(one.0, two.0);
    assert_eq!(one.0.origin, Origin::DataDir);
    assert_eq!(fs::metadata(&one.0.path).unwrap().len(), build.library_size.0);
    assert_eq!(names_in(&into), [".lock", build.file_name], "nothing temporary stays");

    let is_waiting = |event: &FetchEvent| matches!(event, FetchEvent::Waiting { .. });
    let (waited, fetched): (Vec<_>, Vec<_>) =
        [one.1, two.1].into_iter().partition(|events| events.first().is_none_or(is_waiting));
    let [fetched] = &fetched[..] else {
        panic!("one of two fetches, the other waits: {fetched:?} {waited:?}")
    };
    assert!(
        matches!(&fetched[0], FetchEvent::Starting { size, .. } if *size == build.wheel_size),
        "{fetched:?}"
    );
    assert!(matches!(fetched.last(), Some(FetchEvent::Done { path }) if *path == one.0.path), "{fetched:?}");
    let bytes: Vec<Bytes> = fetched
        .iter()
        .filter_map(|event| if let FetchEvent::Downloading { done, .. } = event { Some(*done) } else { None })
        .collect();
    assert!(bytes.is_sorted() && bytes.last() == Some(&build.wheel_size), "{bytes:?}");

    // A whole library is kept without a word, a damaged one is replaced.
    let fetch_again = || {
        let mut events = Vec::new();
        fetch(build, &into, None, &CancelToken::new(), &mut |event| events.push(event)).unwrap();
        events
    };
    assert_eq!(fetch_again(), []);
    fs::OpenOptions::new().write(true).open(&one.0.path).unwrap().set_len(1000).unwrap();
    assert!(matches!(fetch_again().last(), Some(FetchEvent::Done { .. })));
    assert_eq!(fs::metadata(&one.0.path).unwrap().len(), build.library_size.0);
}

#[test]
fn cancelling_ends_pip_and_leaves_nothing() {
    let build = Build::for_this_machine().unwrap();
    let is_starting = |event: &FetchEvent| matches!(event, FetchEvent::Starting { .. });
    let is_downloading = |event: &FetchEvent| matches!(event, FetchEvent::Downloading { .. });
    let moments: [&dyn Fn(&FetchEvent) -> bool; 2] = [&is_starting, &is_downloading];
    for is_moment in moments {
        let (dir, cancel) = (tempfile::tempdir().unwrap(), CancelToken::new());
        let mut after = Vec::new();
        let error = fetch(build, dir.path(), None, &cancel.clone(), &mut |event| {
            if is_moment(&event) {
                cancel.cancel();
            }
            after.push(event);
        })
        .unwrap_err();
        assert_eq!(error.kind, Kind::Cancelled, "{error:#}");
        assert!(is_moment(after.last().unwrap()), "nothing goes on after it: {after:?}");
        assert_eq!(names_in(dir.path()), [".lock"]);
    }
}

#[test]
fn every_hindrance_says_what_to_do() {
    let build = Build::for_this_machine().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let fetch_with = |build: &Build, into: &Path, python: Option<&str>| {
        let python = python.map(std::ffi::OsStr::new);
        let error = fetch(build, into, python, &CancelToken::new(), &mut |_| {}).unwrap_err();
        assert!(error.remedy_text().is_some(), "{error:#}");
        error
    };

    let no_python = fetch_with(build, dir.path(), Some("/nonexistent"));
    let text = format!("{no_python:#}");
    assert!(text.contains("WANDECK_PYTHON is /nonexistent: is not there"), "{text}");
    assert_eq!(names_in(dir.path()), [".lock"], "nothing temporary stays");

    let file = dir.path().join("file");
    fs::write(&file, "in the way").unwrap();
    assert_eq!(fetch_with(build, &file.join("runtime"), None).kind, Kind::Io);

    // The index has no wheel with such a tag; pip's own words are in the log only.
    let unknown = Build { tags: &["wandeck_1_0_none"], ..*build };
    let text = format!("{:#}", fetch_with(&unknown, dir.path(), None));
    assert!(
        text.contains("offers no ONNX Runtime for this system") && text.contains("ORT_DYLIB_PATH"),
        "{text}"
    );
    assert!(!text.contains("No matching distribution"), "{text}");

    // What the index sends is not what is pinned.
    let other = Build { wheel_sha256: build.library_sha256, ..*build };
    let text = format!("{:#}", fetch_with(&other, dir.path(), None));
    assert!(text.contains("checksum of the downloaded wheel") && text.contains(build.wheel_sha256), "{text}");
    assert_eq!(names_in(dir.path()), [".lock", "file"], "nothing temporary stays");
}

/// A Python that is the real one under other circumstances.
#[cfg(unix)]
fn python_with(dir: &Path, script: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;

    let path = dir.join("python");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.into_os_string().into_string().unwrap()
}

#[cfg(unix)]
#[test]
fn a_python_without_pip_or_network_is_reported() {
    let build = Build::for_this_machine().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let into = dir.path().join("runtime");
    let failure = |script: &str| {
        let python = python_with(dir.path(), script);
        let error = fetch(build, &into, Some(python.as_ref()), &CancelToken::new(), &mut |_| {}).unwrap_err();
        assert_eq!(names_in(&into), [".lock"], "nothing temporary stays");
        format!("{error:#}")
    };

    let no_pip = failure("exec python3 -S \"$@\"");
    assert!(no_pip.contains("has no pip"), "{no_pip}");

    // Nothing listens on port 9 of this machine, so pip itself finds out that there is no index.
    let no_network = failure(
        "export PIP_INDEX_URL=http://127.0.0.1:9/simple PIP_RETRIES=1 PIP_NO_CACHE_DIR=1\n\
         unset PIP_FIND_LINKS PIP_EXTRA_INDEX_URL PIP_NO_INDEX\nexec python3 \"$@\"",
    );
    assert!(no_network.contains("The Python package index cannot be reached"), "{no_network}");
    assert!(!no_network.contains("Connection refused"), "pip's own words are in the log: {no_network}");
    assert!(!no_network.contains("ERROR"), "{no_network}");
}
