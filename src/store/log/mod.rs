//! The log: what the program and its libraries report, in memory for the window and in a file of the data folder.

mod file;
mod layer;
mod line;

pub use file::{LOG_FILE, log_to_file};
pub use layer::LogLayer;
pub use line::{LogLevel, LogLine, log_lines_after, record_log_line};
