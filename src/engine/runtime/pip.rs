//! Download of a wheel with the user's pip, so that their index, proxy and certificates apply.
//!
//! pip only downloads and installs nothing. Its temporary files are in our temporary folder: their size shows the
//! progress, and they are removed if pip is stopped.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, bounded};

use super::builds::{Build, VERSION};
use crate::core::{Bytes, CancelToken, Error, Kind, Result};

/// Programs tried if no Python is set; `py` is the launcher on Windows.
const PYTHONS: [&str; 3] = ["python3", "python", "py"];
/// Interval between checks of the file's size.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Maximum number of quoted lines of pip's messages.
const QUOTED_LINES: usize = 4;

/// Working folder of a Python that only says whether it has pip.
const NEUTRAL_FOLDER: &str = if cfg!(windows) { "C:\\" } else { "/" };

const HOW_ELSE: &str = "or install ONNX Runtime yourself and set ORT_DYLIB_PATH to its library";

/// A wheel to download.
#[derive(Clone, Copy, Debug)]
pub(super) struct WheelQuery<'a> {
    /// Name and version, `onnxruntime==1.2.3`.
    pub(super) requirement: &'a str,
    /// Platform tags, any of which an index may carry.
    pub(super) tags: &'a [&'a str],
    /// Its size, if it is known.
    pub(super) size: Option<Bytes>,
}

/// A Python that has pip.
#[derive(Debug)]
pub(super) struct Python(OsString);

