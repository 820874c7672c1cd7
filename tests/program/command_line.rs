//! The command line's contract: output, exit codes, and errors for bad input.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::common;

fn wandeck(args: &[&str]) -> Output {
    common::runtime();
    Command::new(env!("CARGO_BIN_EXE_wandeck"))
        .args(args)
        .env("WANDECK_DATA_DIR", common::data_dir())
        .output()
        .unwrap()
}

/// A short run of the tiny model, with more arguments after it.
fn generate<'a>(model: &'a str, output: &'a str, more: &[&'a str]) -> Output {
    let fixed = ["--model", model, "--steps", "2", "--size", "32x32", "--frames", "5", "-o", output];
    wandeck(&[&["generate", "a red circle"], &fixed[..], more].concat())
}

fn tiny() -> String {
    common::golden_model("tiny-t2v").to_string_lossy().into_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn the_desktop_entry_is_installed_and_removed() {
    let share = tempfile::tempdir().unwrap();
    let run = |verb: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wandeck"));
        let run =
            command.args(["desktop", verb, "--json"]).env("XDG_DATA_HOME", share.path()).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        let document: Value = serde_json::from_slice(&run.stdout).unwrap();
        document["entry"].as_str().map(str::to_owned)
    };
    let entry = run("install").unwrap();
    let said = std::fs::read_to_string(&entry).unwrap();
    assert!(said.contains(env!("CARGO_BIN_EXE_wandeck")), "{said}");
    assert_eq!(run("remove"), Some(entry));
    assert_eq!(run("remove"), None);
}

#[test]
fn json_describes_the_result() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("out.mp4");
    let run = generate(&tiny(), text(&output), &["--json", "--seed", "5"]);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let document: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(
        (&document["status"], &document["seed"], &document["frames"]),
        (&"done".into(), &5.into(), &5.into())
    );
    assert_eq!((&document["width"], &document["mode"]), (&32.into(), &"t2v".into()));
    assert_eq!(document["steps"].as_array().unwrap().len(), 2);
    for key in
        ["generation_time_s", "stages", "provider", "precision", "retries", "optimizations", "warnings"]
    {
        assert!(!document[key].is_null(), "{key}");
    }
    let kept: Value =
        serde_json::from_str(&wandeck::media::read_metadata(&output).unwrap().unwrap()).unwrap();
    assert_eq!((&kept["request"]["seed"], &kept["provider"]), (&5.into(), &"cpu".into()));
    assert!(document["provider_reason"].as_str().unwrap().contains("CUDA cannot be used"), "{document}");
    assert_eq!(kept["provider_reason"], document["provider_reason"]);
}

#[test]
fn a_video_is_made_again_from_itself() {
    let dir = tempfile::tempdir().unwrap();
    let (first, again) = (dir.path().join("first.mp4"), dir.path().join("again.mp4"));
    assert!(generate(&tiny(), text(&first), &["--seed", "7", "--guidance", "3,2"]).status.success());
    let run = wandeck(&["generate", "--from", text(&first), "-o", text(&again)]);
    let printed = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success() && printed.contains("The same bytes"), "{printed}");
    assert_eq!(std::fs::read(&first).unwrap(), std::fs::read(&again).unwrap());
    let other = wandeck(&[
        "generate",
        "--from",
        text(&first),
        "--seed",
        "8",
        "--json",
        "-o",
        text(&again),
        "--overwrite",
    ]);
    let document: Value = serde_json::from_slice(&other.stdout).unwrap();
    assert_eq!(document["reproduction"]["same_bytes"], false);
    assert_eq!(document["reproduction"]["differences"][0], "request.seed: 7, now 8");
    let run = wandeck(&["generate", "--from", text(&dir.path().join("none.mp4"))]);
    assert_eq!(run.status.code(), Some(1));
}

#[test]
fn events_are_json_lines_with_one_end() {
    let dir = tempfile::tempdir().unwrap();
    let run = generate(&tiny(), text(&dir.path().join("o.gif")), &["--events"]);
    let lines: Vec<Value> = String::from_utf8(run.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    // other tests use the same data folder, so it may print first that it waits for the device
    let first = lines.iter().find(|line| line["event"] != "note").unwrap();
    assert_eq!(first["event"], "started");
    assert_eq!(lines.last().unwrap()["event"], "finished");
    assert_eq!(lines.iter().filter(|line| line["event"] == "step").count(), 2 + 2, "two steps, two chunks");
}

#[test]
fn a_taken_name_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("o.mp4");
    std::fs::write(&path, "mine").unwrap();
    let run = generate(&tiny(), text(&path), &[]);
    assert!(run.status.success());
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    assert!(String::from_utf8_lossy(&run.stdout).trim().ends_with("o-2.mp4"));
    assert!(String::from_utf8_lossy(&run.stderr).contains("already exists"));
    assert!(generate(&tiny(), text(&path), &["--overwrite"]).status.success());
    assert_ne!(std::fs::read(&path).unwrap(), b"mine");
}

