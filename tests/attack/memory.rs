//! A program that the system kills because its memory runs out.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use crate::program::Desk;

/// A control group with a limit on memory, removed when dropped.
struct Group {
    folder: PathBuf,
    limit: &'static str,
}

impl Group {
    /// A new group; `None` where this user may not make one.
    fn new() -> Option<Self> {
        let name = format!("wandeck-test-{}", std::process::id());
        let versions = [("memory", "memory.limit_in_bytes"), ("", "memory.max")];
        versions.into_iter().find_map(|(below, limit)| {
            let root = Path::new("/sys/fs/cgroup").join(below);
            let folder = root.join(&name);
            // version 2 enables the controller for the groups below; version 1 has no such file
            drop(fs::write(root.join("cgroup.subtree_control"), "+memory"));
            fs::create_dir(&folder).ok()?;
            let group = Self { folder, limit };
            group.limit("4G").then_some(group)
        })
    }

    fn limit(&self, bytes: &str) -> bool {
        fs::write(self.folder.join(self.limit), bytes).is_ok()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        drop(fs::remove_dir(&self.folder));
    }
}

#[test]
fn a_run_that_was_killed_for_its_memory_is_recognised_and_takes_smaller_tiles() {
    let Some(group) = Group::new() else {
        eprintln!("left out: this user may not make a control group");
        return;
    };
    let desk = Desk::new();
    let video = desk.path("o.mp4");
    let args = ["queue", "add", "a red circle", "--model", "toy-t2v-A14B", "--seed", "1", "--steps", "2"];
    let size = ["--size", "256x256", "--frames", "9", "-o", video.to_str().unwrap()];
    assert!(desk.run(&[&args[..], &size].concat()).status.success());
    let work = ["queue", "run", "--events"];
    let mut run = desk.spawn_in(&group.folder, &work, "slow@step:2=2500");
    let mut lines = BufReader::new(run.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains(r#""event":"step""#)));
    // other programs took the rest: denoising fits, decoding does not
    assert!(group.limit("400M"));
    assert!(lines.all(|line| !line.contains(r#""event":"finished""#)));
    assert_eq!(run.wait().unwrap().code(), None, "the system killed it");
    let mut run = desk.spawn_in(&group.folder, &work, "");
    let lines = BufReader::new(run.stdout.take().unwrap()).lines().map(Result::unwrap);
    let printed: Vec<_> = lines.filter(|line| !line.contains("preview")).collect();
    let retry = printed.iter().find(|line| line.contains("retrying")).unwrap();
    assert!(retry.contains("memory ran out") && retry.contains("use VAE tiles of 128 px"), "{retry}");
    let denoised = printed.iter().filter(|line| line.contains(r#""event":"step","stage":"denoise"#)).count();
    assert!(run.wait().unwrap().success() && video.exists(), "{printed:?}");
    assert_eq!(denoised, 0, "the latents were kept");
}
