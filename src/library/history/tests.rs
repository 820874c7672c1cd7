//! The database on disk: writing, queries, migration, damage, concurrent use.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use super::schema::VERSION;
use super::{History, SimilarRuns, fixture};
use crate::core::{Error, Kind, Mode, Secs, Utc};
use crate::jobs::{EndStatus, FailureRecord, HistoryEntry, JobGroup};

/// A version 1 database with one entry, made by the statements of that version.
const VERSION_1: &str = include_str!("../../../tests/history/v1.sql");

fn open(dir: &Path) -> History {
    let (history, notes) = History::open(dir).unwrap();
    assert_eq!(notes, Vec::<String>::new());
    history
}

fn ids(tasks: &[HistoryEntry]) -> Vec<&str> {
    tasks.iter().map(|task| task.id.as_str()).collect()
}

#[test]
fn what_is_recorded_comes_back_whole_and_once() {
    let dir = tempfile::tempdir().unwrap();
    let task = fixture::full_task("a");
    let history = open(dir.path());
    history.record(&HistoryEntry { retries: 0, ..task.clone() }).unwrap();
    history.record(&task).unwrap();
    drop(history);
    assert_eq!(open(dir.path()).recent(9).unwrap(), [task]);
}

#[test]
fn an_entry_that_is_there_is_not_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let history = open(dir.path());
    let [a, b] = ["a", "b"].map(fixture::full_task);
    history.record_all([&a, &b].into_iter()).unwrap();
    let changes =
        || -> i64 { history.connection.query_row("SELECT total_changes()", [], |row| row.get(0)).unwrap() };
    let before = changes();
    history.record_all([&a, &b].into_iter()).unwrap();
    assert_eq!(changes(), before);
    let retried = HistoryEntry { retries: a.retries + 1, ..a };
    history.record_all([&retried, &b].into_iter()).unwrap();
    assert_eq!(changes(), before + 1);
    assert_eq!(history.recent(9).unwrap().len(), 2);
}

#[test]
fn the_newest_come_first_and_a_time_is_a_bound() {
    let dir = tempfile::tempdir().unwrap();
    let history = open(dir.path());
    for (id, ended) in [("b", 20), ("a", 10), ("d", 30), ("c", 30)] {
        history.record(&fixture::task(id, ended)).unwrap();
    }
    assert_eq!(ids(&history.recent(3).unwrap()), ["c", "d", "b"]);
    assert_eq!(ids(&history.recent(usize::MAX).unwrap()), ["c", "d", "b", "a"]);
    assert_eq!(ids(&history.since(Utc(20)).unwrap()), ["b", "d", "c"]);
}

#[test]
fn the_entries_of_a_group_are_found_by_its_id() {
    let dir = tempfile::tempdir().unwrap();
    let history = open(dir.path());
    let group = |id: &str| {
        Some(JobGroup {
            id: id.to_owned(),
            name: "n".to_owned(),
            cell: vec![0],
            is_timed: false,
            boundaries: Vec::new(),
        })
    };
    for (id, of, ended) in
        [("b", group("g"), 20), ("a", group("g"), 10), ("c", group("h"), 5), ("d", None, 6)]
    {
        history.record(&HistoryEntry { group: of, ..fixture::task(id, ended) }).unwrap();
    }
    assert_eq!(ids(&history.of_group("g").unwrap()), ["a", "b"]);
    assert_eq!(ids(&history.of_group("x").unwrap()), Vec::<&str>::new());
}

#[test]
fn like_runs_are_those_made_in_the_same_way() {
    let dir = tempfile::tempdir().unwrap();
    let history = open(dir.path());
    let task = fixture::task;
    let others = [
        HistoryEntry { model_fingerprint: Some("f2".into()), ..task("model", 9) },
        HistoryEntry { mode: Some(Mode::I2V), ..task("mode", 9) },
        HistoryEntry { provider: Some("cuda".into()), ..task("provider", 9) },
        HistoryEntry { precision: Some("int8".into()), ..task("precision", 9) },
        HistoryEntry { status: EndStatus::Failed, ..task("failed", 9) },
        HistoryEntry { generation_time_s: None, ..task("found again", 9) },
    ];
    let same = (0..5).map(|index| task(&format!("same {index}"), index));
    same.chain(others).for_each(|task| history.record(&task).unwrap());
    let like = SimilarRuns { model_fingerprint: "f1", mode: Mode::T2V, provider: "cpu", precision: "fp32" };
    assert_eq!(ids(&history.like_runs(&like, 3).unwrap()), ["same 4", "same 3", "same 2"]);
    assert_eq!(history.like_runs(&like, 99).unwrap().len(), 5);
}

