//! ONNX Runtime's failures in the program's words.

use ort::ErrorCode;

use crate::core::{Error, Kind};

/// The texts by which an allocation failure is known; there is no code of its own for it.
const OUT_OF_MEMORY: [&str; 4] =
    ["Failed to allocate memory", "out of memory", "smaller than requested", "bad allocation"];
/// The texts by which a failure of the device or its libraries is known, whatever its code.
const DEVICE: [&str; 4] = ["CUDA failure", "CUDNN failure", "CUBLAS failure", "cuDNN is unavailable"];
/// The text by which a run that was asked to stop ends.
const TERMINATED: &str = "terminate flag";

/// A session could not be made.
pub(super) fn in_load<R>(name: &str, error: &ort::Error<R>) -> Error {
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
        Kind::OutOfMemory => "Close other programs or take a smaller model",
        Kind::CorruptModel => "Verify the model's files",
        Kind::Unsupported => "Choose another provider or precision",
        Kind::Device => "Check the driver, or run on the CPU",
        _ => "This should not happen; please report it with the text above",
    };
    Error::new(kind, format!("ONNX Runtime refuses the {name}")).because(plain(text)).remedy(remedy)
}

/// A run failed.
pub(super) fn in_run<R>(error: &ort::Error<R>) -> Error {
    let text = error.to_string();
    if text.contains(TERMINATED) {
        return Error::cancelled();
    }
    if is_out_of_memory(&text) {
        return Error::new(Kind::OutOfMemory, "Memory ran out during the run")
            .because(plain(text))
            .remedy("Take a smaller size or fewer frames");
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

/// The text alone: `ort`'s errors are not `Send` with every payload.
fn plain(text: String) -> impl std::error::Error + Send + Sync + 'static {
    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Said(String);
    Said(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_find_their_kind() {
        // Even making an error asks the library.
        let _runtime = crate::engine::runtime::testing::for_tests();
        for (text, kind) in [
            ("Exiting due to terminate flag being set to true.", Kind::Cancelled),
            ("bfc_arena.cc: Failed to allocate memory for requested buffer of size 5", Kind::OutOfMemory),
            ("CUDA failure 2: out of memory", Kind::OutOfMemory),
            ("CUDA failure 719: unspecified launch failure ; GPU=0", Kind::Device),
            ("Non-zero status code returned while running Add node", Kind::Generation),
        ] {
            assert_eq!(in_run(&ort::Error::<()>::new(text)).kind, kind, "{text}");
        }
    }
}
