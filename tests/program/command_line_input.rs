//! What the command line makes of input that is unusual, wrong or incomplete, and the verbs of the queue.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::Path;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::common;

/// Runs the program on a data folder of its own, with the models of the checkout.
fn wandeck(data: &Path, args: &[&str]) -> Output {
    common::program(data).args(args).output().unwrap()
}

fn folder() -> TempDir {
    common::fresh_data_dir()
}

fn json(data: &Path, args: &[&str]) -> Value {
    let run = wandeck(data, &[args, &["--json"]].concat());
    serde_json::from_slice(&run.stdout)
        .unwrap_or_else(|_| Value::String(format!("{args:?}: {}", String::from_utf8_lossy(&run.stderr))))
}

/// Exit code and standard error.
fn refused(data: &Path, args: &[&str]) -> (Option<i32>, String) {
    let run = wandeck(data, args);
    (run.status.code(), String::from_utf8_lossy(&run.stderr).into_owned())
}

/// The first value under `key`, at any depth.
fn find<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match value {
        Value::Object(fields) => {
            fields.get(key).or_else(|| fields.values().find_map(|field| find(field, key)))
        }
        Value::Array(items) => items.iter().find_map(|item| find(item, key)),
        _ => None,
    }
}

#[test]
fn a_file_is_not_a_data_folder() {
    let data = folder();
    let file = data.path().join("file");
    std::fs::write(&file, "kept").unwrap();
    let (code, words) = refused(&file, &["queue", "list"]);
    assert_eq!(code, Some(2), "{words}");
    assert!(words.contains("is a file, not a folder") && words.contains("--data-dir"), "{words}");
    assert_eq!(std::fs::read(&file).unwrap(), b"kept");
}

#[test]
fn a_seed_of_minus_one_is_random() {
    let data = folder();
    let seed =
        || json(data.path(), &["generate", "a cat", "--dry-run", "--seed", "-1"])["request"]["seed"].clone();
    let (first, second) = (seed(), seed());
    assert!(first.is_u64() && second.is_u64(), "{first}");
    assert_ne!(first, second);
}

#[test]
fn values_that_cannot_be_used_are_refused_in_a_sentence() {
    let data = folder();
    for (args, words) in [
        (&["--fps", "23.976"][..], "the nearest to 23.976 is 24"),
        (&["--guidance", "1,2,3"], "one for each of the two experts, not 3"),
        (&["--guidance", "4;3"], "for example 4,3"),
        (&["--seed", "-2"], "-1 for a random one"),
        (&["--size", "832by480"], "WIDTHxHEIGHT"),
        (&["--steps", "-1"], "--steps"),
    ] {
        let (code, printed) = refused(data.path(), &[&["generate", "a cat"], args].concat());
        assert_eq!(code, Some(2), "{printed}");
        assert!(printed.contains(words) && !printed.contains("-- -"), "{printed}");
    }
    let document = json(data.path(), &["generate", "a cat", "--dry-run", "--size", "64*64"]);
    assert_eq!(document["request"]["size"]["width"], 64, "{document}");
}

#[test]
fn mistakes_in_the_arguments_are_json_where_that_was_asked_for() {
    let data = folder();
    for args in [&["generate", "a", "--fps", "x"][..], &["generate", "a", "--colour"], &["no-such-verb"]] {
        let document = json(data.path(), args);
        assert_eq!((&document["status"], &document["error"]["kind"]), (&"failed".into(), &"input".into()));
        assert!(!document["error"]["message"].as_str().unwrap().contains('\n'), "{document}");
    }
    assert!(wandeck(data.path(), &["--help"]).status.success());
}

#[test]
fn a_folder_of_models_that_is_not_there_is_an_error() {
    let data = folder();
    let (code, printed) = refused(data.path(), &["models", "list", "--models-dir", "/no/such/folder"]);
    assert_eq!(code, Some(2), "{printed}");
    assert!(printed.contains("--models-dir is /no/such/folder, which is not a folder"), "{printed}");
    let run = common::program(data.path())
        .args(["models", "list"])
        .env("MODELS_ROOT", "/no/such/folder")
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&run.stderr).contains("MODELS_ROOT is"));
}

#[test]
fn a_dry_run_says_each_thing_once_and_counts_one_frame_as_one() {
    let data = folder();
    let run = wandeck(data.path(), &["generate", "a red circle", "--dry-run", "--frames", "1"]);
    let printed = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert_eq!(printed.matches("t2v with toy-t2v-A14B").count(), 1, "{printed}");
    assert!(printed.contains("1 frame,") && !printed.contains("1 frames"), "{printed}");
}

