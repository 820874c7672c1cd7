//! Guided searches on the command line: the fastest trial within a bound, kill and continue, early stops and ratings.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::common;

const TOY: [&str; 9] =
    ["A red circle", "--preset", "toy-t2v", "--steps", "24", "--frames", "5", "--seed", "7"];

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
    serde_json::from_slice(&run(data, &[args, &["--json"]].concat()).stdout).unwrap()
}

fn trials(table: &Value) -> &Vec<Value> {
    table["search"]["trials"].as_array().unwrap()
}

fn labels(table: &Value) -> Vec<&str> {
    trials(table).iter().map(|trial| trial["label"].as_str().unwrap()).collect()
}

fn importance(table: &Value, field: &str, of: &str) -> f64 {
    let fields = table["search"]["importance"].as_array().unwrap();
    let found = fields.iter().find(|importance| importance["field"] == field).unwrap();
    found[of].as_f64().unwrap()
}

#[test]
fn the_fastest_trial_within_a_bound_is_found() {
    let folder = common::fresh_data_dir();
    let data = folder.path();
    let axes = ["--axis", "steps=2,4,..,24", "--axis", "sampler=unipc,euler", "--axis", "shift=3,8"];
    let search = [
        "--axis",
        "fps=12,24",
        "--search",
        "fastest",
        "--at-least",
        "psnr=20",
        "--trials",
        "18",
        "--name",
        "fast",
    ];
    let refused = command(data, &[&["sweep"], &TOY[..], &axes, &search].concat()).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("fps changes the frames"), "{said}");
    let table = json(data, &[&["sweep"], &TOY[..], &axes, &search[2..]].concat());
    let trials = trials(&table);
    assert_eq!(trials.len(), 19);
    assert!(trials.iter().all(|trial| trial["status"] == "done"), "{table:#}");
    let reference = &trials[0];
    assert_eq!(
        (reference["label"].as_str(), reference["difference"].as_f64()),
        (Some("reference"), Some(100.0))
    );
    let best = &trials[table["search"]["best"].as_u64().unwrap() as usize];
    assert_eq!(best["satisfies"], true);
    let seconds = |trial: &Value| trial["seconds"].as_f64().unwrap();
    assert!(seconds(best) < seconds(reference), "{best} {reference}");
    for other in trials.iter().skip(1).filter(|trial| trial["satisfies"] == true) {
        assert!(seconds(best) <= seconds(other));
    }
    assert!(trials.iter().any(|trial| trial["satisfies"] == false), "the bound excludes something");
    let distinct: std::collections::BTreeSet<_> = labels(&table).into_iter().collect();
    assert_eq!(distinct.len(), 19, "nothing is tried twice");
    // the number of steps decides the time, the other two do not
    for field in ["sampler", "shift"] {
        assert!(importance(&table, "steps", "of_time") > importance(&table, field, "of_time"), "{field}");
    }
    // the same without numbers for programs, and again from the saved state
    let text = String::from_utf8(run(data, &["sweep", "--show", "fast"]).stdout).unwrap();
    assert!(text.contains("Best: trial ") && text.contains("Importance of steps: time "), "{text}");
    assert_eq!(json(data, &["sweep", "--show", "fast"]), table);
    assert_eq!(json(data, &["sweep", "--continue", "fast"]), table, "a search that has ended stays as it is");
}

