//! Conversion of ONNX Runtime's errors to the program's.

use ort::ErrorCode;

use crate::core::{Error, Kind};

/// Texts of failed allocations, in lower case: they come with every error code. Those of the CPU were provoked with
/// `ulimit -v`; those of a card are in the libraries of ONNX Runtime 1.31.1 with CUDA and `TensorRT`, and are the names
/// that CUDA, cuBLAS and cuDNN give to their errors.
const OUT_OF_MEMORY: [&str; 19] = [
    // libstdc++ and MSVC, thrown by a kernel or while a session is made
    "std::bad_alloc",
    "bad allocation",
    // the arenas and allocators of ONNX Runtime
    "failed to allocate memory",
    "is smaller than requested bytes",
    "memory allocation failed",
    // where ONNX Runtime checks by itself
    "failed to allocate output",
    "failed to allocate external initializer buffer",
    "failed to allocate workspace",
    "failed to allocate pinned host memory",
    "output buffer allocation failed",
    "insufficient memory",
    // the kernel's ENOMEM, of a mapping or a read
    "cannot allocate memory",
    // cudaGetErrorString(cudaErrorMemoryAllocation), and the error of TensorRT
    "out of memory",
    "outofmemory",
    "memoryallocation",
    // cuBLAS, cuFFT and cuDNN up to 8, and those of the host and the device in cuDNN 9
    "alloc_failed",
    "allocation_failed",
    // Thrust's buffer and the pool of cudaMallocFromPoolAsync
    "get_temporary_buffer failed",
    "cudamallocfrompoolasync failed",
];
/// Texts of failures of the device or its libraries, which occur with various error codes.
const DEVICE: [&str; 4] = ["CUDA failure", "CUDNN failure", "CUBLAS failure", "cuDNN is unavailable"];
/// CUDA's errors after which its context cannot be used any more ("the process must be terminated and relaunched" in the
/// documentation of `cudaError_t`), with their names.
const LOST: [(u32, &str); 11] = [
    (700, "cudaErrorIllegalAddress"),
    (702, "cudaErrorLaunchTimeout"),
    (710, "cudaErrorAssert"),
    (714, "cudaErrorHardwareStackError"),
    (715, "cudaErrorIllegalInstruction"),
    (716, "cudaErrorMisalignedAddress"),
    (717, "cudaErrorInvalidAddressSpace"),
    (718, "cudaErrorInvalidPc"),
    (719, "cudaErrorLaunchFailure"),
    (726, "cudaErrorTensorMemoryLeak"),
    (999, "cudaErrorUnknown"),
];
/// Text of the error of a terminated run.
const TERMINATED: &str = "terminate flag";

/// The error of a session of the component `name` that could not be made.
pub(super) fn load_error<R>(name: &str, error: &ort::Error<R>) -> Error {
    let text = error.to_string();
    if let Some(lost) = lost(&text) {
        return lost;
    }
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
    if let Some(lost) = lost(&text) {
        return lost;
    }
    let kind = match error.code() {
        ErrorCode::DeviceReset | ErrorCode::ExecutionProviderFailure => Kind::Device,
        _ if is_of_device(&text) => Kind::Device,
        _ => Kind::Generation,
    };
    Error::new(kind, "ONNX Runtime failed during the run").because(plain(text))
}

fn is_out_of_memory(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    OUT_OF_MEMORY.iter().any(|words| text.contains(words))
}

/// The error of a device that this process has lost. ONNX Runtime writes "CUDA failure 719: words ; GPU=0" where it calls
/// CUDA and "CUDA error cudaErrorLaunchFailure:words" where it looks for the failure of a kernel.
fn lost(text: &str) -> Option<Error> {
    let &(code, name) = LOST.iter().find(|(code, name)| {
        text.contains(&format!("CUDA failure {code}:")) || text.contains(&format!("CUDA error {name}:"))
    })?;
    let message = format!("This program lost the CUDA device ({name}, CUDA error {code})");
    Some(Error::new(Kind::DeviceLost, message).remedy(
        "Restart Wandeck: a queued job resumes after its last saved step; retry a failed one with \"wandeck queue retry \
         JOB\". If it happens again, look for \"Xid\" in the kernel's log (dmesg), and check the card's cooling, power \
         and driver",
    ))
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
            // provoked with ulimit -v
            (
                "Non-zero status code returned while running Concat node. Name:'Concat_279' Status Message: std::bad_alloc",
                Kind::OutOfMemory,
            ),
            ("Exception during initialization: std::bad_alloc", Kind::OutOfMemory),
            ("mmap of file failed, errno: 12, Cannot allocate memory", Kind::OutOfMemory),
            (
                "/onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:376 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool) Failed to allocate memory for requested buffer of size 8388608000",
                Kind::OutOfMemory,
            ),
            (
                "CUDA failure 2: out of memory ; GPU=0 ; hostname=a ; expr=cudaMalloc((void**)&p, size);",
                Kind::OutOfMemory,
            ),
            (
                "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0 ; expr=cublasCreate(&cublas_handle_);",
                Kind::OutOfMemory,
            ),
            ("CUDNN failure 2: CUDNN_STATUS_ALLOC_FAILED ; GPU=0", Kind::OutOfMemory),
            (
                "CUDNN failure 4004: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED ; GPU=0",
                Kind::OutOfMemory,
            ),
            ("CUFFT failure 2: CUFFT_ALLOC_FAILED ; GPU=0", Kind::OutOfMemory),
            ("CudaMempoolArena::Alloc: cudaMallocFromPoolAsync failed: out of memory", Kind::OutOfMemory),
            ("temporary_buffer::allocate: get_temporary_buffer failed", Kind::OutOfMemory),
            ("Memcpy: Failed to allocate output tensor sequence.", Kind::OutOfMemory),
            ("Memory allocation failed. Size=4294967296", Kind::OutOfMemory),
            ("Failed to allocate workspace for MoE GEMM profiling", Kind::OutOfMemory),
            ("CUDNN failure 5000: CUDNN_STATUS_EXECUTION_FAILED ; GPU=0", Kind::Device),
            ("CUBLAS failure 1: CUBLAS_STATUS_NOT_INITIALIZED ; GPU=0", Kind::Device),
            ("Available memory of 5 is smaller than requested bytes of 7", Kind::OutOfMemory),
            ("The shape of slope can be smaller than first input X", Kind::Generation),
            ("CUDA failure 719: unspecified launch failure ; GPU=0 ; hostname=x", Kind::DeviceLost),
            (
                "Status Message: CUDA error cudaErrorLaunchFailure:unspecified launch failure",
                Kind::DeviceLost,
            ),
            ("CUDA failure 100: no CUDA-capable device is detected ; GPU=0", Kind::Device),
            ("Non-zero status code returned while running Add node", Kind::Generation),
        ] {
            assert_eq!(run_error(&ort::Error::<()>::new(text)).kind, kind, "{text}");
        }
    }
}
