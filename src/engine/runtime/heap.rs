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

/// `M_TRIM_THRESHOLD` of `malloc.h`.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const TRIM_THRESHOLD: i32 = -1;
/// `M_MMAP_THRESHOLD` of `malloc.h`.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MMAP_THRESHOLD: i32 = -3;
/// `M_ARENA_MAX` of `malloc.h`.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const ARENA_MAX: i32 = -8;

/// Lets all threads share one heap; does nothing with C libraries that have one anyway.
///
/// glibc gives each thread a heap of its own while others are busy. What lies between blocks that are still used is not
/// returned, so that what a job kept depended on the load of the machine: after a large job the loaded sessions of the toy
/// took between 152 and 201 MB with ten busy programs beside it, and 146 MB in each of six runs with one heap. Jobs take
/// the same time on the processor. It counts only before the first thread is started.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn share_one_heap() {
    set(ARENA_MAX, 1);
}

/// Does nothing: other allocators are left alone.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn share_one_heap() {}

/// Makes the heap return large blocks to the system; does nothing with C libraries that have no such setting.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) fn return_large_blocks() {
    set(TRIM_THRESHOLD, KEPT);
    set(MMAP_THRESHOLD, LARGE_BLOCK);
}

/// Sets a parameter of glibc's heap.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "a function of the C library")]
fn set(parameter: i32, value: i32) {
    unsafe extern "C" {
        fn mallopt(parameter: i32, value: i32) -> i32;
    }
    // SAFETY: glibc's own declaration; it may be called at any time, from any thread.
    if unsafe { mallopt(parameter, value) } == 0 {
        tracing::warn!("A setting of the heap was refused");
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
