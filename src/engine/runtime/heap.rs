//! Settings of the C library's heap.

/// Blocks of this size and larger go back to the system when they are freed.
///
/// glibc raises its own threshold up to 32 MiB with the sizes that are freed, and keeps what lies between blocks that are
/// still used. Weights that are converted while a session is made, and values of the VAE, are just below: a decode of the
/// 5B model at 416x256 kept 3.8 GiB after its session was dropped and peaked at 7.0 GiB; with 8 MiB it keeps 0.6 and peaks
/// at 5.8, as fast.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE_BLOCK: i32 = 8 << 20;
/// Free memory at the end of the heap that is kept. A fixed [`LARGE_BLOCK`] would leave it at 128 KiB, and the heap would
/// be given back and taken again while a session is made.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT: i32 = 64 << 20;

/// Makes the heap return large blocks to the system; does nothing with C libraries that have no such setting.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "a function of the C library")]
pub(super) fn return_large_blocks() {
    /// `M_TRIM_THRESHOLD` and `M_MMAP_THRESHOLD` of `malloc.h`.
    const SETTINGS: [(i32, i32); 2] = [(-1, KEPT), (-3, LARGE_BLOCK)];
    unsafe extern "C" {
        fn mallopt(parameter: i32, value: i32) -> i32;
    }
    for (parameter, value) in SETTINGS {
        // SAFETY: glibc's own declaration; it may be called at any time, from any thread.
        if unsafe { mallopt(parameter, value) } == 0 {
            tracing::warn!("A threshold of the heap could not be set");
        }
    }
}

/// Makes the heap return large blocks to the system; does nothing with C libraries that have no such setting.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn return_large_blocks() {}

/// Returns freed memory that the allocator kept to the system.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "a function of the C library")]
pub fn release_free_heap() {
    unsafe extern "C" {
        fn malloc_trim(pad: usize) -> std::ffi::c_int;
    }
    // SAFETY: glibc's function takes no pointer, may be called by any thread and only unmaps free pages
    let released = unsafe { malloc_trim(0) };
    tracing::trace!("memory went back to the system: {}", released == 1);
}

/// Does nothing: other allocators are left alone.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn release_free_heap() {}
