//! The program as its users run it, with faults injected into its system calls by strace.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::common;

/// A data folder and the programs that use it.
pub(crate) struct Desk {
    pub(crate) dir: TempDir,
}

/// Whether strace is installed; without it the attacks that need it are left out.
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
pub(crate) fn has_strace() -> bool {
    let found = Command::new("strace").arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("left out: strace is not installed");
    }
    found
}

/// The program: `WANDECK_PROGRAM`, or the one of this build.
fn program() -> OsString {
    std::env::var_os("WANDECK_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_wandeck").into())
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self { dir: common::fresh_data_dir() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        self.with_data_dir(Command::new(program))
    }

    fn with_data_dir(&self, mut command: Command) -> Command {
        command.env("WANDECK_DATA_DIR", self.dir.path()).env_remove("WANDECK_FAULTS").stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(program()).args(args).output().unwrap()
    }

    /// Runs the program with a planned fault until it ends or is ended.
    pub(crate) fn spawn(&self, args: &[&str], faults: &str) -> Child {
        self.start(common::with_signals_as_in_a_terminal(Path::new(&program())), args, faults)
    }

    /// The same, started with nohup.
    pub(crate) fn spawn_with_nohup(&self, args: &[&str], faults: &str) -> Child {
        let mut nohup = Command::new("nohup");
        nohup.arg(program());
        self.start(nohup, args, faults)
    }

    fn start(&self, program: Command, args: &[&str], faults: &str) -> Child {
        let mut command = self.with_data_dir(program);
        command.args(args).env("WANDECK_FAULTS", faults);
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Runs the program under strace, which does `inject` to the system call of that name.
    pub(crate) fn strace(&self, inject: &str, args: &[&str]) -> Child {
        let call = inject.split(':').next().unwrap();
        let mut command = self.command("strace");
        command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
        command.args(["-e", &format!("inject={inject}")]).arg(program()).args(args);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Runs the program with a planned fault in a control group of the system.
    pub(crate) fn spawn_in(&self, group: &Path, args: &[&str], faults: &str) -> Child {
        let mut shell = Command::new("sh");
        let enter = r#"echo $$ > "$0/cgroup.procs" && exec "$@""#;
        shell.arg("-c").arg(enter).arg(group).arg(program());
        self.start(shell, args, faults)
    }

    /// Runs the program to its end under strace, which writes the calls of the filter `trace` to `log`.
    pub(crate) fn strace_to(&self, log: &Path, trace: &str, args: &[&str]) {
        let mut command = self.command("strace");
        command.args(["-f", "-qq", "-e", trace, "-o"]).arg(log).arg(program()).args(args);
        assert!(command.output().unwrap().status.success());
    }

    /// Runs the program under strace, which does `inject` to the system calls that name `path` first.
    pub(crate) fn strace_at(&self, path: &Path, inject: &str, args: &[&str]) -> Child {
        let call = inject.split(':').next().unwrap();
        let mut command = self.command("strace");
        command.args(["-f", "-qq", "-o", "/dev/null", "-P", path.to_str().unwrap()]);
        command.args(["-e", &format!("trace={call}"), "-e", &format!("inject={inject}")]);
        command.arg(program()).args(args);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Kills the only program that has the queue open.
    pub(crate) fn kill_worker(&self) {
        let files = std::fs::read_dir(self.path("queue/workers")).unwrap().map(|file| file.unwrap().path());
        let lock =
            files.into_iter().find(|path| path.extension().is_some_and(|name| name == "lock")).unwrap();
        let holder = std::fs::read_to_string(lock).unwrap();
        let process = holder.rsplit_once("(process ").unwrap().1.trim_end_matches(')').to_owned();
        assert!(Command::new("kill").args(["-KILL", &process]).status().unwrap().success());
    }

    /// Adds a job of the toy model and returns its output.
    pub(crate) fn add(&self, name: &str, more: &[&str]) -> PathBuf {
        let output = self.path(name);
        let text = output.to_str().unwrap();
        let fixed = ["queue", "add", "a red circle moves right", "--model", "toy-t2v-A14B", "--seed", "1"];
        let size = ["--size", "64x64", "--frames", "5", "-o", text];
        let steps: &[&str] = if more.contains(&"--steps") { &[] } else { &["--steps", "4"] };
        let added = self.run(&[&fixed[..], &size, steps, more].concat());
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        output
    }

    /// Works on the queue to its end.
    pub(crate) fn work(&self) -> Output {
        self.run(&["queue", "run"])
    }

    /// The status of each job of the queue, in order.
    pub(crate) fn statuses(&self) -> Vec<String> {
        let listed = self.run(&["--json", "queue", "list"]);
        let document: Value = serde_json::from_slice(&listed.stdout).unwrap();
        let status = |job: &Value| job["status"].as_str().unwrap().to_owned();
        document["jobs"].as_array().unwrap().iter().map(status).collect()
    }

    /// How many entries of the history have this output.
    pub(crate) fn recorded(&self, output: &Path) -> usize {
        let listed = self.run(&["--json", "tasks"]);
        let text = String::from_utf8_lossy(&listed.stdout);
        text.matches(&format!("{:?}", output.to_str().unwrap())).count()
    }
}

/// Names that a video's writer leaves in a folder if it is not cleaned up.
pub(crate) fn leftovers(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().file_name());
    let names = entries.map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(".wandeck-") || name.starts_with(".tmp")).collect()
}