impl Python {
    /// `chosen` if set, else the first on the path that has pip.
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
        Err(Error::new(Kind::Runtime, "No Python with pip was found to fetch ONNX Runtime")
            .because(io::Error::other(reasons.join(", ")))
            .remedy(format!("Install Python 3 with pip, {HOW_ELSE}")))
    }

    fn probe(program: &OsStr) -> Result<Self, String> {
        // a path from the working folder means another file from the folder that pip runs in
        let path = Path::new(program);
        let absolute = if path.components().count() > 1 { std::path::absolute(path).ok() } else { None };
        let program = absolute.as_ref().map_or(program, |path| path.as_os_str());
        let mut command = Command::new(program);
        command.args(["-I", "-m", "pip", "--version"]).current_dir(NEUTRAL_FOLDER).stdin(Stdio::null());
        match command.output() {
            Ok(output) if output.status.success() => Ok(Self(program.to_owned())),
            Ok(output) => {
                let text = String::from_utf8_lossy(&output.stderr);
                Err(match quote(&text) {
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
    /// `downloaded` receives the number of bytes so far, and of how many, if that is known.
    pub(super) fn download(
        &self,
        build: &Build,
        work: &Path,
        cancel: &CancelToken,
        downloaded: &mut dyn FnMut(Bytes, Option<Bytes>),
    ) -> Result<PathBuf> {
        let wheel = WheelQuery {
            requirement: &format!("onnxruntime=={VERSION}"),
            tags: build.tags,
            size: Some(build.wheel_size),
        };
        self.download_wheel(wheel, work, cancel, downloaded)
    }

    /// Downloads one wheel into the folder `work`, which must be empty, and returns its path. `downloaded` receives the
    /// number of bytes so far, and of how many: the query's size, else what pip says.
    pub(super) fn download_wheel(
        &self,
        query: WheelQuery<'_>,
        work: &Path,
        cancel: &CancelToken,
        downloaded: &mut dyn FnMut(Bytes, Option<Bytes>),
    ) -> Result<PathBuf> {
        let failed = |error: io::Error| cannot_run(&self.0, error);
        let (temp, wheels) = (work.join("temp"), work.join("wheel"));
        fs::create_dir(&temp).and_then(|()| fs::create_dir(&wheels)).map_err(failed)?;
        let mut child = self.command(query, &temp, &wheels).spawn().map_err(failed)?;
        let words = listen(child.stderr.take()).map_err(failed)?;
        let said = Arc::new(AtomicU64::new(0));
        let sizes = listen_for_size(child.stdout.take(), &said).map_err(failed)?;
        let status = wait(child, cancel, || {
            // Not under a mebibyte: pip's own small files are there before the wheel is.
            let bytes = largest_file(work);
            if bytes.0 >> 20 > 0 {
                let said = Some(Bytes(said.load(Ordering::Relaxed))).filter(|size| size.0 > 0);
                let size = query.size.or(said);
                downloaded(size.map_or(bytes, |size| bytes.min(size)), size);
            }
        })
        .map_err(failed)?;
        // pip has ended, so its output has ended, too; a panic of the thread only loses the size
        sizes.join().ok();
        cancel.check()?;
        if !status.success() {
            return Err(refused(query.requirement, status, &words.join().unwrap_or_default()));
        }
        let wheel = fs::read_dir(&wheels)
            .map_err(failed)?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .find(|path| path.extension().is_some_and(|extension| extension == "whl"));
        wheel.ok_or_else(|| {
            Error::new(Kind::Runtime, "pip reported success, but there is no wheel")
                .remedy(format!("Try again, {HOW_ELSE}"))
        })
    }

    fn command(&self, query: WheelQuery<'_>, temp: &Path, wheels: &Path) -> Command {
        let mut command = Command::new(&self.0);
        command
            .args(["-I", "-u", "-m", "pip", "download", query.requirement])
            .args(["--no-deps", "--only-binary=:all:", "--python-version", "3.12"])
            .args(["--implementation", "cp", "--abi", "cp312", "--abi", "none"])
            .args(["--no-input", "--disable-pip-version-check", "--progress-bar", "off"]);
        for tag in query.tags {
            command.args(["--platform", tag]);
        }
        command.arg("--dest").arg(wheels);
        for variable in ["TMPDIR", "TEMP", "TMP"] {
            command.env(variable, temp);
        }
        // a folder called pip in the working folder must not be imported as pip: -I keeps it out of the path, and
        // nobody else puts one into this folder
        command.current_dir(temp);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// Reads pip's messages while it runs; not through a file, because the disk may be full.
fn listen(stderr: Option<ChildStderr>) -> io::Result<JoinHandle<String>> {
    thread::Builder::new().name("pip words".to_owned()).spawn(move || {
        let mut said = Vec::new();
        if let Some(mut stderr) = stderr {
            // a part of the messages is still useful
            stderr.read_to_end(&mut said).ok();
        }
        String::from_utf8_lossy(&said).into_owned()
    })
}

/// Reads what pip prints until it ends, and stores the size of the download that it names.
fn listen_for_size(stdout: Option<ChildStdout>, size: &Arc<AtomicU64>) -> io::Result<JoinHandle<()>> {
    let size = Arc::clone(size);
    thread::Builder::new().name("pip output".to_owned()).spawn(move || {
        let Some(stdout) = stdout else { return };
        let mut reader = BufReader::new(stdout);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            if let Some(bytes) = named_size(&String::from_utf8_lossy(&line)) {
                size.store(bytes.0, Ordering::Relaxed);
            }
            line.clear();
        }
    })
}

/// The size in "Downloading NAME.whl (6.9 MB)". pip counts in powers of 1000 and rounds.
fn named_size(line: &str) -> Option<Bytes> {
    let line = line.trim();
    if !line.starts_with("Downloading ") {
        return None;
    }
    let (_, words) = line.strip_suffix(')')?.rsplit_once('(')?;
    let (number, unit) = words.split_once(' ')?;
    let unit = match unit {
        "bytes" => 1.0,
        "kB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        _ => return None,
    };
    Some(Bytes((number.parse::<f64>().ok()? * unit) as u64))
}

/// Waits for `child`, calling `look` at intervals; a cancellation kills it.
fn wait(mut child: Child, cancel: &CancelToken, mut look: impl FnMut()) -> io::Result<ExitStatus> {
    let (stop, stopped) = bounded::<()>(1);
    let _registered = cancel.on_cancel(move || {
        // full: the cancellation is known already
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

/// Size of the largest file: pip may store the bytes twice while it fills its cache.
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

/// The error of a failed pip, in a sentence. Its own messages are in the log.
fn refused(requirement: &str, status: ExitStatus, said: &str) -> Error {
    let quoted = match quote(said) {
        quoted if quoted.is_empty() => format!("pip ended with {status}"),
        quoted => quoted,
    };
    tracing::warn!("pip cannot download ONNX Runtime: {quoted}");
    let has = |parts: &[&str]| parts.iter().any(|part| said.contains(part));
    let (kind, message, remedy) = if has(&["No space left", "[Errno 28]", "WinError 112"]) {
        (
            Kind::Io,
            "The disk is full",
            "Free about 150 MB in the data folder, or choose another one".to_owned(),
        )
    } else if has(&["onnection", "name resolution", "timed out", "ProxyError", "SSLError", "Max retries"]) {
        (
            Kind::Runtime,
            "The Python package index cannot be reached",
            format!("Check the network and pip's own settings (pip config list) and try again, {HOW_ELSE}"),
        )
    } else if has(&["No matching distribution"]) {
        (
            Kind::Runtime,
            "The Python package index offers no ONNX Runtime for this system, or it cannot be reached",
            format!("Check the network and pip's own settings (pip config list) and try again, {HOW_ELSE}"),
        )
    } else {
        (
            Kind::Runtime,
            "pip cannot download ONNX Runtime",
            format!("The log has pip's own words. Try again, {HOW_ELSE}"),
        )
    };
    Error::new(kind, format!("{message} (fetching {requirement})")).remedy(remedy)
}

/// The last errors and warnings of pip, or the last line of a traceback.
fn quote(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let is_complaint = |line: &&str| line.starts_with("ERROR:") || line.starts_with("WARNING:");
    let complaints: Vec<_> = lines.iter().copied().filter(is_complaint).collect();
    match complaints.len() {
        0 => lines.last().copied().unwrap_or_default().to_owned(),
        count => complaints[count.saturating_sub(QUOTED_LINES)..].join(" / "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_download_is_what_pip_says() {
        let wheel = "  Downloading onnxruntime_gpu-1.31.1-cp312-cp312-manylinux.whl (301.9 MB)\n";
        assert_eq!(named_size(wheel), Some(Bytes(301_900_000)));
        assert_eq!(named_size("Downloading a.whl (12 kB)"), Some(Bytes(12_000)));
        for other in ["Collecting onnxruntime==1.31.1 (from x)", "Downloading a.whl", "Downloading a.whl (?)"]
        {
            assert_eq!(named_size(other), None, "{other}");
        }
    }

    #[test]
    fn pip_is_quoted_without_its_traceback() {
        let fell_over =
            "Traceback (most recent call last):\n  File \"x.py\", line 1\nOSError: [Errno 28] No space\n";
        assert_eq!(quote(fell_over), "OSError: [Errno 28] No space");
        let complained = "WARNING: one\nsomething\nERROR: two\n\n";
        assert_eq!(quote(complained), "WARNING: one / ERROR: two");
        assert_eq!(quote("\n"), "");
    }
}
