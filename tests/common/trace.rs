//! An independent reader of traces: Python's own JSON, where there is a Python.

use std::path::Path;
use std::process::Command;

/// Checks a trace by the rules of its format, and that it has so many spans of jobs.
pub(crate) fn check_with_python(path: &Path, num_spans: Option<usize>) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trace_checker.py");
    let mut command = Command::new("python3");
    command.arg(script).arg(path).args(num_spans.map(|count| count.to_string()));
    let Ok(done) = command.output() else { return };
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
