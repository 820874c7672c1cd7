//! Fetches files of a hub, one after another, each over several connections.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::client::{Answer, Client, Patience};
use super::file_header::check_file_header;
use super::hash_state;
use super::hub::Hub;
use super::journal::Journal;
use super::journal_line::FileIdentity;
use super::limiter::Limiter;
use super::object_id::{ObjectHasher, ObjectId};
use super::part::{Part, cannot_write, journal_path, part_path};
use super::range::ByteRange;
use super::retry::{Retries, with_progress_kept};
use super::status::Trouble;
use super::tree::{self, HubFile, TreeQuery};
use super::worker::Job;
use crate::core::{Bytes, CancelToken, Error, Kind, Result};

/// Bytes that are read at once for the checksum: few enough for the processor's cache.
const CHUNK: usize = 256 << 10;
/// How often what was received is brought to the disk.
const SYNC_EVERY: Duration = Duration::from_secs(5);
/// After how many bytes at most: the disk never waits for more, and the fewer are left for the end, the sooner a fetch is
/// over.
const SYNC_BYTES: Bytes = Bytes(32 << 20);

/// How files are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferOptions {
    /// Connections for each file; default 4.
    pub connections: usize,
    /// Size of a block, the unit of the journal; default 4 MiB.
    pub block: Bytes,
    /// Most blocks that one request asks for; default 8.
    pub blocks_per_request: usize,
    /// Limit of bytes per second for all connections together; default none.
    pub limit: Option<Bytes>,
    /// Pause after the first failure of a request; it doubles with each in a row. Default 0.5 s.
    pub first_pause: Duration,
    /// How long a connection may give nothing; default 30 s.
    pub stall: Duration,
}

impl Default for TransferOptions {
    fn default() -> Self {
        Self {
            connections: 4,
            block: Bytes(4 << 20),
            blocks_per_request: 8,
            limit: None,
            first_pause: Duration::from_millis(500),
            stall: Duration::from_secs(30),
        }
    }
}

/// What happens while a file is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferEvent {
    /// Another program fetches the same file; this one waits for it.
    Waiting,
    /// So many bytes were there from an earlier time.
    Resumed(Bytes),
    /// So many more bytes were received.
    Received(Bytes),
    /// So many received bytes have to be received again.
    Lost(Bytes),
}

/// A file that was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Id of its content, computed from what is on the disk.
    pub object: ObjectId,
    /// Bytes that were there from an earlier time.
    pub resumed: Bytes,
}

/// A file of a repository at a revision.
#[derive(Clone, Copy, Debug)]
pub struct FileSource<'a> {
    /// `owner/name`.
    pub repository: &'a str,
    /// Branch, tag or commit.
    pub revision: &'a str,
    /// The file, as the hub lists it.
    pub file: &'a HubFile,
}

/// Fetches files from one hub. Connections are kept from file to file.
pub struct Downloader<'a> {
    hub: &'a Hub,
    client: Client,
    limiter: Limiter,
    options: TransferOptions,
    cancel: CancelToken,
}

impl<'a> Downloader<'a> {
    /// A downloader that stops when `cancel` is cancelled; what it received is kept.
    pub fn new(hub: &'a Hub, options: TransferOptions, cancel: &CancelToken) -> Self {
        let patience = Patience { connect: options.stall.min(Duration::from_secs(20)), stall: options.stall };
        let client = Client::new(hub.endpoint(), hub.token(), patience, cancel);
        Self { hub, client, limiter: Limiter::new(options.limit), options, cancel: cancel.clone() }
    }

    /// All files of a repository at a revision.
    pub fn list(&self, repository: &str, revision: &str) -> Result<Vec<HubFile>> {
        let query = TreeQuery { repository, revision };
        let mut retries = Retries::new(self.options.first_pause);
        tree::files(self.hub, &self.client, query, &mut retries, &self.cancel)
    }