#[test]
fn a_folder_that_exists_takes_the_video_in() {
    let (data, videos) = (folder(), tempfile::tempdir().unwrap());
    let videos = videos.path().canonicalize().unwrap();
    let place = videos.to_str().unwrap();
    let args = ["generate", "a red circle", "--dry-run", "--seed", "7", "-o", place];
    let output = json(data.path(), &args)["output"].as_str().unwrap().to_owned();
    assert!(output.starts_with(place) && output.ends_with("_t2v_7_a-red-circle.mp4"), "{output}");
    let here = json(data.path(), &["generate", "a red circle", "--dry-run", "--seed", "7", "-o", "."]);
    let here = Path::new(here["output"].as_str().unwrap()).parent().unwrap().to_path_buf();
    assert_eq!(here, std::env::current_dir().unwrap().canonicalize().unwrap());
}

#[test]
fn jobs_that_could_not_run_are_not_queued() {
    let data = folder();
    for args in
        [&["--steps", "0"][..], &["--frames", "16"], &["--model", "no-such-model"], &["--mode", "i2v"]]
    {
        let (code, printed) = refused(data.path(), &[&["queue", "add", "a cat"], args].concat());
        assert_eq!(code, Some(2), "{args:?}: {printed}");
    }
    assert_eq!(json(data.path(), &["queue", "list"])["jobs"], Value::Array(Vec::new()));
}

#[test]
fn an_edit_changes_only_what_is_given() {
    let data = folder();
    let add = ["queue", "add", "a red circle", "--seed", "7", "--steps", "5", "--timeout", "60"];
    assert_eq!(json(data.path(), &add)["status"], "done");
    let before = json(data.path(), &["queue", "list"]);
    let edited = json(data.path(), &["queue", "edit", "1", "--frames", "5"]);
    assert_eq!(edited["status"], "done", "{edited}");
    let after = json(data.path(), &["queue", "list"]);
    for key in ["seed", "prompt", "steps", "output", "timeout_s", "model", "size"] {
        assert!(find(&before, key).is_some(), "{key}: {before}");
        assert_eq!(find(&before, key), find(&after, key), "{key}");
    }
    assert_eq!(find(&after, "frames"), Some(&5.into()));
    // a video that was named after its draft follows it
    assert_eq!(json(data.path(), &["queue", "edit", "1", "a blue square"])["status"], "done");
    let renamed = json(data.path(), &["queue", "list"]);
    assert!(find(&renamed, "output").unwrap().as_str().unwrap().ends_with("_t2v_7_a-blue-square.mp4"));
    assert_eq!(refused(data.path(), &["queue", "edit", "1", "--steps", "0"]).0, Some(2));
}

#[test]
fn ended_jobs_keep_their_place_and_paused_ones_are_named() {
    let data = folder();
    for _ in 0..2 {
        assert_eq!(json(data.path(), &["queue", "add", "a red circle"])["status"], "done");
    }
    assert_eq!(json(data.path(), &["queue", "cancel", "1"])["status"], "done");
    for args in [&["queue", "move", "1"][..], &["queue", "move", "2", "--before", "1"]] {
        let (code, printed) = refused(data.path(), args);
        assert_eq!(code, Some(2), "{printed}");
        assert!(printed.contains("Job 1 has ended"), "{printed}");
    }
    assert_eq!(json(data.path(), &["queue", "pause", "2"])["status"], "done");
    let run = wandeck(data.path(), &["queue", "run"]);
    let printed = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(run.status.success() && printed.contains("1 job is paused"), "{printed}");
    let list = wandeck(data.path(), &["queue", "list"]);
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    assert!(list.contains("cancelled") && list.contains("paused"), "{list}");
}

#[test]
fn the_list_has_a_header_and_open_jobs_first() {
    let data = folder();
    let add = ["queue", "add", "a red circle", "--seed", "71", "--steps", "3", "--frames", "5"];
    for _ in 0..2 {
        assert_eq!(json(data.path(), &add)["status"], "done");
    }
    assert_eq!(json(data.path(), &["queue", "cancel", "1"])["status"], "done");
    let list = wandeck(data.path(), &["queue", "list"]);
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    let lines: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0][..7], ["Job", "State", "Priority", "Model", "Size", "Frames", "Steps"], "{list}");
    assert_eq!(lines[1][..8], ["2", "queued", "normal", "toy-t2v-A14B", "64x64", "5", "3", "71"], "{list}");
    assert_eq!(lines[2][..2], ["1", "cancelled"], "{list}");
    for steps in ["0", "-3"] {
        let (code, printed) = refused(data.path(), &["queue", "retry", "1", "--steps", steps]);
        assert_eq!(code, Some(2), "{printed}");
    }
}

