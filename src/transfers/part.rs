//! A file that is growing: which blocks of it are there, which are on their way, and its journal.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::journal::Journal;
use super::journal_line::{FileIdentity, JournalLine, Replayed, boot_id, replay, whole_lines};
use super::object_id::ObjectId;
use super::range::ByteRange;
use crate::core::{Bytes, CancelToken, Error, Kind, Result};

/// How often a connection that waits looks whether it was cancelled.
const CHECK_CANCEL_EVERY: Duration = Duration::from_millis(50);

/// Extension that is appended to the name of a file that is not whole yet.
pub const PART_EXTENSION: &str = "part";

/// The growing file of `to`.
pub fn part_path(to: &Path) -> PathBuf {
    with_suffix(to, ".part")
}

/// The journal of the growing file of `to`.
pub(super) fn journal_path(to: &Path) -> PathBuf {
    with_suffix(to, ".part.journal")
}

/// Removes what an unfinished download of `to` left; nothing if there is none.
pub fn remove_part(to: &Path) -> Result<()> {
    for path in [part_path(to), journal_path(to)] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(cannot_write(&path, error)),
            _ => {}
        }
    }
    Ok(())
}

/// Bytes of the unfinished download of `to` that the next one goes on from; `None` if there are none of this content.
pub fn received_part(to: &Path, object: Option<&ObjectId>, size: Bytes) -> Option<Bytes> {
    let (lines, _) = whole_lines(&fs::read(journal_path(to)).ok()?);
    let Replayed { file, done, .. } = replay(lines, &boot_id());
    let file = file.filter(|file| file.size == size.0 && file.object.as_ref() == object)?;
    Some(Bytes((done.len() as u64 * file.block).min(size.0)))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

/// The error of a file that cannot be written, or of a full disk.
pub(super) fn cannot_write(path: &Path, error: io::Error) -> Error {
    let (what, remedy) = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ("The disk is full", "Free some space and fetch it again; what was received is kept")
        }
        _ => ("Cannot write", "Choose a folder that can be written to, with --data-dir"),
    };
    Error::new(Kind::Io, format!("{what}: {}", path.display())).because(error).remedy(remedy)
}

/// A growing file and its journal, shared by all connections.
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
    pub(super) identity: FileIdentity,
    /// Bytes that a saved state of the hash covers, and the state.
    pub(super) saved_hash: Option<(u64, String)>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    journal: Journal,
    /// By block: whether it is there.
    done: Vec<bool>,
    /// By block: whether a connection fetches it.
    taken: Vec<bool>,
    /// Lines of blocks in the journal.
    num_lines: u64,
    /// How many of these lines the last sync covers.
    num_synced: u64,
    /// Blocks that are there without a gap from the start.
    frontier: usize,
    /// Bytes from the start that the checksum covers; `None` while nobody computes it.
    hashed: Option<u64>,
    /// Connections that wait for the checksum.
    num_paused: usize,
    /// Whether nothing more comes.
    is_over: bool,
}

/// Says that the checksum is being computed, for as long as it lives.
#[derive(Debug)]
pub(super) struct Hashing<'a>(&'a Part);

impl Drop for Hashing<'_> {
    fn drop(&mut self) {
        self.0.state().hashed = None;
        self.0.changed.notify_all();
    }
}

