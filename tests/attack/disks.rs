//! Disks that are full or fail, and data folders that vanish.

use std::fs;
use std::io::{BufRead as _, BufReader};

use crate::program::{Desk, has_strace, leftovers};

#[test]
fn numbers_that_cannot_be_stored_are_refused_and_the_journal_stays() {
    let desk = Desk::new();
    desk.add("a.mp4", &[]);
    for bad in
        [["--guidance", "1e39"], ["--guidance", "nan"], ["--shift", "inf"], ["--lora", "x.safetensors:inf"]]
    {
        let output = desk.path("b.mp4");
        let args = ["queue", "add", "x", "--model", "toy-t2v-A14B", "-o", output.to_str().unwrap()];
        let refused = desk.run(&[&args[..], &bad].concat());
        assert_eq!(refused.status.code(), Some(2), "{bad:?}");
    }
    assert_eq!(desk.statuses(), ["queued"]);
    assert!(!desk.path("queue/journal.damaged-1").exists());
}

#[test]
fn an_end_that_could_not_be_saved_is_saved_later_and_the_program_ends() {
    if !has_strace() {
        return;
    }
    let desk = Desk::new();
    let video = desk.add("o.mp4", &[]);
    for (nth, error) in [(4, "ENOSPC"), (5, "EIO"), (3, "ENOSPC")] {
        let inject = format!("fdatasync:error={error}:when={nth}");
        let ended = desk.strace(&inject, &["queue", "run"]).wait().unwrap();
        println!("{inject}: {ended}");
    }
    desk.work();
    assert_eq!(desk.statuses(), ["done"]);
    assert_eq!((desk.recorded(&video), desk.path("o-2.mp4").exists()), (1, false));
    assert_eq!(leftovers(desk.dir.path()), [""; 0]);
}

#[test]
fn a_data_folder_that_vanishes_ends_the_program_with_a_sentence() {
    let desk = Desk::new();
    desk.add("o.mp4", &[]);
    let outside = tempfile::tempdir().unwrap();
    let moved = outside.path().join("moved");
    let mut run = desk.spawn(&["--json", "queue", "run", "--events"], "slow@step:2=600000");
    let mut lines = BufReader::new(run.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains(r#""step":1"#)));
    fs::rename(desk.path("queue"), &moved).unwrap();
    assert!(lines.any(|line| line.contains("moved, removed or replaced")));
    assert_eq!(run.wait().unwrap().code(), Some(1));
    assert!(!desk.path("queue").exists(), "no new queue hides the old one");
    fs::rename(&moved, desk.path("queue")).unwrap();
    assert!(desk.work().status.success());
    assert_eq!(desk.statuses(), ["done"]);
}

#[test]
fn a_journal_of_zeros_is_said() {
    let desk = Desk::new();
    desk.add("o.mp4", &[]);
    let journal = desk.path("queue/journal");
    for bytes in [vec![0; 4096], Vec::new()] {
        fs::write(&journal, bytes).unwrap();
        let listed = desk.run(&["queue", "list"]);
        let words = String::from_utf8_lossy(&listed.stderr).into_owned();
        assert!(words.contains("damaged"), "{words}");
        assert!(listed.status.success());
        let again = desk.run(&["queue", "list"]).stderr;
        assert_eq!(String::from_utf8_lossy(&again), "The queue is empty\n", "reported once");
    }
}

#[test]
#[cfg(unix)]
fn prompts_are_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::new();
    desk.add("o.mp4", &[]);
    let mode = |name: &str| fs::metadata(desk.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("queue"), mode("queue/journal"), mode("history.sqlite")), (0o700, 0o600, 0o600));
}

/// A small file system in memory, unmounted when dropped; only root may make one.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(at: std::path::PathBuf, size: &str) -> Option<Self> {
        fs::create_dir_all(&at).ok()?;
        let options = format!("size={size}");
        mount(&["-t", "tmpfs", "-o", &options, "none", at.to_str()?]).then_some(Self(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(std::process::Command::new("umount").arg("-l").arg(&self.0).output());
    }
}

/// Whether `mount` did it.
fn mount(args: &[&str]) -> bool {
    std::process::Command::new("mount").args(args).output().is_ok_and(|mounted| mounted.status.success())
}

#[test]
fn a_full_output_disk_lets_the_queue_rest_with_the_reason_and_fails_no_job() {
    let desk = Desk::new();
    let Some(disk) = SmallDisk::mount(desk.path("small"), "64k") else {
        return eprintln!("left out: this user may not mount");
    };
    let videos = [desk.add("small/a.mp4", &[]), desk.add("small/b.mp4", &[])];
    let run = desk.work();
    let words = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(words.contains("Not enough disk space") && words.contains("2 jobs in the queue"), "{words}");
    assert_eq!(desk.statuses(), ["queued", "queued"]);
    assert!(mount(&["-o", "remount,size=64m", disk.0.to_str().unwrap()]));
    assert!(desk.work().status.success());
    assert_eq!(
        (desk.statuses(), videos.iter().all(|video| video.exists())),
        (vec!["done".to_owned(); 2], true)
    );
}

#[test]
fn a_data_folder_that_cannot_be_written_to_is_shown() {
    let desk = Desk::new();
    let folder = desk.path("data");
    let Some(_disk) = SmallDisk::mount(folder.clone(), "8m") else {
        return eprintln!("left out: this user may not mount");
    };
    let runtime = fs::read_link(desk.path("runtime")).unwrap();
    std::os::unix::fs::symlink(runtime, folder.join("runtime")).unwrap();
    let data_dir = ["--data-dir", folder.to_str().unwrap()];
    let run = |args: &[&str]| desk.run(&[&data_dir[..], args].concat());
    let output = desk.path("o.mp4");
    let job = ["--model", "toy-t2v-A14B", "--size", "64x64", "--frames", "5", "--steps", "2", "-o"];
    let add = |word: &str| run(&[&["queue", "add", word][..], &job, &[output.to_str().unwrap()]].concat());
    assert!(add("red").status.success() && run(&["queue", "pause", "1"]).status.success());
    let shows = |what: &str| {
        for (args, shown) in [
            (["queue", "list"], "paused"),
            (["tasks", "5"], "No jobs have ended yet"),
            (["analysis", "24"], "Last 24 h: 0 done"),
        ] {
            let listed = run(&args);
            let words = String::from_utf8_lossy(&listed.stderr).into_owned();
            assert!(listed.status.success(), "{what}, {args:?}: {words}");
            assert!(String::from_utf8_lossy(&listed.stdout).contains(shown), "{what}, {args:?}");
        }
        assert!(!add("blue").status.success(), "{what}");
    };
    let room = fs::File::create(folder.join("room")).unwrap();
    let mut filled = 0;
    while std::io::Write::write_all(&mut &room, &[1; 4096]).is_ok() {
        filled += 1;
    }
    assert!(filled > 0);
    shows("full");
    drop(room);
    assert!(mount(&["-o", "remount,ro", folder.to_str().unwrap()]));
    shows("read-only");
}
