//! A fetch with its checksum against curl, from the same loopback server in turns: `cargo bench --bench fetch`.
//!
//! Both are programs of their own; curl writes the file and checks nothing. `WANDECK_BENCH_MIB` sets the size,
//! `WANDECK_BENCH_ROUNDS` how often each runs, and `WANDECK_PROGRAM` names another build of the program.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on should stop")]
#![expect(clippy::print_stdout, reason = "the figures are the result")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[path = "../tests/common/hub.rs"]
mod hub;

use hub::{LoopbackHub, weights};

/// Default number of turns.
const ROUNDS: usize = 5;
const MANIFEST: &str = "(version: 1, extends: false,
    files: {\"f\": (component: transformer, repository: \"owner/big\", path: \"big.safetensors\")},
    items: [(id: \"big\", version: \"1\", kind: model, licence: \"MIT\", purpose: \"\",
        variants: [(name: \"v\", files: [\"f\"])])])";

/// Runs a program; returns its seconds and the most memory that it had, in MiB.
fn timed(command: &mut Command) -> (f64, u64) {
    let began = Instant::now();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut peak = 0;
    loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib: u64 = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok()).unwrap_or(0);
        peak = peak.max(kib >> 10);
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            return (began.elapsed().as_secs_f64(), peak);
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

fn fetch(hub: &LoopbackHub, dir: &Path) -> (f64, u64) {
    let models = dir.join("models");
    if models.exists() {
        fs::remove_dir_all(models).unwrap();
    }
    let program =
        std::env::var("WANDECK_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_wandeck").to_owned());
    timed(
        Command::new(program)
            .args(["models", "fetch", "big", "--json"])
            .env("WANDECK_DATA_DIR", dir)
            .env("HF_ENDPOINT", hub.endpoint())
            .env("HF_HOME", dir.join("no-cache")),
    )
}

fn curl(hub: &LoopbackHub, dir: &Path) -> (f64, u64) {
    let to = dir.join("curl.safetensors");
    fs::remove_file(&to).ok();
    let url = format!("{}/owner/big/resolve/main/big.safetensors", hub.endpoint());
    timed(Command::new("curl").args(["-sfL", "-o"]).arg(&to).arg(url))
}

fn main() {
    let mib: usize = std::env::var("WANDECK_BENCH_MIB").map_or(1024, |text| text.parse().unwrap());
    let hub = LoopbackHub::start();
    hub.put("owner/big", "big.safetensors", weights(mib << 20, 3));
    let dir = tempfile::tempdir_in(Path::new(env!("CARGO_MANIFEST_DIR")).join("target")).unwrap();
    fs::write(dir.path().join("models-manifest.ron"), MANIFEST).unwrap();
    let (mut fetches, mut curls) = (Vec::new(), Vec::new());
    let rounds = std::env::var("WANDECK_BENCH_ROUNDS").map_or(ROUNDS, |text| text.parse().unwrap());
    for _ in 0..rounds {
        fetches.push(fetch(&hub, dir.path()));
        curls.push(curl(&hub, dir.path()));
    }
    let median = |runs: &[(f64, u64)]| {
        let mut times: Vec<_> = runs.iter().map(|(seconds, _)| *seconds).collect();
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let (ours, theirs) = (median(&fetches), median(&curls));
    let memory = fetches.iter().map(|(_, peak)| *peak).max().unwrap_or(0);
    println!(
        "{mib} MiB: fetch with checksum {:.0} MiB/s, curl {:.0} MiB/s: {:.2} of curl's speed; peak memory {memory} MiB",
        mib as f64 / ours,
        mib as f64 / theirs,
        theirs / ours
    );
}
