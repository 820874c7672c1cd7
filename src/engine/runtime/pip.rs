//! Downloading one wheel through the user's own pip, so that their index, proxy and certificates apply.
//!
//! pip only downloads: nothing is installed into any environment. Its temporary files are kept in our working
//! folder, where their growth is the progress and where they go when pip is stopped half-way.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, bounded};

use super::builds::{Build, VERSION};
use crate::core::{Bytes, CancelToken, Error, Kind, Result};

/// What is tried when nobody names a Python; `py` is the launcher of Windows.
const PYTHONS: [&str; 3] = ["python3", "python", "py"];
/// How often the growing file is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How much of pip's complaints is quoted.
const QUOTED_LINES: usize = 4;

const HOW_ELSE: &str = "or install ONNX Runtime yourself and set ORT_DYLIB_PATH to its library";

/// A Python that has pip.
#[derive(Debug)]
pub(super) struct Python(OsString);

impl Python {
    /// `chosen` and no other, else the first on the path that has pip.
    pub(super) fn find(chosen: Option<&OsStr>) -> Result<Self> {
        if let Some(chosen) = chosen {
            return match Self::probe(chosen) {
                Ok(python) => Ok(python),
                Err(reason) => {
                    Err(Error::new(Kind::Runtime, format!("WANDECK_PYTHON is {}", chosen.display()))
                        .because(io::Error::other(reason))
                        .remedy(format!("Set it to a Python 3 that has pip, {HOW_ELSE}")))
                }
            };
        }
        let mut reasons = Vec::new();
        for name in PYTHONS {
            match Self::probe(OsStr::new(name)) {
                Ok(python) => return Ok(python),
                Err(reason) => reasons.push(format!("{name} {reason}")),
            }
        }
        Err(Error::new(Kind::Runtime, "There is no Python with pip to fetch ONNX Runtime with")
            .because(io::Error::other(reasons.join(", ")))
            .remedy(format!("Install Python 3 with pip, {HOW_ELSE}")))
    }

