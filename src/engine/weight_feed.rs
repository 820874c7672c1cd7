//! The thread that reads weights from their files into memory where a session computes.
#![expect(unsafe_code, reason = "memory of tensors is written by address")]

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::slice;
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};
use ort::value::DynTensor;

use super::provider::Upload;
use crate::core::{Error, Kind, Result};
use crate::onnx::FileRange;

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
        let read = read_to_device(&mut self.files, ranges, slot, (upload, buffers));
        let copied = upload.wait();
        read.and(copied)
    }
}

fn read_to_host(files: &mut HashMap<PathBuf, File>, ranges: &[FileRange], slot: &mut Slot) -> Result<()> {
    for (range, tensor) in ranges.iter().zip(slot) {
        let file = at_start(files, range)?;
        let address = tensor.data_ptr_mut().cast::<u8>();
        // SAFETY: the tensor is in memory of the host and as large as its part of the file, and nothing else uses it.
        let bytes = unsafe { slice::from_raw_parts_mut(address, length(range)) };
        file.read_exact(bytes).map_err(|error| unreadable(&range.path, error))?;
    }
    Ok(())
}

/// Fills one buffer from the file while the other is copied.
fn read_to_device(
    files: &mut HashMap<PathBuf, File>,
    ranges: &[FileRange],
    slot: &mut Slot,
    (upload, buffers): (&Upload, &mut [DynTensor; 2]),
) -> Result<()> {
    let mut turn = 0;
    for (range, tensor) in ranges.iter().zip(slot) {
        let file = at_start(files, range)?;
        let address = tensor.data_ptr_mut() as u64;
        let mut done = 0;
        while done < length(range) {
            let buffer = &mut buffers[turn % 2];
            turn += 1;
            let size = (length(range) - done).min(buffer.size().unwrap_or_default());
            // SAFETY: the buffer is in page-locked memory of the host, and the copy that last read it was waited for.
            let bytes = unsafe { slice::from_raw_parts_mut(buffer.data_ptr_mut().cast::<u8>(), size) };
            file.read_exact(bytes).map_err(|error| unreadable(&range.path, error))?;
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

/// The file of `range`, at its first byte.
fn at_start<'f>(files: &'f mut HashMap<PathBuf, File>, range: &FileRange) -> Result<&'f mut File> {
    let path = &range.path;
    let file = match files.entry(path.clone()) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(new) => new.insert(File::open(path).map_err(|error| unreadable(path, error))?),
    };
    file.seek(SeekFrom::Start(range.bytes.start)).map_err(|error| unreadable(path, error))?;
    Ok(file)
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::new(Kind::Io, format!("Cannot read the weights in {}", path.display()))
        .because(error)
        .remedy("Check the disk, and verify the model's files")
}