#[test]
fn a_killed_search_continues_with_the_same_trials() {
    let folder = common::fresh_data_dir();
    let data = folder.path();
    let toy: Vec<_> = TOY.iter().map(|arg| if *arg == "24" { "60" } else { arg }).collect();
    let search = ["--axis", "guidance_low=1.5,2,..,6", "--search", "fastest", "--at-least", "psnr=1"];
    let args = [&["sweep"], &toy[..], &search, &["--trials", "5", "--name", "killed"]].concat();
    let mut killed = command(data, &args).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    let shown = || -> Option<Value> {
        let list = command(data, &["sweep", "--show", "killed", "--json"]).output().unwrap();
        serde_json::from_slice(&list.stdout).ok().filter(|_| list.status.success())
    };
    let num_done = || {
        let is_done = |table: &Value| trials(table).iter().filter(|trial| trial["status"] == "done").count();
        shown().as_ref().map_or(0, is_done)
    };
    while num_done() < 2 {
        assert!(began.elapsed() < common::PATIENCE && killed.try_wait().unwrap().is_none());
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let before = shown().unwrap();
    let table = json(data, &["sweep", "--continue", "killed"]);
    assert_eq!(trials(&table).len(), 6);
    assert!(trials(&table).iter().all(|trial| trial["status"] == "done"), "{table:#}");
    let known = labels(&before);
    assert_eq!(labels(&table)[..known.len()], known[..], "the trials that were chosen stay");
}

#[test]
fn a_rated_search_waits_for_ratings_and_follows_them() {
    let folder = common::fresh_data_dir();
    let data = folder.path();
    let toy: Vec<_> = TOY.iter().map(|arg| if *arg == "24" { "2" } else { arg }).collect();
    let search = ["--axis", "guidance=1.5,2,..,6", "--axis", "shift=3,5,8", "--search", "rated"];
    let search = [&search[..], &["--trials", "10", "--name", "rated", "--search-seed", "3"]].concat();
    let mut table = json(data, &[&["sweep"], &toy[..], &search].concat());
    assert_eq!(trials(&table).len(), 4, "no further trial before some are rated");
    let wrong = command(data, &["sweep", "--show", "rated", "--rate", "9=3"]).output().unwrap();
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("9 is not the number of a finished cell"));
    // the person likes a high shift, whatever the guidance is
    let mut rounds = 0;
    while trials(&table).iter().any(|trial| trial["stars"] == 0) {
        rounds += 1;
        assert!(rounds < 10, "{table:#}");
        let unrated = trials(&table).iter().filter(|trial| trial["stars"] == 0);
        let rate: Vec<_> = unrated
            .map(|trial| {
                let likes = if trial["label"].as_str().unwrap().ends_with("shift 8") { 5 } else { 1 };
                format!("{}={likes}", trial["number"])
            })
            .collect();
        table = json(data, &["sweep", "--continue", "rated", "--rate", &rate.join(",")]);
    }
    assert_eq!(trials(&table).len(), 10);
    let best = trials(&table).iter().find(|trial| trial["number"] == table["search"]["best"]).unwrap();
    assert_eq!(best["stars"], 5);
    assert!(
        importance(&table, "guidance", "of_rating") < importance(&table, "shift", "of_rating"),
        "{table:#}"
    );
}

#[test]
fn a_hopeless_trial_is_stopped_after_its_preview() {
    let folder = common::fresh_data_dir();
    let data = folder.path();
    // three trials like the reference, then others of another seed, which shows in the preview
    let axes = ["--axis", "guidance_low=1.4,1.45,1.55,1.6", "--axis", "seed=7,1,2,3"];
    let search = ["--search", "fastest", "--at-least", "psnr=24", "--trials", "12", "--check-at", "0.5"];
    let table = json(data, &[&["sweep"], &TOY[..], &axes, &search].concat());
    let trials = trials(&table);
    let stopped: Vec<_> = trials.iter().filter(|trial| trial["status"] == "stopped").collect();
    assert!(!stopped.is_empty(), "{table:#}");
    for trial in &trials[1..] {
        assert!(trial["preview_psnr"].as_f64().is_some(), "{trial}");
    }
    assert!(stopped.iter().all(|trial| !trial["label"].as_str().unwrap().ends_with("seed 7")), "{table:#}");
    // a trial that went on after its check has the bytes of a plain job
    let (index, trial) =
        trials.iter().enumerate().find(|(index, trial)| *index > 0 && trial["status"] == "done").unwrap();
    let label = trial["label"].as_str().unwrap();
    let low = label.strip_prefix("guidance_low ").unwrap().split(' ').next().unwrap();
    let seed = label.rsplit(' ').next().unwrap();
    let plain = data.join("plain.mp4");
    let guidance = format!("1.5,{low}");
    let toy: Vec<_> = TOY.iter().map(|arg| if *arg == "7" { seed } else { arg }).collect();
    run(data, &[&["generate"], &toy[..], &["--guidance", &guidance, "-o", plain.to_str().unwrap()]].concat());
    let output = table["cells"][index]["output"].as_str().unwrap();
    assert_eq!(std::fs::read(output).unwrap(), std::fs::read(plain).unwrap());
}