    fn probe(program: &OsStr) -> Result<Self, String> {
        let mut command = Command::new(program);
        command.args(["-m", "pip", "--version"]).env("PYTHONSAFEPATH", "1").stdin(Stdio::null());
        match command.output() {
            Ok(output) if output.status.success() => Ok(Self(program.to_owned())),
            Ok(output) => {
                let text = String::from_utf8_lossy(&output.stderr);
                Err(match last_lines(&text, 1) {
                    said if said.contains("No module named pip") => "has no pip".to_owned(),
                    said if said.is_empty() => format!("cannot run pip ({})", output.status),
                    said => format!("cannot run pip ({said})"),
                })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err("is not there".to_owned()),
            Err(error) => Err(format!("cannot be started ({error})")),
        }
    }

    /// Downloads the wheel of `build` into the folder `work`, which must be empty, and returns its path.
    /// `downloaded` hears the number of bytes that are there so far.
    pub(super) fn download(
        &self,
        build: &Build,
        work: &Path,
        cancel: &CancelToken,
        downloaded: &mut dyn FnMut(Bytes),
    ) -> Result<PathBuf> {
        let failed = |error: io::Error| cannot_run(&self.0, error);
        let (temp, wheels, log) = (work.join("temp"), work.join("wheel"), work.join("pip.log"));
        fs::create_dir(&temp).and_then(|()| fs::create_dir(&wheels)).map_err(failed)?;
        let said = File::create(&log).map_err(failed)?;
        let child = self.command(build, &temp, &wheels).stderr(said).spawn().map_err(failed)?;
        let status = wait(child, cancel, || {
            let bytes = largest_file(work);
            if bytes.0 > 0 {
                downloaded(Bytes(bytes.0.min(build.wheel_size.0)));
            }
        })
        .map_err(failed)?;
        cancel.check()?;
        if !status.success() {
            return Err(refused(status, &fs::read_to_string(&log).unwrap_or_default()));
        }
        let wheel = fs::read_dir(&wheels)
            .map_err(failed)?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .find(|path| path.extension().is_some_and(|extension| extension == "whl"));
        wheel.ok_or_else(|| {
            Error::new(Kind::Runtime, "pip says it downloaded ONNX Runtime, but there is no wheel")
                .remedy(format!("Try again, {HOW_ELSE}"))
        })
    }

    fn command(&self, build: &Build, temp: &Path, wheels: &Path) -> Command {
        let mut command = Command::new(&self.0);
        command
            .args(["-m", "pip", "download", &format!("onnxruntime=={VERSION}")])
            .args(["--no-deps", "--only-binary=:all:", "--python-version", "3.12"])
            .args(["--implementation", "cp", "--abi", "cp312"])
            .args(["--no-input", "--disable-pip-version-check", "--progress-bar", "off"]);
        for tag in build.tags {
            command.args(["--platform", tag]);
        }
        command.arg("--dest").arg(wheels);
        for variable in ["TMPDIR", "TEMP", "TMP"] {
            command.env(variable, temp);
        }
        // A folder called pip in the working folder must not be taken for pip.
        command.env("PYTHONSAFEPATH", "1").stdin(Stdio::null()).stdout(Stdio::null());
        command
    }
}

/// Waits for `child`, calling `look` now and then; ends it when the wish to stop comes.
fn wait(mut child: Child, cancel: &CancelToken, mut look: impl FnMut()) -> io::Result<ExitStatus> {
    let (stop, stopped) = bounded::<()>(1);
    let _registered = cancel.on_cancel(move || {
        // Full means that the wish is known already.
        stop.try_send(()).ok();
    });
    loop {
        if let Some(status) = child.try_wait()? {
            look();
            return Ok(status);
        }
        match stopped.recv_timeout(LOOK_EVERY) {
            Err(RecvTimeoutError::Timeout) => look(),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                child.kill()?;
                return child.wait();
            }
        }
    }
}

/// pip may keep the bytes twice while it fills its cache, so the largest file is what has arrived.
fn largest_file(dir: &Path) -> Bytes {
    let Ok(entries) = fs::read_dir(dir) else { return Bytes(0) };
    let sizes = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let data = entry.metadata().ok()?;
        Some(if data.is_dir() { largest_file(&entry.path()) } else { Bytes(data.len()) })
    });
    sizes.max().unwrap_or_default()
}

fn cannot_run(python: &OsStr, error: io::Error) -> Error {
    Error::new(Kind::Runtime, format!("Cannot run {} to fetch ONNX Runtime", python.display()))
        .because(error)
        .remedy(format!("Set WANDECK_PYTHON to a Python 3 that has pip, {HOW_ELSE}"))
}

/// pip's failure in our words where its own are known, and always with its own.
fn refused(status: ExitStatus, said: &str) -> Error {
    let quoted = match last_lines(said, QUOTED_LINES) {
        quoted if quoted.is_empty() => format!("pip ended with {status}"),
        quoted => quoted,
    };
    let has = |parts: &[&str]| parts.iter().any(|part| said.contains(part));
    let (kind, message, remedy) = if has(&["No space left", "[Errno 28]", "WinError 112"]) {
        (
            Kind::Io,
            "The disk is full",
            "Free some 150 MB in the data folder, or choose another one".to_owned(),
        )
    } else if has(&["onnection", "name resolution", "timed out", "ProxyError", "SSLError", "Max retries"]) {
        (
            Kind::Runtime,
            "The Python package index cannot be reached",
            format!("Check the network and pip's own settings (pip config list) and try again, {HOW_ELSE}"),
        )
    } else {
        (Kind::Runtime, "pip cannot download ONNX Runtime", format!("Try again, {HOW_ELSE}"))
    };
    Error::new(kind, format!("{message} (fetching onnxruntime {VERSION})"))
        .because(io::Error::other(quoted))
        .remedy(remedy)
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join(" / ")
}
