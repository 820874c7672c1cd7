//! Setting of the C library's heap for large blocks.

/// Blocks of this size and larger go back to the system when they are freed.
///
/// glibc raises its own threshold up to 32 MiB with the sizes that are freed, and keeps what lies between blocks that are
/// still used. Weights that are converted while a session is made, and values of the VAE, are just below: a decode of the
/// 5B model at 416x256 kept 3.8 GiB after its session was dropped and peaked at 7.0 GiB; with 8 MiB it keeps 0.6 and peaks
/// at 5.8, as fast.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const THRESHOLD: i32 = 8 << 20;

/// Makes the heap return large blocks to the system; does nothing with C libraries that have no such setting.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "a function of the C library")]
pub(super) fn return_large_blocks() {
    /// `M_MMAP_THRESHOLD` of `malloc.h`.
    const MMAP_THRESHOLD: i32 = -3;
    unsafe extern "C" {
        fn mallopt(parameter: i32, value: i32) -> i32;
    }
    // SAFETY: glibc's own declaration; it may be called at any time, from any thread.
    if unsafe { mallopt(MMAP_THRESHOLD, THRESHOLD) } == 0 {
        tracing::warn!("The heap's threshold for large blocks could not be set");
    }
}

/// Makes the heap return large blocks to the system; does nothing with C libraries that have no such setting.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn return_large_blocks() {}
