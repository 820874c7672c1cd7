//! The words everyone uses: units, requests, errors, events, cancel.
//!
//! Pure data over `std`, `serde` (with JSON) and `thiserror`. It must not know ONNX, Wan, threads or screens.

mod cancel;
mod change;
mod choice;
mod error;
mod event;
mod faults;
mod finding;
mod frame;
mod geometry;
mod hash;
mod lora;
mod mode;
mod outcome;
mod precision;
mod progress;
mod request;
mod step_list;
mod task;
#[cfg(test)]
pub(crate) mod testing;
mod units;
mod utc;
mod waker;

pub use cancel::{CancelToken, OnCancel};
pub use change::Change;
pub use choice::{PrecisionChoice, ProviderChoice, Sampler, WeightsChoice};
pub use error::{Category, Error, Kind, Recovery, Result};
pub use event::{Event, Stage};
pub use faults::{FAULTS_VARIABLE, Faults, Point, Struck};
pub use finding::{Finding, Severity, Subject};
pub use frame::Frame;
pub use geometry::{LatentShape, Strides};
pub use hash::{sha256_hex, sha256_hex_of_reader};
pub use lora::{Expert, LoraChoice, LoraRecord};
pub use mode::Mode;
pub use outcome::{Check, Outcome, StageTime};
pub use precision::Integers;
pub use progress::Progress;
pub use request::{Draft, GenRequest, Limits};
pub use step_list::StepList;
pub use task::{Fault, Task, TaskStatus};
pub use units::{Bytes, FlowShift, Fps, FrameCount, Guidance, Resolution, Secs, Seed, StepCount};
pub use utc::Utc;
pub use waker::Waker;