#[test]
fn errors_say_what_why_and_what_now() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("o.mp4");
    let (tiny, long) = (tiny(), "x".repeat(100_000));
    let (strong, gone) =
        (format!("{}:11", golden_lora("musubi")), format!("{}:0.5", text(&dir.path().join("g.safetensors"))));
    let cases: [(&[&str], i32, &str); 16] = [
        (&["generate", "a", "--model", &tiny, "--lora", &strong], 2, "from -10 to 10, not 11"),
        (&["generate", "a", "--model", &tiny, "--lora", &gone], 2, "does not exist"),
        (&["generate", "a", "--model", "nothing-like-it"], 2, "not found"),
        (&["generate", "a", "--preset", "nothing-like-it"], 2, "Available presets: toy-t2v"),
        (&["generate", "", "--model", &tiny], 2, "needs a prompt"),
        (&["generate", &long, "--model", &tiny], 2, "100000 characters"),
        (&["generate", "a", "--model", &tiny, "--steps", "0"], 2, "steps must be from 1"),
        (&["generate", "a", "--model", &tiny, "--size", "33x32"], 2, "The nearest valid size is 32x32"),
        (&["generate", "a", "--model", &tiny, "--size", "big"], 2, "WIDTHxHEIGHT"),
        (&["generate", "a", "--model", &tiny, "--frames", "16"], 2, "13 or 17"),
        (&["generate", "a", "--model", &tiny, "--guidance", "nan"], 2, "guidance must be from 1"),
        (&["generate", "a", "--model", &tiny, "--mode", "i2v"], 2, "not i2v"),
        (&["generate", "a", "--model", &tiny, "--provider", "cuda"], 2, "CUDA cannot be used: "),
        (&["generate", "a", "--model", &tiny, "--image", "x.png"], 2, "does not use a start image"),
        (&["generate", "a", "--model", "/"], 2, "No model found"),
        (&["generate"], 2, "needs a prompt"),
    ];
    for (args, code, words) in cases {
        let args = [args, &["-o", text(&output)]].concat();
        let run = wandeck(&args);
        let printed = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(code), "{:?}: {printed}", &args[2..]);
        assert!(printed.contains(words), "{:?}: {printed}", &args[2..]);
        assert!(!printed.contains("panicked"), "{printed}");
    }
    assert!(!output.exists());
    let wrong_place = generate(&tiny, "/proc/wandeck/o.mp4", &["--json"]);
    let document: Value = serde_json::from_slice(&wrong_place.stdout).unwrap();
    assert_eq!(wrong_place.status.code(), Some(1));
    assert_eq!(document["error"]["category"], "file_system", "{document}");
}

fn golden_lora(name: &str) -> String {
    let path = format!("tests/golden/loras/{name}.safetensors");
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path).to_string_lossy().into_owned()
}

#[test]
fn loras_change_the_result_and_are_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let choice = format!("{}:0.5:high", golden_lora("musubi"));
    let bytes = |name: &str, more: &[&str]| {
        let output = dir.path().join(name);
        let run = generate(&tiny(), text(&output), &[&["--json", "--seed", "5"], more].concat());
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        let document: Value = serde_json::from_slice(&run.stdout).unwrap();
        (std::fs::read(output.join("frame_0000.png")).unwrap(), document)
    };
    let (plain, _) = bytes("plain", &[]);
    let (changed, document) = bytes("changed", &["--lora", &choice]);
    assert_ne!(plain, changed);
    let record = &document["loras"][0];
    assert_eq!(
        (&record["matched"], &record["format"], &record["experts"]),
        (&20.into(), &"musubi".into(), &serde_json::json!(["high"]))
    );
    assert_eq!(document["request"]["loras"][0]["strength"], 0.5);
}