#[test]
fn tips_do_not_turn_a_value_into_a_prompt() {
    let data = folder();
    for args in [&["queue", "move", "1", "--before", "-1"][..], &["lora", "show", "-1"]] {
        let (code, printed) = refused(data.path(), args);
        assert!(code == Some(2) && !printed.contains("-- -1") && printed.contains("Usage"), "{printed}");
    }
    let (_, printed) = refused(data.path(), &["generate", "a", "--stepz", "3"]);
    assert!(printed.contains("--steps"), "a helpful tip stays: {printed}");
}

#[test]
fn a_dry_run_names_one_denoise_stage_and_what_the_toy_draws() {
    let data = folder();
    let dry = |args: &[&str]| {
        let run = wandeck(data.path(), &[&["generate", "--dry-run"], args].concat());
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8_lossy(&run.stdout).into_owned()
    };
    let one = dry(&["a cat plays the piano", "--model", "toy-ti2v-5B"]);
    assert!(one.contains("  Denoise: ") && !one.contains("high noise"), "{one}");
    assert!(one.contains("circle, square or triangle"), "{one}");
    assert_eq!(one.matches("ti2v with toy-ti2v-5B").count(), 1, "{one}");
    let two = dry(&["a red circle moves right on a black background", "--model", "toy-t2v-A14B"]);
    assert!(two.contains("Denoise, high noise: ") && !two.contains("circle, square or triangle"), "{two}");
}