    /// Fetches a file to `to`, going on where an earlier fetch stopped. The file has its name only if its checksum and
    /// its header are right; another file of that name is replaced.
    ///
    /// # Errors
    ///
    /// [`Kind::Network`] if the hub cannot be reached, [`Kind::Input`] if it wants a token, [`Kind::MissingModel`] if
    /// it has no such file, [`Kind::CorruptModel`] for a wrong checksum, [`Kind::Io`] for a full disk,
    /// [`Kind::Cancelled`] after a cancel.
    pub fn fetch(
        &self,
        source: FileSource<'_>,
        to: &Path,
        progress: &(dyn Fn(TransferEvent) + Sync),
    ) -> Result<Received> {
        self.hub.check_online()?;
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder).map_err(|error| cannot_write(folder, error))?;
        }
        let journal = Journal::open(&journal_path(to), &self.cancel, &|| progress(TransferEvent::Waiting))?;
        if let Some(object) = self.whole(source.file, to)? {
            // another program fetched it while this one waited
            journal.remove()?;
            progress(TransferEvent::Resumed(source.file.size));
            return Ok(Received { object, resumed: source.file.size });
        }
        let identity = FileIdentity {
            url: self.hub.file_url(source.repository, source.revision, &source.file.path),
            object: source.file.object.clone(),
            etag: None,
            size: source.file.size.0,
            block: self.options.block.0.max(1),
        };
        let mut part = Part::open(to, journal, identity)?;
        let page = self.hub.page(source.repository);
        let first = self.first_answer(&mut part, &page, progress)?;
        let resumed = part.received();
        progress(TransferEvent::Resumed(resumed));
        let object = self.receive(&part, &page, first, progress).map_err(|error| match error.kind {
            Kind::Network => with_progress_kept(error),
            _ => error,
        })?;
        let checked = check_object(source.file, &object, to)
            .and_then(|()| check_file_header(&part_path(to), &source.file.path));
        if let Err(error) = checked {
            part.discard()?;
            return Err(error);
        }
        part.persist(to)?;
        Ok(Received { object, resumed })
    }

    /// The id of what is at `to` already, if it is the whole `file`; anything else there is replaced.
    fn whole(&self, file: &HubFile, to: &Path) -> Result<Option<ObjectId>> {
        if !fs::metadata(to).is_ok_and(|about| about.is_file() && about.len() == file.size.0) {
            return Ok(None);
        }
        let object = ObjectHasher::of_file(to, file.object.as_ref(), &self.cancel, &mut |_| {})?;
        Ok(Some(object).filter(|object| file.object.as_ref().is_none_or(|expected| expected == object)))
    }

    /// The answer to the first request, which shows whether the content is the same as before and whether the server
    /// knows ranges; `None` if everything is there.
    fn first_answer(
        &self,
        part: &mut Part,
        page: &str,
        progress: &(dyn Fn(TransferEvent) + Sync),
    ) -> Result<Option<(ByteRange, Answer)>> {
        let mut retries = Retries::new(self.options.first_pause);
        loop {
            let Some(range) = part.claim(self.options.blocks_per_request, self.options.connections) else {
                return Ok(None);
            };
            let asked = self.job(part, page, progress).ask(range);
            match asked {
                Ok(answer) => {
                    part.set_etag(answer.etag.clone())?;
                    // a restart forgets the claim
                    part.release(range);
                    let again = part.claim(self.options.blocks_per_request, self.options.connections);
                    return Ok(again.map(|range| (range, answer)));
                }
                // what is here belongs to another content: nothing of it can be used
                Err(Trouble::Changed(error)) if part.identity.object.is_none() => {
                    tracing::warn!("{error:#}");
                    part.restart(None)?;
                }
                Err(trouble) => {
                    part.release(range);
                    retries.wait(trouble, &self.cancel).map_err(with_progress_kept)?;
                }
            }
        }
    }

    fn job<'j>(
        &'j self,
        part: &'j Part,
        page: &'j str,
        progress: &'j (dyn Fn(TransferEvent) + Sync),
    ) -> Job<'j> {
        Job {
            client: &self.client,
            options: &self.options,
            limiter: &self.limiter,
            cancel: &self.cancel,
            part,
            page,
            location: Mutex::new(None),
            progress,
        }
    }

    /// Receives what is missing, and computes the id of the content meanwhile.
    fn receive(
        &self,
        part: &Part,
        page: &str,
        first: Option<(ByteRange, Answer)>,
        progress: &(dyn Fn(TransferEvent) + Sync),
    ) -> Result<ObjectId> {
        let job = self.job(part, page, progress);
        if let Some((_, answer)) = &first {
            *job.location.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer.url.clone());
        }
        let running = Mutex::new(RunningHash::new(part));
        let received = thread::scope(|scope| -> Result<()> {
            let hashing = named(scope, "fetch hash", || hash_along(part, &running))?;
            let syncing = named(scope, "fetch sync", || {
                while !part.is_over_within(SYNC_EVERY, SYNC_BYTES) {
                    sync(part, &running)?;
                }
                // the rest, while the last of it is hashed
                sync(part, &running)
            })?;
            let received = connect(scope, &job, first);
            part.end();
            let (hashed, synced) = (joined(hashing), joined(syncing));
            received.and(hashed).and(synced)
        });
        if let Err(error) = received {
            // what is there stays for the next time
            if let Err(error) = sync(part, &running) {
                tracing::warn!("{error:#}");
            }
            return Err(error);
        }
        Ok(running.into_inner().unwrap_or_else(PoisonError::into_inner).hasher.finish())
    }
}

