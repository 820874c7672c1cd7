//! The thread that reads weights from their files into memory where a session computes.
#![expect(unsafe_code, reason = "memory of tensors is written by address")]

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::slice;
use std::thread::{self, Builder, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};
use ort::value::DynTensor;

use super::provider::Upload;
use crate::core::{Error, Kind, Result};
use crate::onnx::FileRange;

/// Threads that read a part of a file together, at most, and the least that one of them reads.
const MAX_READERS: usize = 4;
const MIN_PART: usize = 1 << 20;

/// The tensors that the weights of one block are read into.
pub(super) type Slot = Vec<DynTensor>;

/// Where the tensors are.
pub(super) enum Destination {
    /// In memory of the host.
    Host,
    /// In memory of the CUDA device with this ordinal; data travels through these two buffers of page-locked memory.
    Device { ordinal: u32, buffers: [DynTensor; 2] },
}

/// Reads the weights of one block at a time while another one computes.
pub(super) struct WeightFeed {
    /// `None` only while the thread ends.
    requests: Option<Sender<(usize, Slot)>>,
    filled: Receiver<(Slot, Result<()>)>,
    thread: Option<JoinHandle<()>>,
}

impl WeightFeed {
    /// A feed of `blocks`, each a list of what is read into the tensors of its slot.
    pub(super) fn start(blocks: Vec<Vec<FileRange>>, destination: Destination) -> Result<Self> {
        let (requests, requested) = bounded::<(usize, Slot)>(1);
        let (fill, filled) = bounded(1);
        let work = move || {
            let mut reader = Reader { files: HashMap::new(), destination, upload: None };
            for (block, mut slot) in requested {
                let read = reader.fill(&blocks[block], &mut slot);
                if fill.send((slot, read)).is_err() {
                    return;
                }
            }
        };
        let thread = Builder::new().name("weights".into()).spawn(work).map_err(|error| {
            Error::new(Kind::OutOfMemory, "Cannot start the thread that reads weights").because(error)
        })?;
        Ok(Self { requests: Some(requests), filled, thread: Some(thread) })
    }

    /// Begins to read the weights of `block` into `slot`.
    pub(super) fn request(&self, block: usize, slot: Slot) -> Result<()> {
        let requests = self.requests.as_ref().ok_or_else(ended)?;
        requests.send((block, slot)).map_err(|_closed| ended())
    }

    /// The slot of the last request, and whether it could be filled.
    pub(super) fn wait(&self) -> Result<(Slot, Result<()>)> {
        self.filled.recv().map_err(|_closed| ended())
    }
}

impl Drop for WeightFeed {
    fn drop(&mut self) {
        self.requests = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("The thread that reads weights has panicked");
        }
    }
}

fn ended() -> Error {
    Error::new(Kind::Bug, "The thread that reads weights has ended")
}

struct Reader {
    files: HashMap<PathBuf, File>,
    destination: Destination,
    /// Opened with the first block: a stream belongs to its thread.
    upload: Option<Upload>,
}

impl Reader {
    /// Reads each range into its tensor. No copy is under way afterwards, not even after a failure.
    fn fill(&mut self, ranges: &[FileRange], slot: &mut Slot) -> Result<()> {
        let Destination::Device { ordinal, buffers } = &mut self.destination else {
            return read_to_host(&mut self.files, ranges, slot);
        };
        let upload = match &mut self.upload {
            Some(upload) => upload,
            None => self.upload.insert(Upload::open(*ordinal)?),
        };
        let read = read_to_device(&mut self.files, ranges, slot, upload, buffers);
        let copied = upload.wait();
        read.and(copied)
    }
}

fn read_to_host(files: &mut HashMap<PathBuf, File>, ranges: &[FileRange], slot: &mut Slot) -> Result<()> {
    for (range, tensor) in ranges.iter().zip(slot) {
        let file = opened(files, &range.path)?;
        let address = tensor.data_ptr_mut().cast::<u8>();
        // SAFETY: the tensor is in memory of the host and as large as its part of the file, and nothing else uses it.
        let bytes = unsafe { slice::from_raw_parts_mut(address, length(range)) };
        read_at(file, range.bytes.start, bytes).map_err(|error| unreadable(&range.path, error))?;
    }
    Ok(())
}

/// Fills one buffer from the file while the other is copied.
fn read_to_device(
    files: &mut HashMap<PathBuf, File>,
    ranges: &[FileRange],
    slot: &mut Slot,
    upload: &Upload,
    buffers: &mut [DynTensor; 2],
) -> Result<()> {
    let mut turn = 0;
    for (range, tensor) in ranges.iter().zip(slot) {
        let file = opened(files, &range.path)?;
        let address = tensor.data_ptr_mut() as u64;
        let mut done = 0;
        while done < length(range) {
            let buffer = &mut buffers[turn % 2];
            turn += 1;
            let size = (length(range) - done).min(buffer.size().unwrap_or_default());
            // SAFETY: the buffer is in page-locked memory of the host, and the copy that last read it was waited for.
            let bytes = unsafe { slice::from_raw_parts_mut(buffer.data_ptr_mut().cast::<u8>(), size) };
            read_at(file, range.bytes.start + done as u64, bytes)
                .map_err(|error| unreadable(&range.path, error))?;
            upload.wait()?;
            // SAFETY: the tensor is in memory of the device and as large as its part of the file. The run that used it is
            // over, and the next one begins after all copies. The buffer is written to only after the next wait.
            unsafe { upload.begin(address + done as u64, bytes)? };
            done += size;
        }
    }
    Ok(())
}

fn length(range: &FileRange) -> usize {
    (range.bytes.end - range.bytes.start) as usize
}

fn opened<'f>(files: &'f mut HashMap<PathBuf, File>, path: &Path) -> Result<&'f File> {
    Ok(match files.entry(path.to_path_buf()) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(new) => new.insert(File::open(path).map_err(|error| unreadable(path, error))?),
    })
}

/// Fills `bytes` from the place `offset` of the file, with several threads: one copies some 5 GB/s from the system's
/// cache, a fifth of what a card takes.
fn read_at(file: &File, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
    let threads = thread::available_parallelism().map_or(1, |cores| cores.get() / 2).clamp(1, MAX_READERS);
    let part = bytes.len().div_ceil(threads).max(MIN_PART);
    let mut parts = bytes.chunks_mut(part).zip((offset..).step_by(part));
    let own = parts.next();
    thread::scope(|scope| {
        let others: Vec<_> =
            parts.map(|(bytes, offset)| scope.spawn(move || read_exact_at(file, bytes, offset))).collect();
        let own = own.map_or(Ok(()), |(bytes, offset)| read_exact_at(file, bytes, offset));
        let panicked = |_panic| io::Error::other("a thread that reads has panicked");
        others.into_iter().fold(own, |read, other| {
            let other = other.join().map_err(panicked).flatten();
            read.and(other)
        })
    })
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        match std::os::windows::fs::FileExt::seek_read(file, &mut bytes[done..], offset + done as u64)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => done += read,
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::new(Kind::Io, format!("Cannot read the weights in {}", path.display()))
        .because(error)
        .remedy("Check the disk, and verify the model's files")
}