#[test]
fn files_with_a_byte_order_mark_are_read() {
    const MARK: &str = "\u{feff}";
    let data = folder();
    std::fs::write(data.path().join("settings.ron"), format!("{MARK}(version: 1, generation: (retries: 7))"))
        .unwrap();
    let shown = json(data.path(), &["settings", "show"]);
    assert_eq!(find(&shown, "retries"), Some(&7.into()), "{shown}");
    let (toy, copy) = (
        Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B"),
        data.path().join("models/marked"),
    );
    for entry in walk(&toy) {
        let target = copy.join(entry.strip_prefix(&toy).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        if entry.extension().is_some_and(|extension| extension == "json") {
            let text = std::fs::read_to_string(&entry).unwrap();
            std::fs::write(target, format!("{MARK}{text}")).unwrap();
        } else {
            std::fs::hard_link(&entry, &target)
                .or_else(|_| std::fs::copy(&entry, &target).map(drop))
                .unwrap();
        }
    }
    let models = json(data.path(), &["models", "show", copy.to_str().unwrap()]);
    assert_eq!(find(&models, "modes"), Some(&serde_json::json!(["t2v"])), "{models}");
}

/// All files below a folder.
fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn a_prompt_without_quotes_and_numbers_that_are_none_are_explained() {
    let data = folder();
    let (code, words) = refused(data.path(), &["generate", "a", "red", "circle"]);
    assert_eq!(code, Some(2));
    assert!(words.contains("put the whole prompt in quotes"), "{words}");
    assert!(!refused(data.path(), &["queue", "cancel", "1", "2"]).1.contains("quotes"));
    for args in [
        &["generate", "a", "--frames", "5s"][..],
        &["generate", "a", "--steps", "5.5"],
        &["queue", "cancel", "abc"],
        &["tasks", "ten"],
    ] {
        let (code, words) = refused(data.path(), args);
        assert_eq!(code, Some(2), "{args:?}");
        assert!(words.contains("write a whole number") && !words.contains("digit found"), "{words}");
    }
    for (key, value, said) in [
        ("generation.retries", "many", "a whole number from 0 to"),
        ("errors.timeout_s", "-1", "a whole number from 0 to"),
        ("generation.preflight", "yes please", "Write true or false"),
    ] {
        let (code, words) = refused(data.path(), &["settings", "set", key, value]);
        assert_eq!(code, Some(2), "{key}");
        assert!(words.contains(said) && !words.contains("u32") && !words.contains("u64"), "{words}");
    }
    let (_, words) = refused(data.path(), &["sweep", "a red circle"]);
    assert!(words.contains("--axis steps=10,20"), "{words}");
    let (_, words) = refused(data.path(), &["draft", "a red circle", "--drafts", "0"]);
    assert!(words.contains("--drafts") && words.contains("not in 1..=1000"), "{words}");
}

#[test]
fn a_dash_is_standard_input_and_never_the_name_of_an_output() {
    let data = folder();
    let mut run = common::program(data.path());
    run.args(["generate", "-", "--model", "toy-t2v-A14B", "--dry-run", "--json"]);
    run.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut run = run.spawn().unwrap();
    std::io::Write::write_all(&mut run.stdin.take().unwrap(), b"a red circle\n").unwrap();
    let plan: Value = serde_json::from_slice(&run.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(find(&plan, "prompt"), Some(&Value::from("a red circle")));
    let (code, words) = refused(data.path(), &["generate", "a", "--model", "toy-t2v-A14B", "-o", "-"]);
    assert_eq!(code, Some(2));
    assert!(words.contains("cannot be written to standard output") && words.contains(".mp4"), "{words}");
}

#[test]
fn files_that_are_none_are_called_what_they_are() {
    let data = folder();
    let file = data.path().join("empty.png");
    std::fs::write(&file, "").unwrap();
    let image = |image: &str| refused(data.path(), &["generate", "a", "--image", image]);
    assert!(image(file.to_str().unwrap()).1.contains("The file is empty"));
    assert!(image(data.path().to_str().unwrap()).1.contains("The path is a folder, not an image"));
    let (code, words) = image("https://example.com/a.png");
    assert_eq!(code, Some(2));
    assert!(words.contains("download it"), "{words}");
    std::fs::write(&file, "short").unwrap();
    let (_, words) = refused(data.path(), &["lora", "show", file.to_str().unwrap()]);
    assert!(words.contains("not a safetensors file") && !words.contains("whole buffer"), "{words}");
}

#[test]
fn a_model_with_one_transformer_takes_nothing_for_a_second_one() {
    let data = folder();
    for (given, said) in [
        (["--guidance", "4,3"], "one guidance scale, not two"),
        (["--boundary", "0.9"], "no boundary between experts"),
        (["--low", "x.safetensors"], "no low-noise expert"),
    ] {
        let args = ["generate", "a red circle", "--model", "toy-ti2v-5B", "--dry-run"];
        let (code, words) = refused(data.path(), &[&args[..], &given].concat());
        assert_eq!(code, Some(2), "{given:?}: {words}");
        assert!(words.contains("has one transformer") && words.contains(said), "{words}");
        let args = ["generate", "a red circle", "--model", "toy-t2v-A14B", "--dry-run"];
        let (_, words) = refused(data.path(), &[&args[..], &given].concat());
        assert!(!words.contains("has one transformer"), "{words}");
    }
}

#[test]
fn an_image_of_an_extreme_shape_is_refused_for_its_own_size() {
    let data = folder();
    let pixels = |name: &str, width: usize, height: usize| {
        let path = data.path().join(name);
        let header = format!("P6 {width} {height} 255\n").into_bytes();
        std::fs::write(&path, [header, vec![90; width * height * 3]].concat()).unwrap();
        let path = path.to_str().unwrap();
        refused(data.path(), &["generate", "a", "--model", "toy-i2v-A14B", "--image", path, "--dry-run"])
    };
    let (code, words) = pixels("line.ppm", 4000, 3);
    assert_eq!(code, Some(2));
    assert!(words.contains("has 4000x3 pixels, and each side must have at least 16"), "{words}");
    let (code, words) = pixels("ribbon.ppm", 8000, 16);
    assert_eq!(code, Some(2));
    assert!(words.contains("sides up to 1024 pixels") && words.contains("crop the image"), "{words}");
}

#[test]
fn a_fallback_replaces_a_model_that_cannot_be_read_when_the_job_is_added() {
    let data = folder();
    let cut = data.path().join("cut");
    common::copy_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B"), &cut);
    let weights = cut.join("transformer/diffusion_pytorch_model.safetensors");
    std::fs::remove_file(&weights).unwrap();
    std::fs::write(&weights, "cut").unwrap();
    let model = ["--model", cut.to_str().unwrap(), "--steps", "2", "--frames", "5"];
    let add = [&["queue", "add", "a red circle"][..], &model].concat();
    let (_, words) = refused(data.path(), &add);
    assert!(words.contains("diffusion_pytorch_model.safetensors"), "{words}");
    // one that does not take the job is passed over
    let allowed = ["--fallback-model", "toy-i2v-A14B", "--fallback-model", "toy-t2v-A14B"];
    let added = wandeck(data.path(), &[&add[..], &allowed].concat());
    let words = String::from_utf8_lossy(&added.stderr).into_owned();
    assert!(added.status.success(), "{words}");
    assert!(words.contains("cannot be used") && words.contains("toy-t2v-A14B is used instead"), "{words}");
    let list = json(data.path(), &["queue", "list"]);
    assert!(list.to_string().contains("\"toy-t2v-A14B\""), "{list}");
    let plan =
        json(data.path(), &[&["generate", "a red circle", "--dry-run"][..], &model, &allowed].concat());
    assert_eq!(find(&plan, "model"), Some(&"toy-t2v-A14B".into()), "{plan}");
}