type Work<'scope> = thread::ScopedJoinHandle<'scope, Result<()>>;

/// Runs all connections; returns the first error of any.
fn connect<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    job: &'scope Job<'_>,
    first: Option<(ByteRange, Answer)>,
) -> Result<()> {
    let Some((range, answer)) = first else { return Ok(()) };
    if answer.status == 200 {
        job.part.release(range);
        return job.stream(answer);
    }
    let mut workers = vec![named(scope, "fetch 1", move || job.work(Some((range, answer))))?];
    for _ in 1..job.options.connections.max(1) {
        workers.push(named(scope, "fetch", || job.work(None))?);
    }
    let mut result = Ok(());
    for worker in workers {
        let ended = joined(worker);
        result = result.and(ended);
    }
    // what a connection gave up, others may have taken
    if job.part.is_whole() { Ok(()) } else { result.and_then(|()| job.work(None)) }
}

fn named<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    name: &str,
    work: impl FnOnce() -> Result<()> + Send + 'scope,
) -> Result<Work<'scope>> {
    thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, work).map_err(|error| {
        Error::new(Kind::Io, "Cannot start a thread for fetching")
            .because(error)
            .remedy("Close other programs")
    })
}

fn joined(work: Work<'_>) -> Result<()> {
    work.join().unwrap_or_else(|_| {
        Err(Error::new(Kind::Bug, "Fetching stopped by a mistake in the program").remedy("Please report it"))
    })
}

/// The hash of the bytes from the start up to `at`.
struct RunningHash {
    hasher: ObjectHasher,
    at: u64,
}

impl RunningHash {
    fn new(part: &Part) -> Self {
        let hasher = ObjectHasher::new(part.identity.object.as_ref(), part.identity.size);
        let saved = part.saved_hash.as_ref();
        let restored = saved.and_then(|(at, text)| Some((*at, hash_state::from_text(text)?)));
        match (hasher, restored) {
            (ObjectHasher::Sha256(_), Some((at, hash))) => Self { hasher: ObjectHasher::Sha256(hash), at },
            (hasher, _) => Self { hasher, at: 0 },
        }
    }
}

/// Hashes what is there without a gap, as it grows.
fn hash_along(part: &Part, running: &Mutex<RunningHash>) -> Result<()> {
    let lock = || running.lock().unwrap_or_else(PoisonError::into_inner);
    let failed =
        |error| Error::new(Kind::Io, "Cannot read what was received").because(error).remedy("Check the disk");
    let mut file = part.reader()?;
    let mut at = lock().at;
    let _hashing = part.hashing(at);
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(at)).map_err(failed)?;
    let mut chunk = vec![0; CHUNK];
    while let Some(there) = part.wait_for_more(at) {
        // block by block, so that those who wait for it see how far it is
        let there = there.min(at + part.identity.block);
        while at < there {
            let piece = &mut chunk[..CHUNK.min((there - at) as usize)];
            file.read_exact(piece).map_err(failed)?;
            at += piece.len() as u64;
            let mut running = lock();
            running.hasher.update(piece);
            running.at = at;
        }
    }
    Ok(())
}

fn sync(part: &Part, running: &Mutex<RunningHash>) -> Result<()> {
    let (at, state) = {
        let running = running.lock().unwrap_or_else(PoisonError::into_inner);
        let state = match &running.hasher {
            ObjectHasher::Sha256(hash) => Some(hash_state::to_text(hash)),
            ObjectHasher::GitBlob(_) => None,
        };
        (running.at, state)
    };
    part.sync(at, state)
}

fn check_object(file: &HubFile, got: &ObjectId, to: &Path) -> Result<()> {
    match &file.object {
        Some(expected) if expected != got => Err(Error::new(
            Kind::CorruptModel,
            format!("The checksum of {} is wrong: expected {expected}, got {got}", to.display()),
        )
        .remedy("The download was discarded. Try again; if it keeps failing, a proxy or mirror is altering the file")),
        _ => Ok(()),
    }
}
