//! Writes a planned file on all cores.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tempfile::NamedTempFile;

use super::super::encode::push_float;
use super::super::quantised::{int8_row, scale_of};
use super::super::row_reader::{RowReader, matrix_shape};
use super::super::weights::{TensorInfo, Weights};
use super::plan::{Action, Repack, RepackedTensor};
use crate::core::{Bytes, CancelToken, Error, Kind, Result};

/// Rows that are read at once: 64 outputs are one cache line of the transposed matrix.
const ROWS: usize = 64;
/// Values that are read at once where rows do not matter; a multiple of every block.
const CHUNK: usize = 1 << 18;
/// Values of a work item where rows do not matter.
const ITEM: usize = 1 << 24;
/// Most threads: each holds one matrix in int8, up to about 100 MB.
const MAX_THREADS: usize = 8;
/// Time between two moments at which what was written goes to the disk.
const FLUSH: Duration = Duration::from_millis(500);

/// A piece of work: values of one tensor, all of them if it becomes int8.
struct Item<'a> {
    tensor: &'a RepackedTensor,
    values: Range<usize>,
}

/// What the threads share.
struct Work<'a> {
    repack: &'a Repack,
    /// The file, and its temporary name. All threads write through this handle, because it holds the lock.
    file: Mutex<&'a File>,
    part: &'a Path,
    /// Pieces of tensors that one thread does at a time.
    items: Vec<Item<'a>>,
    /// Next entry of `items`.
    next: AtomicUsize,
    /// Set after the first error.
    stopped: AtomicBool,
    cancel: &'a CancelToken,
}

/// Creates the temporary file that becomes a repacked file, in the same folder.
pub type StageFile<'a> = dyn Fn() -> io::Result<NamedTempFile> + 'a;

impl Repack {
    /// Writes the file, unless it was written before, and returns its weights. It is written under the name that `stage`
    /// gives it; `done` is called with the size of each piece of the source.
    ///
    /// # Errors
    ///
    /// [`Kind::Io`] if the file cannot be written, [`Kind::CorruptModel`] if a value is not finite,
    /// [`Kind::Cancelled`] after a cancel. No incomplete file is left.
    pub fn write(
        &self,
        stage: &StageFile<'_>,
        cancel: &CancelToken,
        done: &mut dyn FnMut(Bytes),
    ) -> Result<Weights> {
        if !self.is_written() {
            // removed when dropped; several runners may repack the same weights
            let staged = stage().map_err(|error| failed(self.path(), error))?;
            self.fill(staged.path(), staged.as_file(), cancel, done)?;
            staged.persist(self.path()).map_err(|error| failed(self.path(), error.error))?;
        }
        // a result of a plan that was made before the file existed does not know it yet
        Ok(self.weights().clone().with_identity_now())
    }

    fn fill(
        &self,
        part: &Path,
        mut file: &File,
        cancel: &CancelToken,
        done: &mut dyn FnMut(Bytes),
    ) -> Result<()> {
        file.write_all(&self.header)
            .and_then(|()| file.set_len(self.size().0))
            .map_err(|error| failed(part, error))?;
        let items = self.items();
        let (next, stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
        let work = Work { repack: self, file: Mutex::new(file), part, items, next, stopped, cancel };
        let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get).min(MAX_THREADS);
        let (sender, pieces) = sync_channel(threads * 4);
        let results = thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|_| (sender.clone(), &work))
                .map(|(sender, work)| scope.spawn(move || work.run(&sender)))
                .collect();
            drop(sender);
            let flushed = report(&pieces, file, done);
            let results: Vec<_> = workers.into_iter().map(thread::ScopedJoinHandle::join).collect();
            (results, flushed)
        });
        let (results, flushed) = results;
        let panicked = || Error::new(Kind::Bug, "A thread that repacked weights panicked");
        let errors =
            results.into_iter().filter_map(|joined| joined.unwrap_or_else(|_| Err(panicked())).err());
        // where one thread failed, the others were stopped
        if let Some(error) = errors.min_by_key(|error| error.kind == Kind::Cancelled) {
            return Err(error);
        }
        flushed.and_then(|()| file.sync_all()).map_err(|error| failed(part, error))
    }
}

impl Repack {
    /// The pieces of work, the largest first, so that all threads end at about the same time.
    fn items(&self) -> Vec<Item<'_>> {
        let mut items = Vec::new();
        for tensor in &self.tensors {
            let count = tensor.shape.iter().product::<usize>();
            let size = if tensor.action == Action::Int8Rows { count.max(1) } else { ITEM };
            let pieces = (0..count).step_by(size);
            items.extend(pieces.map(|first| Item { tensor, values: first..count.min(first + size) }));
        }
        items.sort_by_key(|item| std::cmp::Reverse(item.values.len()));
        items
    }
}

