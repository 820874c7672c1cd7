//! Several devices in one machine: queues, pinned jobs, a device that is gone, guidance on two of them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Card, PAGE, errors, events, of};

/// UUID of the recorder's device with this number.
fn uuid(device: u32) -> String {
    format!("GPU-11111111-1111-1111-1111-1111111111{device:02x}")
}

fn add_job(card: &Card, seed: &str, args: &[&str]) {
    let add = ["queue", "add", "a red circle", "--model", "toy-t2v-A14B", "--steps", "6", "--seed", seed];
    let added = card.run(&[&add[..], &["--provider", "cuda"], args].concat());
    assert!(added.status.success(), "{}", errors(&added));
}

fn run_queue(card: &Card) {
    let run = card.run(&["queue", "run"]);
    assert!(run.status.success(), "{}", errors(&run));
    let list = card.run(&["queue", "list", "--json"]);
    let list: Value = serde_json::from_slice(&list.stdout).unwrap();
    assert!(list["jobs"].as_array().unwrap().iter().all(|job| job["status"] == "done"), "{list}");
}

#[test]
#[ignore = "needs the recorder: tests/cuda_recorder/run.sh"]
fn the_jobs_of_a_queue_spread_over_two_devices() {
    let card = Card::new().with("RECORDER_DEVICES", "2").with("RECORDER_LAUNCH_US", "200");
    for seed in ["1", "2", "3", "4"] {
        add_job(&card, seed, &[]);
    }
    run_queue(&card);
    let record = card.record();
    let [first, second] = record.launches_on_two();
    assert!(first > 1000 && second > 1000, "{first} {second}");
    // at the same time: they take turns far more often than there are jobs
    assert!(record.switches() > 100, "{}", record.switches());
    for wrong in ["invalid", "unexpected", "refused"] {
        assert_eq!(record.of(wrong).next(), None);
    }
}

#[test]
#[ignore = "needs the recorder: tests/cuda_recorder/run.sh"]
fn a_pinned_job_computes_on_its_device_only_and_waits_for_it() {
    let card = Card::new().with("RECORDER_DEVICES", "2");
    for (seed, device) in [("1", "1"), ("2", uuid(1).as_str())] {
        add_job(&card, seed, &["--device", device]);
    }
    run_queue(&card);
    let record = card.record();
    let [first, second] = record.launches_on_two();
    assert!(first == 0 && second > 1000, "{first} {second}");
    // ONNX Runtime asks each device for a page
    assert!(record.peak_on("") <= PAGE, "{}", record.peak_on(""));
    // a job that leaves it open uses the other one meanwhile
    let card = Card::new().with("RECORDER_DEVICES", "2");
    for seed in ["1", "2"] {
        add_job(&card, seed, &["--device", "1"]);
    }
    add_job(&card, "3", &[]);
    run_queue(&card);
    let [first, second] = card.record().launches_on_two();
    assert!(first > 1000 && second > 3 * first / 2, "{first} {second}");
}

#[test]
#[ignore = "needs the recorder: tests/cuda_recorder/run.sh"]
fn a_device_that_is_gone_ends_the_job_with_a_sentence_and_a_fix() {
    let gone = Card::new();
    let run = gone.generate(&["--model", "toy-t2v-A14B", "--steps", "2", "--device", "GPU-dead"]);
    assert!(!run.status.success());
    let events = events(&run);
    let error = &of(&events, "failed").next().unwrap()["error"];
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("The chosen device GPU-dead cannot be used"), "{error}");
    assert!(message.contains(&uuid(0)), "{error}");
    assert_eq!(gone.record().of("launch").next(), None, "it runs nowhere else");
    let tasks: Value = serde_json::from_slice(&gone.run(&["tasks", "--json"]).stdout).unwrap();
    assert_eq!(tasks[0]["error"]["suggestions"][0], "Run on any device", "{tasks}");
    // a number that was there when the job was added
    let two = Card::new().with("RECORDER_DEVICES", "2");
    add_job(&two, "1", &["--device", "1"]);
    let one = Card { settings: BTreeMap::new(), ..two };
    let run = one.run(&["queue", "run"]);
    assert!(errors(&run).contains("there is no device 1, the NVIDIA driver finds 1"), "{}", errors(&run));
    assert!(one.run(&["queue", "retry", "1", "--any-device"]).status.success());
    assert!(one.run(&["queue", "run"]).status.success());
    assert!(one.record().of("gemm").count() > 100);
}

/// The second device computes the predictions for the negative prompt, and nothing else.
#[test]
#[ignore = "needs the recorder: tests/cuda_recorder/run.sh"]
fn guidance_passes_run_on_two_devices_at_once() {
    /// Kernels of a step that one device runs around both passes: the latent is widened, and two velocities become one. Two
    /// devices leave that to the host.
    const GUIDANCE: usize = 1 + 4;
    let run = |args: &[&str]| {
        let card = Card::new().with("RECORDER_DEVICES", "2").with("RECORDER_LAUNCH_US", "200");
        let clip = ["--model", "toy-t2v-A14B", "--steps", "4", "--guidance", "4,3"];
        let run = card.generate(&[&clip[..], args].concat());
        assert!(run.status.success(), "{args:?}: {}", errors(&run));
        (card.record(), of(&events(&run), "runs_on").count())
    };
    let (sequence, _) = run(&["--device", "0"]);
    let (parallel, _) = run(&["--device", "0", "--cfg-parallel", &uuid(1)]);
    let ([all, none], [first, second]) = (sequence.launches_on_two(), parallel.launches_on_two());
    assert!(none == 0 && second > 500, "{none} {second}");
    assert_eq!(first + second + 4 * GUIDANCE, all, "the same work");
    // in sequence they would change places twice in a step
    assert!(parallel.switches() > 100, "at the same time: {}", parallel.switches());
    let (one, other) = (parallel.peak_on(""), parallel.peak_on(" on 1"));
    assert!(0 < other && other <= one, "{other} of {one}");
    for wrong in ["invalid", "unexpected", "refused"] {
        assert_eq!(parallel.of(wrong).next(), None);
    }
    assert_eq!(parallel.of("malloc").count(), parallel.of("free").count());
}