impl Part {
    /// Continues what the journal says, or starts anew if it is about another content. The `ETag` of an earlier session
    /// counts only where the content has no id: servers give one content different ones.
    pub(super) fn open(to: &Path, mut journal: Journal, identity: FileIdentity) -> Result<Self> {
        let path = part_path(to);
        let boot = boot_id();
        let Replayed { file, done, hashed } = replay(journal.lines()?, &boot);
        let goes_on = file.filter(|file| {
            let whole = fs::metadata(&path).is_ok_and(|data| data.len() == identity.size);
            whole && file.continues(&identity)
        });
        let failed = |error| cannot_write(&path, error);
        // blocks keep their size for as long as their file is fetched
        let (identity, blocks, hashed) = if let Some(file) = goes_on {
            let etag = file.etag.filter(|_| identity.object.is_none());
            (FileIdentity { etag, block: file.block, ..identity }, done, hashed)
        } else {
            journal.clear()?;
            journal.append(&JournalLine::File(identity.clone()))?;
            let file = File::create(&path).map_err(failed)?;
            file.set_len(identity.size).map_err(failed)?;
            (identity, Vec::new(), None)
        };
        journal.append(&JournalLine::Boot(boot))?;
        let num_blocks = identity.size.div_ceil(identity.block) as usize;
        let mut state = State {
            journal,
            num_lines: blocks.len() as u64,
            num_synced: blocks.len() as u64,
            done: vec![false; num_blocks],
            taken: vec![false; num_blocks],
            frontier: 0,
            hashed: None,
            num_paused: 0,
            is_over: false,
        };
        for block in blocks {
            if let Some(done) = state.done.get_mut(block as usize) {
                *done = true;
            }
        }
        state.advance();
        Ok(Self { path, identity, saved_hash: hashed, state: Mutex::new(state), changed: Condvar::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what is there, because the server has another content with this `ETag` now.
    pub(super) fn restart(&mut self, etag: Option<String>) -> Result<()> {
        self.identity.etag = etag;
        self.saved_hash = None;
        let line = JournalLine::File(self.identity.clone());
        let mut state = self.state();
        state.journal.clear()?;
        state.journal.append(&line)?;
        state.journal.append(&JournalLine::Boot(boot_id()))?;
        state.done.fill(false);
        state.taken.fill(false);
        (state.num_lines, state.num_synced, state.frontier) = (0, 0, 0);
        Ok(())
    }

    /// Remembers the `ETag` of the content, by which a change during this session is noticed.
    pub(super) fn set_etag(&mut self, etag: Option<String>) -> Result<()> {
        if self.identity.etag == etag {
            return Ok(());
        }
        if self.received() > Bytes(0) {
            if self.identity.object.is_some() {
                self.identity.etag = etag;
            }
            return Ok(());
        }
        self.restart(etag)
    }

    /// Bytes that are there.
    pub(super) fn received(&self) -> Bytes {
        let state = self.state();
        let sizes = state.done.iter().enumerate().filter(|(_, done)| **done);
        Bytes(sizes.map(|(index, _)| self.block(index).end - self.block(index).start).sum())
    }

    fn block(&self, index: usize) -> ByteRange {
        let start = index as u64 * self.identity.block;
        ByteRange { start, end: (start + self.identity.block).min(self.identity.size) }
    }

    /// The first bytes that are neither there nor on their way: at most `most` blocks, and no more than leaves something
    /// for each of `connections`. `None` if there are none.
    pub(super) fn claim(&self, most: usize, connections: usize) -> Option<ByteRange> {
        let mut state = self.state();
        let free =
            (state.frontier..state.done.len()).filter(|index| !state.done[*index] && !state.taken[*index]);
        let most = most.min((free.count() / (2 * connections.max(1))).max(1));
        let is_free = |state: &State, index: usize| !state.done[index] && !state.taken[index];
        let first = (state.frontier..state.done.len()).find(|index| is_free(&state, *index))?;
        let mut end = first;
        while end < state.done.len() && end - first < most && is_free(&state, end) {
            state.taken[end] = true;
            end += 1;
        }
        drop(state);
        Some(ByteRange { start: self.block(first).start, end: self.block(end - 1).end })
    }

    /// Gives back bytes that were claimed and not received.
    pub(super) fn release(&self, range: ByteRange) {
        let mut state = self.state();
        let blocks =
            (range.start / self.identity.block) as usize..range.end.div_ceil(self.identity.block) as usize;
        for index in blocks {
            if let Some(taken) = state.taken.get_mut(index) {
                *taken = false;
            }
        }
    }

    /// Where the block that holds byte `at` ends.
    pub(super) fn block_end(&self, at: u64) -> u64 {
        self.block((at / self.identity.block) as usize).end
    }

    /// Notes that the block that ends at `end` was written.
    pub(super) fn finish(&self, end: u64) -> Result<()> {
        let index = (end.saturating_sub(1) / self.identity.block) as usize;
        let mut state = self.state();
        if let Some(done) = state.done.get_mut(index).filter(|done| !**done) {
            *done = true;
            state.num_lines += 1;
            state.journal.append(&JournalLine::Done(index as u64))?;
            state.advance();
        }
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// Its path while it is not whole.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A handle for writing.
    pub(super) fn writer(&self) -> Result<File> {
        OpenOptions::new().write(true).open(&self.path).map_err(|error| cannot_write(&self.path, error))
    }

    /// A handle for reading.
    pub(super) fn reader(&self) -> Result<File> {
        File::open(&self.path).map_err(|error| cannot_write(&self.path, error))
    }

    /// Bytes without a gap from the start.
    fn gapless(&self, state: &State) -> u64 {
        (state.frontier as u64 * self.identity.block).min(self.identity.size)
    }

    /// Says that the checksum is computed from now on, beginning at byte `from`.
    pub(super) fn hashing(&self, from: u64) -> Hashing<'_> {
        self.state().hashed = Some(from);
        Hashing(self)
    }

    /// Pauses this connection while the checksum is more than `step` bytes behind what is there; a second one pauses at
    /// twice that, and so on, but never the last of `connections`. Where the processor and not the network is the limit,
    /// connections would else leave the checksum too little of it, and the end would wait for the checksum alone.
    pub(super) fn wait_for_hash(&self, step: Bytes, connections: usize, cancel: &CancelToken) -> Result<()> {
        let mut state = self.state();
        let rank = state.num_paused + 1;
        let is_behind = |state: &mut State| {
            let behind = state.hashed.map_or(0, |hashed| self.gapless(state).saturating_sub(hashed));
            behind > step.0 * rank as u64
        };
        if rank >= connections || !is_behind(&mut state) {
            return Ok(());
        }
        state.num_paused = rank;
        let mut result = Ok(());
        while result.is_ok() && is_behind(&mut state) {
            let waited = self.changed.wait_timeout_while(state, CHECK_CANCEL_EVERY, |state| is_behind(state));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            result = cancel.check();
        }
        state.num_paused -= 1;
        result
    }

    /// Notes that the checksum covers the bytes up to `hashed`. Returns bytes without a gap from the start, once there
    /// are more; `None` if no more come.
    pub(super) fn wait_for_more(&self, hashed: u64) -> Option<u64> {
        let mut state = self.state();
        if let Some(noted) = &mut state.hashed {
            *noted = hashed;
            self.changed.notify_all();
        }
        loop {
            let there = self.gapless(&state);
            if there > hashed {
                return Some(there);
            }
            if state.is_over {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for `time`, or until `most` bytes came since the last [`sync`](Self::sync), or until nothing more comes.
    /// Returns whether nothing more comes.
    pub(super) fn is_over_within(&self, time: Duration, most: Bytes) -> bool {
        let state = self.state();
        let enough = most.0.div_ceil(self.identity.block);
        let is_little = |state: &mut State| state.num_lines - state.num_synced < enough;
        let waited = self.changed.wait_timeout_while(state, time, |state| !state.is_over && is_little(state));
        waited.map_or(true, |(state, _)| state.is_over)
    }

    /// Says that nothing more comes.
    pub(super) fn end(&self) {
        self.state().is_over = true;
        self.changed.notify_all();
    }

    /// Brings what was written to the disk and says so in the journal, with the state of the hash.
    pub(super) fn sync(&self, hashed: u64, hash: Option<String>) -> Result<()> {
        let blocks = self.state().num_lines;
        self.writer()?.sync_data().map_err(|error| cannot_write(&self.path, error))?;
        let mut state = self.state();
        state.journal.append(&JournalLine::Synced { blocks, hashed, hash })?;
        state.num_synced = blocks;
        state.journal.sync()
    }

    /// Whether every block is there.
    pub(super) fn is_whole(&self) -> bool {
        let state = self.state();
        state.frontier == state.done.len()
    }

    /// Gives the whole file its name and removes the journal.
    pub(super) fn persist(self, to: &Path) -> Result<()> {
        let failed = |error| cannot_write(&self.path, error);
        self.writer()?.sync_all().map_err(failed)?;
        fs::rename(&self.path, to).map_err(failed)?;
        if let Some(folder) = to.parent()
            && let Err(error) = File::open(folder).and_then(|folder| folder.sync_all())
        {
            tracing::debug!("cannot sync {}: {error}", folder.display());
        }
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).journal.remove()
    }

    /// Removes the file and its journal.
    pub(super) fn discard(self) -> Result<()> {
        fs::remove_file(&self.path).map_err(|error| cannot_write(&self.path, error))?;
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).journal.remove()
    }
}

impl State {
    fn advance(&mut self) {
        while self.done.get(self.frontier) == Some(&true) {
            self.frontier += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> FileIdentity {
        FileIdentity { url: "http://h/f".into(), object: None, etag: None, size: 25, block: 10 }
    }

    fn open(to: &Path) -> Part {
        let journal = Journal::open(&journal_path(to), &CancelToken::new(), &|| {}).unwrap();
        Part::open(to, journal, identity()).unwrap()
    }

    #[test]
    fn blocks_are_claimed_once_and_kept_over_a_kill() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("f");
        let part = open(&to);
        assert_eq!(part.claim(9, 1), Some(ByteRange { start: 0, end: 10 }));
        assert_eq!(part.claim(9, 1), Some(ByteRange { start: 10, end: 20 }));
        assert_eq!(part.claim(9, 4), Some(ByteRange { start: 20, end: 25 }));
        assert_eq!(part.claim(9, 1), None);
        part.finish(25).unwrap();
        part.release(ByteRange { start: 10, end: 20 });
        assert_eq!(part.claim(9, 1), Some(ByteRange { start: 10, end: 20 }));
        assert!(!part.is_whole() && part.received() == Bytes(5));
        drop(part);
        let part = open(&to);
        assert_eq!(part.received(), Bytes(5));
        assert_eq!(part.claim(9, 1), Some(ByteRange { start: 0, end: 10 }));
        part.finish(10).unwrap();
        assert_eq!(part.wait_for_more(0), Some(10));
        part.finish(20).unwrap();
        assert_eq!(part.wait_for_more(10), Some(25));
        part.end();
        assert_eq!(part.wait_for_more(25), None);
        assert!(part.is_whole());
        part.persist(&to).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_came_is_synced_before_it_is_much() {
        let dir = tempfile::tempdir().unwrap();
        let part = open(&dir.path().join("f"));
        let hour = Duration::from_hours(1);
        part.finish(10).unwrap();
        part.finish(20).unwrap();
        assert!(!part.is_over_within(hour, Bytes(15)), "two blocks are enough");
        part.sync(0, None).unwrap();
        assert!(!part.is_over_within(Duration::ZERO, Bytes(15)));
        part.finish(25).unwrap();
        assert!(!part.is_over_within(hour, Bytes(10)));
        part.end();
        assert!(part.is_over_within(hour, Bytes(100)));
    }

    #[test]
    fn connections_pause_one_after_another_for_the_checksum() {
        let dir = tempfile::tempdir().unwrap();
        let part = open(&dir.path().join("f"));
        let cancelled = CancelToken::new();
        cancelled.cancel();
        // pausing shows in the error, because the pause ends with a cancel
        let pauses = |connections| part.wait_for_hash(Bytes(10), connections, &cancelled).is_err();
        part.finish(10).unwrap();
        part.finish(20).unwrap();
        assert!(!pauses(2), "nobody computes the checksum");
        let hashing = part.hashing(0);
        assert!(pauses(2) && !pauses(1), "the last connection never pauses");
        part.state().num_paused = 1;
        assert!(!pauses(3), "a second one only at twice as much");
        part.finish(25).unwrap();
        assert!(pauses(3));
        part.state().num_paused = 0;
        assert_eq!(part.wait_for_more(15), Some(25));
        assert!(!pauses(2), "the checksum caught up");
        drop(hashing);
        assert_eq!(part.wait_for_more(0), Some(25));
        assert!(!pauses(2));
    }

    #[test]
    fn another_content_starts_anew() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("f");
        let part = open(&to);
        part.finish(10).unwrap();
        drop(part);
        let journal = Journal::open(&journal_path(&to), &CancelToken::new(), &|| {}).unwrap();
        let other = FileIdentity { size: 30, ..identity() };
        assert_eq!(Part::open(&to, journal, other).unwrap().received(), Bytes(0));
    }
}
