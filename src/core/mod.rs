//! Types that every layer uses: units, requests, errors, events, cancellation.
//!
//! Plain data on top of `std`, `serde` (with JSON) and `thiserror`. It must not know ONNX, Wan, threads or screens.

mod cancel;
mod choice;
mod component_files;
mod counted;
mod device;
mod device_choice;
mod document;
mod error;
mod event;
mod expert;
mod faults;
mod finding;
mod fix;
mod frame;
mod geometry;
mod hash;
mod lora;
mod mode;
mod open_file;
mod outcome;
mod percent;
mod plain_path;
mod processor;
mod progress;
mod quantisation;
mod regular_file;
mod request;
mod shortened;
mod stage_progress;
mod step_list;
#[cfg(test)]
pub(crate) mod testing;
mod units;
mod utc;
mod waker;

pub use cancel::{CancelToken, OnCancel};
pub use choice::{PrecisionChoice, ProviderChoice, Sampler, WeightsChoice};
pub use component_files::ComponentFiles;
pub use counted::counted;
pub use device::{DeviceId, FIRST_DEVICE, Provider};
pub use device_choice::{DeviceChoice, DeviceChoices};
pub use document::{DOCUMENT_VERSION, Document};
pub use error::{Category, Error, Kind, Recovery, Result};
pub use event::{Event, Stage, StageForecast};
pub use expert::Expert;
pub use faults::{FAULTS_VARIABLE, FaultPoint, Faults, Injected};
pub use finding::{Finding, Severity, Subject};
pub use fix::Fix;
pub use frame::Frame;
pub use geometry::{LatentShape, Strides};
pub use hash::{hex, sha256_hex, sha256_hex_of_reader};
pub use lora::{LoraChoice, LoraRecord};
pub use mode::Mode;
pub use open_file::is_at;
pub use outcome::{Check, Outcome, StageTime, StepCacheRecord};
pub use percent::percent_encoded;
pub use plain_path::is_plain_path;
pub use processor::{clips_signed_int8, has_fast_int8};
pub use progress::{Progress, StageEstimate};
pub use quantisation::Quantisation;
pub use regular_file::{
    open_regular, read_bounded, read_edited_text, read_text_bounded, without_byte_order_mark,
};
pub use request::{Draft, GenRequest, Limits};
pub use shortened::shortened;
pub use step_list::StepList;
pub use units::{Bytes, FlowShift, Fps, FrameCount, Guidance, Resolution, Secs, Seed, StepCount};
pub use utc::Utc;
pub use waker::Waker;