#[test]
fn counts_agree_with_the_tasks_they_count() {
    let dir = tempfile::tempdir().unwrap();
    let history = open(dir.path());
    let failed = |id, kind, retries| HistoryEntry {
        status: EndStatus::Failed,
        error: Some(FailureRecord::from(&Error::new(kind, "x"))),
        retries,
        ..fixture::task(id, 50)
    };
    let tasks = [
        failed("a", Kind::Io, 0),
        failed("b", Kind::Io, 3),
        failed("c", Kind::OutOfMemory, 1),
        HistoryEntry { retries: 2, ..fixture::task("d", 60) },
        HistoryEntry { status: EndStatus::Cancelled, ..fixture::task("e", 70) },
        fixture::task("old", 1),
    ];
    for task in &tasks {
        history.record(task).unwrap();
    }
    let counts = history.counts(Utc(50)).unwrap();
    let analysis = history.analysis(Utc(50)).unwrap();
    assert_eq!(counts, analysis.counts);
    assert_eq!(analysis, super::Analysis::of(&history.since(Utc(50)).unwrap()));
    assert_eq!((counts.all(), counts.recovered, counts.success_rate()), (5, 1, Some(0.25)));
}

#[test]
fn rebuilding_adds_what_is_missing_and_keeps_what_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let history = open(dir.path());
    let known = fixture::task("known", 10);
    history.record(&known).unwrap();
    let found = |id: &str, output: &str| HistoryEntry {
        output: Some(output.into()),
        generation_time_s: None,
        ..fixture::task(id, 5)
    };
    let files = || [found("file 1", "/videos/known.mp4"), found("file 2", "/videos/other.mp4")].into_iter();
    assert_eq!(history.rebuild(files()).unwrap(), 1);
    assert_eq!(history.rebuild(files()).unwrap(), 1, "the same record once more");
    assert_eq!(history.recent(9).unwrap(), [known, found("file 2", "/videos/other.mp4")]);
}

#[test]
fn a_version_1_database_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let old = Connection::open(History::path_in(dir.path())).unwrap();
    old.execute_batch(VERSION_1).unwrap();
    drop(old);
    let history = open(dir.path());
    let tasks = history.recent(9).unwrap();
    assert_eq!(ids(&tasks), ["68f0-1"]);
    let task = &tasks[0];
    assert_eq!((task.mode, task.generation_time_s), (Some(Mode::T2V), Some(Secs(1.25))));
    assert_eq!((task.findings.len(), task.estimated_s), (0, None));
    history.record(&HistoryEntry { estimated_s: Some(Secs(2.0)), ..task.clone() }).unwrap();
    assert_eq!(history.recent(9).unwrap()[0].estimated_s, Some(Secs(2.0)));
    let version: i32 = history.connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, VERSION);
    assert_eq!(history.problems().unwrap(), Vec::<String>::new());
}

#[test]
fn a_newer_database_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).connection.pragma_update(None, "user_version", VERSION + 1).unwrap();
    let path = History::path_in(dir.path());
    let before = fs::read(&path).unwrap();
    let error = History::open(dir.path()).unwrap_err();
    let text = format!("{error:#}");
    assert!(
        text.contains(&format!("version {}, and this program supports up to {VERSION}", VERSION + 1)),
        "{text}"
    );
    assert!(fs::read(&path).unwrap() == before);
    assert!(!dir.path().join("history.sqlite.damaged-1").exists());
}

