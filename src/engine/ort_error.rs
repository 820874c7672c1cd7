//! Conversion of ONNX Runtime's errors to the program's.

use ort::ErrorCode;

use crate::core::{Error, Kind};

/// Texts of allocation failures, which have no error code of their own.
const OUT_OF_MEMORY: [&str; 4] =
    ["Failed to allocate memory", "out of memory", "smaller than requested", "bad allocation"];
/// Texts of failures of the device or its libraries, which occur with various error codes.
const DEVICE: [&str; 4] = ["CUDA failure", "CUDNN failure", "CUBLAS failure", "cuDNN is unavailable"];
/// Text of the error of a terminated run.
const TERMINATED: &str = "terminate flag";

/// The error of a session of the component `name` that could not be made.
pub(super) fn load_error<R>(name: &str, error: &ort::Error<R>) -> Error {
    let text = error.to_string();
    let kind = match error.code() {
        _ if is_out_of_memory(&text) => Kind::OutOfMemory,
        ErrorCode::NoSuchFile | ErrorCode::InvalidProtobuf => Kind::CorruptModel,
        ErrorCode::NotImplemented => Kind::Unsupported,
        ErrorCode::DeviceReset | ErrorCode::ExecutionProviderFailure => Kind::Device,
        _ if is_of_device(&text) => Kind::Device,
        _ => Kind::Bug,
    };
    let remedy = match kind {
        Kind::OutOfMemory => "Close other programs or use a smaller model",
        Kind::CorruptModel => "Verify the model's files",
        Kind::Unsupported => "Choose another provider or precision",
        Kind::Device => "Check the driver, or run on the CPU",
        _ => "This is an internal error; please report it with the text above",
    };
    Error::new(kind, format!("ONNX Runtime could not load the {name}")).because(plain(text)).remedy(remedy)
}

/// The error of a failed or terminated run.
pub(super) fn run_error<R>(error: &ort::Error<R>) -> Error {
    let text = error.to_string();
    if text.contains(TERMINATED) {
        return Error::cancelled();
    }
    if is_out_of_memory(&text) {
        return Error::new(Kind::OutOfMemory, "Out of memory during the run")
            .because(plain(text))
            .remedy("Use a smaller size or fewer frames");
    }
    let kind = match error.code() {
        ErrorCode::DeviceReset | ErrorCode::ExecutionProviderFailure => Kind::Device,
        _ if is_of_device(&text) => Kind::Device,
        _ => Kind::Generation,
    };
    Error::new(kind, "ONNX Runtime failed during the run").because(plain(text))
}

fn is_out_of_memory(text: &str) -> bool {
    OUT_OF_MEMORY.iter().any(|words| text.contains(words))
}

fn is_of_device(text: &str) -> bool {
    DEVICE.iter().any(|words| text.contains(words))
}

/// An error with only the text: `ort`'s errors are not `Send` with every payload.
fn plain(text: String) -> impl std::error::Error + Send + Sync + 'static {
    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct OrtText(String);
    OrtText(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_get_their_kind() {
        // even making an error calls the library
        let _runtime = crate::engine::runtime::testing::for_tests();
        for (text, kind) in [
            ("Exiting due to terminate flag being set to true.", Kind::Cancelled),
            ("bfc_arena.cc: Failed to allocate memory for requested buffer of size 5", Kind::OutOfMemory),
            ("CUDA failure 2: out of memory", Kind::OutOfMemory),
            ("CUDA failure 719: unspecified launch failure ; GPU=0", Kind::Device),
            ("Non-zero status code returned while running Add node", Kind::Generation),
        ] {
            assert_eq!(run_error(&ort::Error::<()>::new(text)).kind, kind, "{text}");
        }
    }
}
