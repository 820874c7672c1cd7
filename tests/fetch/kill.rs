//! The program is killed while it fetches, again and again: no wrong byte, and no block comes twice that was there.
//!
//! `WANDECK_FETCH_KILLS=200 cargo test --test fetch kill -- --nocapture` runs the long form; with `WANDECK_FETCH_KILL_MIB=320`
//! the file is large enough to be brought to the disk while it comes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::hub::{LoopbackHub, Manners, weights};
use crate::model::program;

const REPOSITORY: &str = "owner/big";
const FILE: &str = "diffusion_models/big.safetensors";
/// Default size of the file in MiB, to which some bytes are added.
const MIB: usize = 40;
const BLOCK: u64 = 4 << 20;
/// Connections, which share the bytes: the whole takes about a second, and a block comes before most kills.
const CONNECTIONS: u64 = 4;

const MANIFEST: &str = "(version: 1, extends: false,
    files: {\"f\": (component: transformer, repository: \"owner/big\", path: \"diffusion_models/big.safetensors\",
        to: \"diffusion_models\")},
    items: [(id: \"big\", version: \"1\", kind: model, licence: \"MIT\", purpose: \"\",
        variants: [(name: \"v\", files: [\"f\"])])])";

/// Blocks that the journal says are there.
fn blocks_there(part: &Path) -> BTreeSet<u64> {
    let journal = fs::read_to_string(part.with_file_name("big.safetensors.part.journal")).unwrap_or_default();
    let done =
        journal.lines().filter_map(|line| line.strip_prefix("{\"done\":")?.strip_suffix('}')?.parse().ok());
    done.collect()
}

/// Blocks that these requests ask for.
fn blocks_asked(hub: &LoopbackHub, from: usize) -> BTreeSet<u64> {
    let asked = hub.asked();
    let ranges = asked[from..].iter().filter(|asked| asked.is_other_host).filter_map(|asked| {
        let (start, end) = asked.range.as_deref()?.strip_prefix("bytes=")?.split_once('-')?;
        Some((start.parse::<u64>().ok()?, end.parse::<u64>().ok()?))
    });
    ranges.flat_map(|(start, end)| start / BLOCK..=end / BLOCK).collect()
}

/// Runs a program, and kills it after `limit`; returns how it ended by itself.
fn run(command: &mut Command, limit: Option<Duration>) -> Option<ExitStatus> {
    let mut child = command.spawn().unwrap();
    let began = Instant::now();
    while limit.is_none_or(|limit| began.elapsed() < limit) {
        std::thread::park_timeout(Duration::from_millis(5));
        if child.try_wait().unwrap().is_some() {
            return Some(child.wait().unwrap());
        }
    }
    child.kill().unwrap();
    let ended = child.wait().unwrap();
    // it may have ended just before
    (ended.code().is_some()).then_some(ended)
}

#[test]
fn killed_at_any_moment_no_byte_is_wrong_and_no_block_comes_twice() {
    let kills: u32 = std::env::var("WANDECK_FETCH_KILLS").map_or(5, |text| text.parse().unwrap());
    let hub = LoopbackHub::start();
    let mib: usize = std::env::var("WANDECK_FETCH_KILL_MIB").map_or(MIB, |text| text.parse().unwrap());
    let content = weights((mib << 20) + 123, 5);
    hub.put(REPOSITORY, FILE, content.clone());
    let rate = ((mib as u64) << 20) / CONNECTIONS;
    hub.serve(REPOSITORY, FILE, Manners { rate: Some(rate), ..Manners::default() });
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("models-manifest.ron"), MANIFEST).unwrap();
    let file = dir.path().join("models/big-v/diffusion_models/big.safetensors");
    let mut random = rand_mt::Mt::new(9);
    let (mut killed, mut wholes, mut kept) = (0, 0, 0);
    while killed < kills || wholes == 0 {
        let (there, asked) = (blocks_there(&file), hub.asked().len());
        let wait = Duration::from_millis(u64::from(random.next_u32()) % 1500);
        let mut command = program(&hub, dir.path());
        command.args(["models", "fetch", "big", "--json"]).stdout(Stdio::null()).stderr(Stdio::null());
        let status = run(&mut command, (killed < kills).then_some(wait));
        killed += u32::from(status.is_none());
        let twice: Vec<_> = blocks_asked(&hub, asked).intersection(&there).copied().collect();
        assert!(twice.is_empty(), "blocks {twice:?} were there and came again");
        kept += there.len();
        if let Some(status) = status {
            assert!(status.success());
            assert!(fs::read(&file).unwrap() == content, "a wrong byte");
            wholes += 1;
            fs::remove_dir_all(dir.path().join("models")).unwrap();
        }
        assert!(
            !file.exists() || fs::read(&file).unwrap() == content,
            "the name is given to the whole file only"
        );
    }
    assert!(kept > 0, "no kill came after a whole block");
    println!(
        "{killed} kills, {wholes} files whole, {kept} blocks kept over a kill, 0 wrong bytes, 0 blocks twice"
    );
}