#[test]
fn a_damaged_database_is_set_aside_and_a_new_one_begun() {
    let dir = tempfile::tempdir().unwrap();
    let path = History::path_in(dir.path());
    let truncated = {
        let history = open(dir.path());
        (0..50).for_each(|index| history.record(&fixture::task(&index.to_string(), index)).unwrap());
        drop(history);
        let bytes = fs::read(&path).unwrap();
        bytes[..bytes.len() / 2].to_vec()
    };
    let foreign = {
        let path = dir.path().join("foreign");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE tasks (other TEXT)").unwrap();
        fs::read(path).unwrap()
    };
    let forms = [b"certainly no database".to_vec(), b"x".to_vec(), truncated, foreign];
    for (number, bytes) in forms.into_iter().enumerate() {
        fs::write(&path, &bytes).unwrap();
        let (history, notes) = History::open(dir.path()).unwrap();
        let aside = dir.path().join(format!("history.sqlite.damaged-{}", number + 1));
        assert!(fs::read(&aside).unwrap() == bytes, "{number} is kept as it was");
        assert!(notes[0].contains("tasks --rebuild") && notes[0].contains("damaged-"), "{notes:?}");
        history.record(&fixture::task("a", 1)).unwrap();
        assert_eq!(ids(&history.recent(9).unwrap()), ["a"]);
    }
}

#[test]
fn an_empty_history_beside_videos_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let path = History::path_in(dir.path());
    let notes = || History::open(dir.path()).unwrap().1;
    assert_eq!(notes(), [""; 0], "a new data folder has no videos");
    fs::create_dir(dir.path().join("outputs")).unwrap();
    fs::write(dir.path().join("outputs/a.mp4"), "a video").unwrap();
    assert_eq!(notes(), [""; 0], "its jobs may have been removed");
    for ending in ["", "-wal", "-shm"] {
        drop(fs::remove_file(with_ending(&path, ending)));
    }
    assert!(notes()[0].contains("The history was empty") && notes().is_empty());
    fs::write(&path, "").unwrap();
    assert!(notes()[0].contains("tasks --rebuild"));
}

fn with_ending(path: &Path, ending: &str) -> std::path::PathBuf {
    format!("{}{ending}", path.display()).into()
}

#[test]
fn damage_deep_inside_is_found_by_the_thorough_look() {
    let dir = tempfile::tempdir().unwrap();
    let history = open(dir.path());
    (0..200).for_each(|index| history.record(&fixture::task(&index.to_string(), index)).unwrap());
    drop(history);
    let path = History::path_in(dir.path());
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8192].fill(0x5a);
    fs::write(&path, bytes).unwrap();
    let (history, notes) = History::open(dir.path()).unwrap();
    assert!(notes.is_empty() && !history.problems().unwrap().is_empty());
    let error = history.since(Utc(0)).unwrap_err();
    assert!(format!("{error:#}").contains("tasks --rebuild"), "{error:#}");
    drop(history);
    let (history, notes) = History::open_checked(dir.path()).unwrap();
    assert_eq!((notes.len(), history.recent(9).unwrap().len()), (1, 0));
}

#[test]
fn many_at_once_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let dir = dir.path();
            scope.spawn(move || {
                let (history, _) = History::open(dir).unwrap();
                for index in 0..10 {
                    history.record(&fixture::task(&format!("{writer} {index}"), index)).unwrap();
                    assert!(!history.recent(1).unwrap().is_empty());
                }
            });
        }
    });
    assert_eq!(open(dir.path()).recent(999).unwrap().len(), 80);
}

#[test]
fn a_damaged_file_that_many_find_is_set_aside_once() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(History::path_in(dir.path()), b"certainly no database").unwrap();
    std::thread::scope(|scope| {
        for writer in 0..6 {
            let dir = dir.path();
            scope.spawn(move || {
                let (history, _) = History::open(dir).unwrap();
                history.record(&fixture::task(&writer.to_string(), 1)).unwrap();
            });
        }
    });
    assert_eq!(open(dir.path()).recent(99).unwrap().len(), 6);
    assert!(!dir.path().join("history.sqlite.damaged-2").exists());
}

#[test]
fn a_folder_that_cannot_be_written_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, b"").unwrap();
    let error = History::open(&file.join("data")).unwrap_err();
    assert_eq!(error.kind, Kind::Io);
    assert!(format!("{error:#}").contains("--data-dir"), "{error:#}");
}

#[test]
fn a_history_without_its_table_is_set_aside_and_begun_again() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let raw = rusqlite::Connection::open(History::path_in(dir.path())).unwrap();
    raw.execute_batch("DROP TABLE tasks").unwrap();
    drop(raw);
    let (history, notes) = History::open(dir.path()).unwrap();
    assert!(notes[0].contains("its table of jobs is missing"), "{notes:?}");
    assert_eq!(history.recent(5).unwrap(), []);
}
