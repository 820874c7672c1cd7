//! Takes what the program and its libraries report by `tracing` into the log.

use std::fmt::Write as _;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::line::{LogLevel, record_log_line};

/// Takes events from `info` up into the log; of ONNX Runtime those from `warn` up.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogLayer;

impl<S: Subscriber> Layer<S> for LogLayer {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let meta = event.metadata();
        let level = match *meta.level() {
            Level::ERROR => LogLevel::Error,
            Level::WARN => LogLevel::Warning,
            Level::INFO => LogLevel::Info,
            _ => return,
        };
        let is_own = meta.target().starts_with("wandeck");
        // what the window's library says of the screen is no use to a person
        let is_of_screen = meta.target().starts_with("winit") && level != LogLevel::Error;
        if level == LogLevel::Info && !is_own || is_of_screen {
            return;
        }
        let mut text = Text::default();
        event.record(&mut text);
        record_log_line(level, &text.0, text.1);
    }
}

/// The message with its fields, and the job.
#[derive(Default)]
struct Text(String, Option<u64>);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let separator = if self.0.is_empty() { "" } else { ", " };
        let written = match field.name() {
            "message" => write!(self.0, "{separator}{value:?}"),
            name => write!(self.0, "{separator}{name} {value:?}"),
        };
        // writing to a string does not fail
        debug_assert!(written.is_ok());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "job" {
            self.1 = Some(value);
        } else {
            self.record_debug(field, &value);
        }
    }
}
