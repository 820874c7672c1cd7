//! Sweeps and drafts on the command line: dry run, run, export, kill and resume.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common;

const TOY: [&str; 9] =
    ["A red circle", "--preset", "toy-t2v", "--steps", "3", "--frames", "5", "--seed", "7"];

fn command(data: &Path, args: &[&str]) -> Command {
    let mut command = common::program(data);
    command.args(args);
    command
}

fn run(data: &Path, args: &[&str]) -> Output {
    let done = command(data, args).output().unwrap();
    assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    done
}

fn json(data: &Path, args: &[&str]) -> Value {
    json_of(&run(data, &[args, &["--json"]].concat()))
}

fn json_of(done: &Output) -> Value {
    serde_json::from_slice(&done.stdout).unwrap()
}

fn statuses(table: &Value) -> Vec<&str> {
    table["cells"].as_array().unwrap().iter().map(|cell| cell["status"].as_str().unwrap_or("none")).collect()
}

fn output(cell: &Value) -> PathBuf {
    PathBuf::from(cell["output"].as_str().unwrap())
}

/// Addresses of files in a page: what follows `src="` and `href="`.
fn named_files(html: &str) -> BTreeSet<String> {
    let of = |mark: &str| {
        html.split(mark).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    of("src=\"").into_iter().chain(of("href=\"")).collect()
}

#[test]
fn a_sweep_is_planned_run_and_exported() {
    let folder = common::fresh_data_dir();
    let data = folder.path();
    let axes =
        ["--axis", "guidance_low=1,2,3", "--axis", "seed=7,8", "--skip", "seed = 8 & guidance_low > 1"];
    let dry = json(data, &[&["sweep"], &TOY[..], &axes, &["--dry-run"]].concat());
    assert_eq!(dry["cells"].as_array().unwrap().len(), 4);
    assert_eq!(dry["estimate"]["cells"], 4);
    assert!(dry["estimate"]["disk"].as_u64().unwrap() > 0, "{dry}");
    let cut = dry["estimate"]["cuts"][0]["label"].as_str().unwrap();
    assert!(cut.starts_with("Leave out"), "{cut}");
    let page = data.join("page");
    let export = ["--name", "low guidance", "--export", page.to_str().unwrap()];
    let table = json(data, &[&["sweep"], &TOY[..], &axes, &export].concat());
    assert_eq!(statuses(&table), ["done"; 4]);
    // each video has the bytes of a plain job with its settings
    for (cell, guidance) in [(&table["cells"][0], "1.5,1"), (&table["cells"][2], "1.5,2")] {
        let plain = data.join(format!("plain-{guidance}.mp4"));
        let out = ["--guidance", guidance, "-o", plain.to_str().unwrap()];
        run(data, &[&["generate"], &TOY[..], &out].concat());
        assert_eq!(fs::read(output(cell)).unwrap(), fs::read(plain).unwrap(), "{guidance}");
    }
    // the page names only files that are beside it, every video among them
    let html = fs::read_to_string(page.join("index.html")).unwrap();
    let files = named_files(&html);
    assert_eq!(files.iter().filter(|file| file.starts_with("videos/")).count(), 4);
    for file in &files {
        assert!(page.join(file).is_file(), "{file}");
    }
    assert!(html.contains("guidance_low 2 · seed 7") && !html.contains("http"), "self-contained");
    let csv = fs::read_to_string(page.join("sweep.csv")).unwrap();
    assert_eq!(csv.lines().count(), 5);
    assert!(csv.starts_with("guidance_low,seed,status,seconds,peak_mb,video"), "{csv}");
    let sheet = image::open(page.join("contact-sheet.png")).unwrap();
    assert!(sheet.width() > 128 && sheet.height() > 128);
    // it is found again, and its definition runs again
    assert_eq!(json(data, &["sweep", "--show", "low guidance"]), table);
    let again = page.join("sweep.ron");
    let again = json(data, &["sweep", again.to_str().unwrap(), "--preset", "toy-t2v", "--dry-run"]);
    assert_eq!(again["cells"], dry["cells"]);
}

#[test]
fn a_killed_sweep_is_resumed_and_a_wrong_one_refused() {
    let folder = common::fresh_data_dir();
    let data = folder.path();
    let toy = ["A red circle", "--preset", "toy-t2v", "--steps", "60", "--frames", "5", "--seed", "7"];
    let axes = ["--axis", "guidance_low=1,2,3", "--axis", "shift=3,6,12", "--name", "nine"];
    let mut killed =
        command(data, &[&["sweep"], &toy[..], &axes].concat()).stderr(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    let num_done = || {
        let list = command(data, &["sweep", "--show", "nine", "--json"]).output().unwrap();
        let table: Option<Value> =
            serde_json::from_slice(&list.stdout).ok().filter(|_| list.status.success());
        table.map_or(0, |table| statuses(&table).iter().filter(|status| **status == "done").count())
    };
    while num_done() < 2 {
        assert!(began.elapsed() < common::PATIENCE && killed.try_wait().unwrap().is_none());
        std::thread::park_timeout(Duration::from_millis(50));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let before = json(data, &["sweep", "--show", "nine"]);
    assert!(statuses(&before).iter().any(|status| *status != "done"), "{before}");
    run(data, &["queue", "run"]);
    assert_eq!(statuses(&json(data, &["sweep", "--show", "nine"])), ["done"; 9]);
    for (wrong, word) in [
        (["--axis", "colour=1"], "no field \"colour\""),
        (["--axis", "sampler=best"], "sampler"),
        (["--axis", "frames=5,6"], "4n+1"),
    ] {
        let done = command(data, &[&["sweep"], &toy[..], &wrong].concat()).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && said.contains(word), "{wrong:?}: {said}");
    }
}

#[test]
fn a_relative_output_folder_is_kept_as_an_absolute_one() {
    let folder = common::fresh_data_dir();
    let elsewhere = tempfile::tempdir().unwrap();
    let options = ["--axis", "seed=7,8", "--name", "two", "--queue", "-o", "out", "--json"];
    let queued = command(folder.path(), &[&["sweep"], &TOY[..], &options].concat())
        .current_dir(elsewhere.path())
        .output()
        .unwrap();
    assert!(queued.status.success(), "{}", String::from_utf8_lossy(&queued.stderr));
    let table = json(folder.path(), &["sweep", "--show", "two"]);
    assert_eq!(table["folder"], elsewhere.path().canonicalize().unwrap().join("out").to_str().unwrap());
}

#[test]
fn drafts_are_made_and_the_chosen_ones_finished() {
    let folder = common::fresh_data_dir();
    let data = folder.path();
    let drafts = ["--drafts", "3", "--after", "1", "--name", "three"];
    let table = json(data, &[&["draft"], &TOY[..], &drafts].concat());
    assert_eq!(statuses(&table), ["paused"; 3]);
    assert!(table["cells"].as_array().unwrap().iter().all(|cell| cell["is_draft"] == true));
    let chosen = json(data, &["draft", "--of", "three", "--finish", "2"]);
    assert_eq!(statuses(&chosen), ["cancelled", "queued", "cancelled"]);
    run(data, &["queue", "run"]);
    let finished = json(data, &["sweep", "--show", "three"]);
    assert_eq!(statuses(&finished), ["cancelled", "done", "cancelled"]);
    let whole = data.join("whole.mp4");
    let out = ["--seed", "8", "-o", whole.to_str().unwrap()];
    let toy = &TOY[..TOY.len() - 2];
    run(data, &[&["generate"], toy, &out].concat());
    assert_eq!(fs::read(output(&finished["cells"][1])).unwrap(), fs::read(whole).unwrap());
}

#[test]
fn a_wrong_choice_changes_no_draft() {
    let folder = common::fresh_data_dir();
    let data = folder.path();
    let drafts = ["--drafts", "3", "--after", "1", "--name", "three"];
    let table = json(data, &[&["draft"], &TOY[..], &drafts].concat());
    run(data, &["queue", "cancel", &table["cells"][1]["job"].to_string()]);
    for (finish, words) in
        [("1,2", "Draft 2 does not wait for a choice: it is cancelled"), ("4", "only 1 to 3")]
    {
        let refused = command(data, &["draft", "--of", "three", "--finish", finish]).output().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains(words), "{said}");
        assert_eq!(statuses(&json(data, &["sweep", "--show", "three"])), ["paused", "cancelled", "paused"]);
    }
}

#[test]
fn drafts_can_be_planned_alone_and_failed_ones_are_reported() {
    let folder = common::fresh_data_dir();
    let data = folder.path();
    let none = command(data, &["sweep", "--list"]).output().unwrap();
    assert!(String::from_utf8_lossy(&none.stderr).contains("There are no sweeps"), "{none:?}");
    let draft = [&["draft"], &TOY[..], &["--drafts", "2", "--after", "1", "--name", "two"]].concat();
    let dry = json(data, &[&draft[..], &["--dry-run"]].concat());
    assert_eq!(dry["cells"].as_array().unwrap().len(), 2);
    assert_eq!(
        json(data, &["sweep", "--list"])["sweeps"],
        Value::Array(Vec::new()),
        "a dry run runs nothing"
    );
    let failed = command(data, &draft).env("WANDECK_FAULTS", "panic@step:1").output().unwrap();
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    let table = json_of(&command(data, &["sweep", "--show", "two", "--json"]).output().unwrap());
    assert!(statuses(&table).contains(&"failed"), "{table}");
}

#[test]
fn with_events_every_line_is_json_and_each_cell_can_be_profiled() {
    let folder = common::fresh_data_dir();
    let data = folder.path();
    let args = ["--axis", "guidance_low=1,2", "--events", "--profile"];
    let done = run(data, &[&["sweep"], &TOY[..], &args].concat());
    let text = String::from_utf8(done.stdout).unwrap();
    assert!(text.lines().count() > 10);
    for line in text.lines() {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
    let traces = fs::read_dir(data.join("performance/profiles")).unwrap().filter_map(|entry| entry.ok());
    let traces = traces.filter(|entry| entry.path().join("trace.json").is_file());
    assert_eq!(traces.count(), 2);
}