#[test]
fn the_names_of_loras_say_their_experts_unless_the_option_does() {
    let dir = tempfile::tempdir().unwrap();
    let [high, low] = ["inkHigh", "inkLow"].map(|name| {
        let path = dir.path().join(format!("{name}.safetensors"));
        std::fs::copy(golden_lora("musubi"), &path).unwrap();
        text(&path).to_owned()
    });
    let experts = |name: &str, loras: &[&str]| {
        let loras: Vec<_> = loras.iter().flat_map(|lora| ["--lora", lora]).collect();
        let run = generate(&tiny(), text(&dir.path().join(name)), &[&["--json"], &loras[..]].concat());
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert!(run.status.success(), "{said}");
        let document: Value = serde_json::from_slice(&run.stdout).unwrap();
        let records = document["loras"].as_array().unwrap().iter();
        (records.map(|record| record["experts"].to_string()).collect::<Vec<_>>(), said)
    };
    let (pair, said) = experts("pair", &[&high, &low]);
    assert_eq!(pair, [r#"["high"]"#, r#"["low"]"#]);
    assert!(
        said.contains("inkHigh.safetensors is applied to the high-noise expert, as its name says"),
        "{said}"
    );
    let (other, said) = experts("other", &[&format!("{high}:0.5:low"), &format!("{low}:1:both")]);
    assert_eq!(other, [r#"["low"]"#, r#"["high"]"#, r#"["low"]"#]);
    assert!(!said.contains("as its name says"), "{said}");
    let (unnamed, _) = experts("unnamed", &[&golden_lora("musubi")]);
    assert_eq!(unnamed, [r#"["high","low"]"#]);
}

#[test]
fn a_lora_is_shown() {
    let (file, tiny) = (golden_lora("kohya"), tiny());
    let run = wandeck(&["lora", "show", &file, "--model", &tiny, "--json"]);
    let document: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(document["format"], "original names (kohya)");
    assert_eq!(
        (&document["ranks"], &document["alphas"]),
        (&serde_json::json!([2]), &serde_json::json!([1.0]))
    );
    assert_eq!(document["fit"]["matched"].as_array().unwrap().len(), 26);
    assert_eq!(document["fit"]["all_zero"].as_array().unwrap().len(), 4);
    assert!(document["problem"].is_null());
    let shown = wandeck(&["lora", "show", &golden_lora("rslora"), "--model", &tiny]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("Matched   16 modules") && shown.contains("rank-stabilised"), "{shown}");
}

#[test]
fn lists_are_printed() {
    let presets = wandeck(&["presets", "list"]);
    assert!(String::from_utf8_lossy(&presets.stdout).contains("t2v-A14B"));
    let show = wandeck(&["presets", "show", "ti2v-5B"]);
    assert!(String::from_utf8_lossy(&show.stdout).contains("steps: 50"));
    let models = wandeck(&["models", "list", "--models-dir", text(&common::golden_model("")), "--json"]);
    let models: Value = serde_json::from_slice(&models.stdout).unwrap();
    assert!(models.as_array().unwrap().iter().any(|model| model["id"] == "tiny-t2v"), "{models}");
}

#[test]
fn a_model_is_shown_by_the_stages_that_it_has() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-ti2v-5B");
    let shown = wandeck(&["models", "show", text(&model)]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("one transformer") && shown.contains("  memory, Denoise: "), "{shown}");
    assert!(!shown.contains("also called"), "{shown}");
    let two = wandeck(&["models", "show", &tiny()]);
    assert!(String::from_utf8_lossy(&two.stdout).contains("  memory, Denoise, low noise: "));
}

#[test]
fn graphs_are_exported_and_load() {
    let dir = tempfile::tempdir().unwrap();
    let run = wandeck(&["graph", "export", &tiny(), text(dir.path()), "--json"]);
    let document: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(document["files"].as_array().unwrap().len(), 6);
    for file in document["files"].as_array().unwrap() {
        let path = Path::new(file.as_str().unwrap());
        assert!(path.metadata().unwrap().len() > 1000);
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_cancels_cleanly() {
    use std::io::BufRead as _;
    let dir = tempfile::tempdir().unwrap();
    common::runtime();
    let output = dir.path().join("o.mp4");
    let mut child = common::with_signals_as_in_a_terminal(Path::new(env!("CARGO_BIN_EXE_wandeck")))
        .args([
            "generate",
            "a",
            "--model",
            &tiny(),
            "--steps",
            "1000",
            "--events",
            "--timeout",
            "0",
            "-o",
            text(&output),
        ])
        .args(["--size", "96x64", "--frames", "9"])
        .env("WANDECK_DATA_DIR", common::data_dir())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("\"step\":1,")), "it runs");
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(lines.any(|line| line.unwrap().contains("cancelled")));
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn a_distilled_lora_brings_its_settings_unless_they_are_given() {
    let dir = tempfile::tempdir().unwrap();
    let lora = dir.path().join("style_lightning_4steps.safetensors");
    std::fs::copy(golden_lora("musubi"), &lora).unwrap();
    let tiny = tiny();
    let plan = |more: &[&str]| {
        let args =
            ["generate", "a", "--model", &tiny, "--lora", text(&lora), "--size", "48x32", "--frames", "5"];
        let run = wandeck(&[&args[..], &["--dry-run", "--json"], more].concat());
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8_lossy(&run.stdout).into_owned()
    };
    assert!(
        plan(&[]).contains("is distilled, so the job runs with 4 steps, guidance 1, shift 5"),
        "{}",
        plan(&[])
    );
    let own = plan(&["--steps", "6"]);
    assert!(own.contains("this job uses 6 steps instead of 4"), "{own}");
}