/// Passes the sizes of finished pieces to `done` until all threads are gone, and meanwhile brings what was written to the
/// disk, so that the last flush is short.
fn report(pieces: &Receiver<Bytes>, file: &File, done: &mut dyn FnMut(Bytes)) -> io::Result<()> {
    let mut since = std::time::Instant::now();
    while let Ok(piece) = pieces.recv() {
        done(piece);
        if since.elapsed() > FLUSH {
            file.sync_data()?;
            since = std::time::Instant::now();
        }
    }
    Ok(())
}

impl Work<'_> {
    fn run(&self, done: &SyncSender<Bytes>) -> Result<()> {
        while let Some(item) = self.items.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            let written = match item.tensor.action {
                Action::Scales => Ok(()),
                Action::Copy => self.copy(item, done),
                Action::Convert => self.convert(item, done),
                Action::Int8Rows => self.int8_rows(item.tensor, done),
            };
            if written.is_err() {
                self.stopped.store(true, Ordering::Relaxed);
            }
            written?;
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        self.cancel.check()?;
        if self.stopped.load(Ordering::Relaxed) {
            // the error of another thread is the one that counts
            return Err(Error::cancelled());
        }
        Ok(())
    }

    fn put(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        // the system writes to one file from one thread at a time anyway
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| file.write_all(bytes))
            .map_err(|error| failed(self.part, error))
    }

    fn copy(&self, item: &Item<'_>, done: &SyncSender<Bytes>) -> Result<()> {
        let Item { tensor, values } = item;
        let (info, size) = (self.repack.source().get(&tensor.name)?, tensor.dtype.size());
        for first in values.clone().step_by(CHUNK) {
            self.check()?;
            let (start, len) = (first * size, CHUNK.min(values.end - first) * size);
            let piece = TensorInfo { offset: info.offset + start as u64, len: len as u64, ..info.clone() };
            self.put(tensor.offset + start as u64, &self.repack.source().bytes(&piece)?)?;
            report_done(done, len as u64)?;
        }
        Ok(())
    }

    fn convert(&self, item: &Item<'_>, done: &SyncSender<Bytes>) -> Result<()> {
        let Item { tensor, values } = item;
        let (reader, size) = (RowReader::new(self.repack.source(), &tensor.name)?, tensor.dtype.size());
        let mut bytes = Vec::with_capacity(CHUNK * size);
        for first in values.clone().step_by(CHUNK) {
            self.check()?;
            let range = first..values.end.min(first + CHUNK);
            let stored = reader.stored_bytes(range.len());
            bytes.clear();
            for value in reader.values(range)? {
                push_float(&mut bytes, value, tensor.dtype);
            }
            self.put(tensor.offset + (first * size) as u64, &bytes)?;
            report_done(done, stored)?;
        }
        Ok(())
    }

    fn int8_rows(&self, tensor: &RepackedTensor, done: &SyncSender<Bytes>) -> Result<()> {
        let reader = RowReader::new(self.repack.source(), &tensor.name)?;
        let [outputs, inputs] = matrix_shape(self.repack.source(), &tensor.name)?;
        let (mut values, mut scales) = (vec![0; outputs * inputs], Vec::with_capacity(outputs * 4));
        let mut rounded = vec![0; ROWS * inputs];
        for first in (0..outputs).step_by(ROWS) {
            self.check()?;
            let rows = ROWS.min(outputs - first);
            let numbers = reader.values(first * inputs..(first + rows) * inputs)?;
            for (row, rounded) in numbers.chunks_exact(inputs).zip(rounded.chunks_exact_mut(inputs)) {
                scales.extend(int8_row(row, rounded).to_le_bytes());
            }
            for (input, line) in values.chunks_exact_mut(outputs).enumerate() {
                let line = &mut line[first..first + rows];
                for (value, row) in line.iter_mut().zip(rounded.chunks_exact(inputs)) {
                    *value = row[input];
                }
            }
            report_done(done, reader.stored_bytes(rows * inputs))?;
        }
        self.put(tensor.offset, &values)?;
        let name = scale_of(&tensor.name);
        let place = self.repack.tensors.iter().find(|other| other.name == name);
        let place = place.ok_or_else(|| Error::new(Kind::Bug, format!("{name} has no place in the file")))?;
        self.put(place.offset, &scales)
    }
}

/// Reports that `bytes` of the source are done.
fn report_done(done: &SyncSender<Bytes>, bytes: u64) -> Result<()> {
    done.send(Bytes(bytes)).map_err(|error| {
        Error::new(Kind::Bug, "The receiver of the repacking progress is gone").because(error)
    })
}

fn failed(path: &Path, error: io::Error) -> Error {
    Error::new(Kind::Io, format!("Cannot write the repacked weights to {}", path.display()))
        .because(error)
        .remedy("Free disk space, or choose a data folder on another disk with --data-dir")
}
