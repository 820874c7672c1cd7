//! Reads weights into the system's page cache before they are needed.
//!
//! Weights that are read in place are pages of their files, and a first pass would wait for each of them in the order of
//! the computation. Here a thread reads the files in order while the stage before computes. The pages stay the system's: it
//! drops them if the memory is needed.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};

use crate::core::Bytes;
use crate::onnx::FileRange;

/// Bytes that are read at once; a prefetch that is stopped ends after them.
const CHUNK: u64 = 16 << 20;
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
    /// All of `first`, which is needed at once, and then what is planned for later.
    pub(super) fn one_after_the_other(first: Vec<FileRange>, then: Option<Self>) -> Option<Self> {
        let needed = size(&first);
        let Self { ranges, limit } = then.unwrap_or(Self { ranges: Vec::new(), limit: Bytes(0) });
        let limit = Bytes(limit.0.saturating_add(needed.0));
        let ranges: Vec<_> = first.into_iter().chain(ranges).collect();
        (!ranges.is_empty()).then_some(Self { ranges, limit })
    }

    /// Starts to read; none if that is not worth it.
    pub(in crate::pipeline) fn start(self) -> Option<Prefetch> {
        let Self { ranges, limit } = self;
        if size(&ranges).min(limit) < WORTHWHILE {
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

/// Bytes of all ranges.
fn size(ranges: &[FileRange]) -> Bytes {
    Bytes(ranges.iter().map(|range| range.bytes.end - range.bytes.start).sum())
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
    let mut done = 0;
    let mut buffer = Vec::new();
    for FileRange { path, bytes } in ranges {
        let Ok(mut file) = File::open(path) else { continue };
        let mut next = chunk_at(bytes.start, bytes);
        ask_for(&file, &next);
        while !next.is_empty() {
            if stop.load(Ordering::Relaxed) || done >= limit.0 {
                return done;
            }
            let current = next;
            next = chunk_at(current.end, bytes);
            // the device works on the next chunk while this one is waited for
            if done + (current.end - current.start) < limit.0 {
                ask_for(&file, &next);
            }
            if wait_for(&mut file, &current, &mut buffer).is_err() {
                break;
            }
            done += current.end - current.start;
        }
    }
    done
}

/// The chunk of `bytes` that begins at `start`; empty at its end.
fn chunk_at(start: u64, bytes: &Range<u64>) -> Range<u64> {
    start..bytes.end.min(start + CHUNK)
}

/// Asks the system to read a chunk of a file, without waiting for it.
#[cfg(target_os = "linux")]
fn ask_for(file: &File, chunk: &Range<u64>) {
    let length = std::num::NonZeroU64::new(chunk.end - chunk.start);
    // a file system without it reads when the chunk is waited for
    let asked = length
        .map(|length| rustix::fs::fadvise(file, chunk.start, Some(length), rustix::fs::Advice::WillNeed));
    if let Some(Err(error)) = asked {
        tracing::debug!("cannot ask for weights in advance: {error}");
    }
}

/// Only Linux can be asked to read a file.
#[cfg(not(target_os = "linux"))]
fn ask_for(_file: &File, _chunk: &Range<u64>) {}

/// Waits until a chunk of a file is read: on Linux, which was asked for all of it, until its last byte is.
fn wait_for(file: &mut File, chunk: &Range<u64>, buffer: &mut Vec<u8>) -> io::Result<()> {
    let start = if cfg!(target_os = "linux") { chunk.end - 1 } else { chunk.start };
    buffer.resize((chunk.end - start) as usize, 0);
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_the_ranges_are_read_up_to_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weights");
        std::fs::write(&path, vec![1; 40 << 20]).unwrap();
        let range = |bytes| FileRange { path: path.clone(), bytes };
        let ranges = [range(0..24 << 20), range(28 << 20..36 << 20)];
        let go_on = AtomicBool::new(false);
        assert_eq!(read(&ranges, Bytes(u64::MAX), &go_on), 32 << 20);
        // in whole chunks
        assert_eq!(read(&ranges, Bytes(17 << 20), &go_on), 24 << 20);
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

    #[test]
    fn what_is_needed_first_is_read_first_and_does_not_count_for_the_limit_of_the_rest() {
        let range = |start: u64| FileRange { path: "weights".into(), bytes: start..start + 10 };
        let later = || Some(PrefetchPlan { ranges: vec![range(0)], limit: Bytes(5) });
        let plan = PrefetchPlan::one_after_the_other(vec![range(50)], later()).unwrap();
        let starts: Vec<_> = plan.ranges.iter().map(|range| range.bytes.start).collect();
        assert_eq!((starts, plan.limit), (vec![50, 0], Bytes(15)));
        assert_eq!(PrefetchPlan::one_after_the_other(Vec::new(), later()).unwrap().limit, Bytes(5));
        assert_eq!(PrefetchPlan::one_after_the_other(vec![range(50)], None).unwrap().limit, Bytes(10));
        assert!(PrefetchPlan::one_after_the_other(Vec::new(), None).is_none());
    }
}
