//! Reads weights into the system's page cache before they are needed.
//!
//! Weights that are read in place are pages of their files, and a first pass would wait for each of them in the order of
//! the computation. Here a thread reads the files in order while the stage before computes. The pages stay the system's: it
//! drops them if the memory is needed.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};

use crate::core::Bytes;
use crate::onnx::FileRange;

/// Bytes that are read at once; a prefetch that is stopped ends after them.
const CHUNK: usize = 4 << 20;
/// Fewer bytes than this are not worth a thread.
const WORTHWHILE: Bytes = Bytes(64 << 20);

/// Weights that are being read in advance, until this is dropped.
pub(in crate::pipeline) struct Prefetch {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Weights that can be read in advance.
pub(in crate::pipeline) struct PrefetchPlan {
    /// Where they are, in order.
    pub(super) ranges: Vec<FileRange>,
    /// Bytes that may be read at most.
    pub(super) limit: Bytes,
}

impl PrefetchPlan {
    /// Starts to read; none if that is not worth it.
    pub(in crate::pipeline) fn start(self) -> Option<Prefetch> {
        let Self { ranges, limit } = self;
        let total = ranges.iter().map(|range| range.bytes.end - range.bytes.start).sum();
        if Bytes(total).min(limit) < WORTHWHILE {
            return None;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let body = move || {
            let done = read(&ranges, limit, &stopped);
            tracing::debug!("read {} of weights in advance", Bytes(done));
        };
        // without the thread the weights are read when they are used
        let thread = Builder::new().name("prefetch".to_owned()).spawn(body).ok()?;
        Some(Prefetch { stop, thread: Some(thread) })
    }
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::warn!("The thread that reads weights in advance panicked");
        }
    }
}

/// Reads until everything is read, the limit is reached, `stop` is set, or a file cannot be read: whoever needs it says so.
/// Returns how many bytes were read.
fn read(ranges: &[FileRange], limit: Bytes, stop: &AtomicBool) -> u64 {
    let mut buffer = vec![0; CHUNK];
    let mut done = 0;
    for FileRange { path, bytes } in ranges {
        let Ok(mut file) = File::open(path) else { continue };
        if file.seek(SeekFrom::Start(bytes.start)).is_err() {
            continue;
        }
        let mut left = bytes.end - bytes.start;
        while left > 0 {
            if stop.load(Ordering::Relaxed) || done >= limit.0 {
                return done;
            }
            let size = left.min(CHUNK as u64) as usize;
            match file.read(&mut buffer[..size]) {
                Ok(0) | Err(_) => break,
                Ok(count) => {
                    left = left.saturating_sub(count as u64);
                    done += count as u64;
                }
            }
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_the_ranges_are_read_up_to_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weights");
        std::fs::write(&path, vec![1; 10 << 20]).unwrap();
        let range = |bytes| FileRange { path: path.clone(), bytes };
        let ranges = [range(0..6 << 20), range(7 << 20..9 << 20)];
        let go_on = AtomicBool::new(false);
        assert_eq!(read(&ranges, Bytes(u64::MAX), &go_on), 8 << 20);
        // in whole chunks
        assert_eq!(read(&ranges, Bytes(5 << 20), &go_on), 6 << 20);
        assert_eq!(read(&ranges, Bytes(u64::MAX), &AtomicBool::new(true)), 0);
        let gone = FileRange { path: dir.path().join("gone"), bytes: 0..100 };
        assert_eq!(read(&[gone, range(0..1 << 20)], Bytes(u64::MAX), &go_on), 1 << 20);
    }

    #[test]
    fn small_weights_are_not_worth_a_thread_and_large_ones_stop_when_dropped() {
        let range = |length| FileRange { path: "gone".into(), bytes: 0..length };
        let start = |length, limit| PrefetchPlan { ranges: vec![range(length)], limit: Bytes(limit) }.start();
        assert!(start(1 << 20, u64::MAX).is_none());
        assert!(start(1 << 30, 1 << 20).is_none());
        drop(start(1 << 30, u64::MAX).unwrap());
    }
}
