//! One connection of a download: claims bytes, receives them, writes them to their place.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::sync::{Mutex, PoisonError};

use super::client::{Answer, Client};
use super::download::{TransferEvent, TransferOptions};
use super::limiter::Limiter;
use super::object_id::ObjectId;
use super::part::{Part, cannot_write};
use super::range::{ByteRange, parse_content_range};
use super::retry::Retries;
use super::status::{self, Trouble};
use crate::core::{Bytes, CancelToken, Error, Kind, Result};

/// Bytes that are written at once, at a multiple of them. Measured beside syncs of the same file on ext4: half of it costs a
/// tenth of the speed, and eight times as much halves it.
const BUFFER: usize = 128 << 10;
/// How far the checksum is behind when a connection pauses for it, and how much more until the next one does.
const UNHASHED_STEP: Bytes = Bytes(48 << 20);

/// What the connections of one file share.
pub(super) struct Job<'a> {
    pub(super) client: &'a Client,
    pub(super) options: &'a TransferOptions,
    pub(super) limiter: &'a Limiter,
    pub(super) cancel: &'a CancelToken,
    pub(super) part: &'a Part,
    /// The web page that errors name.
    pub(super) page: &'a str,
    /// Where the hub redirected to; asked first while it answers.
    pub(super) location: Mutex<Option<String>>,
    pub(super) progress: &'a (dyn Fn(TransferEvent) + Sync),
}

/// Why no more bytes of an answer came.
enum FillError {
    /// The answer has no more.
    Ended,
    /// It cannot be read.
    Body(std::io::Error),
    /// The download was cancelled.
    Stopped(Error),
}

impl Job<'_> {
    /// Receives bytes until none are left to claim. `first` is an answer that is there already.
    pub(super) fn work(&self, first: Option<(ByteRange, Answer)>) -> Result<()> {
        let mut first = first;
        loop {
            let (range, answer) = match first.take() {
                Some((range, answer)) => (range, Some(answer)),
                None => match self.part.claim(self.options.blocks_per_request, self.options.connections) {
                    Some(range) => (range, None),
                    None => return Ok(()),
                },
            };
            let mut at = range.start;
            let done = self.receive(ByteRange { start: at, ..range }, answer, &mut at);
            if let Err(error) = done {
                self.part.release(ByteRange { start: at, ..range });
                return Err(error);
            }
        }
    }

    /// Receives `range`, trying again where that may help. `at` is moved to the first byte that is not written.
    fn receive(&self, range: ByteRange, answer: Option<Answer>, at: &mut u64) -> Result<()> {
        let mut retries = Retries::new(self.options.first_pause);
        let mut answer = answer;
        loop {
            self.cancel.check()?;
            let before = *at;
            let missing = ByteRange { start: *at, end: range.end };
            let tried = match answer.take() {
                Some(answer) => Ok(answer),
                None => self.ask(missing),
            };
            let trouble = match tried.and_then(|answer| self.write(answer, range.end, at)) {
                Ok(()) => return Ok(()),
                Err(trouble) => trouble,
            };
            if *at > before {
                retries.progressed();
            }
            retries.wait(trouble, self.cancel)?;
        }
    }

    /// Asks for bytes; the answer begins with the first of them.
    pub(super) fn ask(&self, range: ByteRange) -> Result<Answer, Trouble> {
        let hub = &self.part.identity.url;
        let known = self.location.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let answer = match known {
            Some(url) => self.client.get(&url, Some(range), self.page).or_else(|trouble| match trouble {
                // signed addresses run out
                Trouble::Lasting(_) => self.client.get(hub, Some(range), self.page),
                other => Err(other),
            })?,
            None => self.client.get(hub, Some(range), self.page)?,
        };
        *self.location.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer.url.clone());
        self.check(&answer, range)?;
        Ok(answer)
    }

    /// Whether an answer is about the content that is fetched.
    fn check(&self, answer: &Answer, range: ByteRange) -> Result<(), Trouble> {
        let identity = &self.part.identity;
        let changed = |what: String| {
            Trouble::Changed(
                Error::new(
                    Kind::Network,
                    format!("{} changed on the server: {what}", status::without_query(&identity.url)),
                )
                .remedy("Fetch it again, which starts with the new file"),
            )
        };
        let linked = answer.linked_etag.as_deref().and_then(ObjectId::parse);
        match (&identity.object, &linked) {
            (Some(planned), Some(now)) if planned != now => {
                return Err(changed(format!("it was {planned} and is {now}")));
            }
            (Some(_), Some(_)) => {}
            _ if identity.etag.is_some() && answer.etag != identity.etag => {
                let name = |etag: &Option<String>| etag.clone().unwrap_or_else(|| "none".to_owned());
                let (before, now) = (name(&identity.etag), name(&answer.etag));
                return Err(changed(format!("its ETag was {before} and is {now}")));
            }
            _ => {}
        }
        let Some(content_range) = answer.content_range.as_deref().filter(|_| answer.status == 206) else {
            return Ok(());
        };
        match parse_content_range(content_range) {
            Some((_, Some(size))) if size != identity.size => {
                Err(changed(format!("it had {} bytes and has {size}", identity.size)))
            }
            Some((start, _)) if start == range.start => Ok(()),
            _ => Err(Trouble::passing(
                Error::new(
                    Kind::Network,
                    format!("The server sent \"{content_range}\" when byte {} was asked for", range.start),
                )
                .remedy("Check the proxy and HF_ENDPOINT"),
            )),
        }
    }

    /// Writes an answer from byte `at` to before `end`.
    fn write(&self, answer: Answer, end: u64, at: &mut u64) -> Result<(), Trouble> {
        if answer.status != 206 {
            return Err(Trouble::passing(
                Error::new(Kind::Network, "The server sent the whole file when a part was asked for")
                    .remedy("Check the proxy and HF_ENDPOINT"),
            ));
        }
        self.copy(answer, end, at)
    }

    /// Copies an answer's bytes, which begin at byte `at`, up to `end`. Blocks count when they are whole.
    pub(super) fn copy(&self, answer: Answer, end: u64, at: &mut u64) -> Result<(), Trouble> {
        let url = answer.url;
        let failed = |error| Trouble::Lasting(cannot_write(self.part.path(), error));
        let mut file = self.part.writer().map_err(Trouble::Lasting)?;
        file.seek(SeekFrom::Start(*at)).map_err(failed)?;
        let mut body = answer.body.into_reader();
        let mut buffer = vec![0; BUFFER];
        let piece = self.limiter.piece(BUFFER);
        while *at < end {
            // never past a block, so that a block is noted as soon as it is there
            let most = (self.part.block_end(*at).min(end) - *at).min(BUFFER as u64) as usize;
            let (filled, result) = self.fill(&mut body, &mut buffer[..most], piece);
            // what came before a cut is kept
            file.write_all(&buffer[..filled]).map_err(failed)?;
            *at += filled as u64;
            if filled > 0 && *at == self.part.block_end(*at - 1) {
                self.part.finish(*at).map_err(Trouble::Lasting)?;
                let connections = self.options.connections;
                let waited = self.part.wait_for_hash(UNHASHED_STEP, connections, self.cancel);
                waited.map_err(Trouble::Lasting)?;
            }
            match result {
                Ok(()) => {}
                Err(FillError::Body(error)) => return Err(status::from_body(error, &url)),
                Err(FillError::Stopped(error)) => return Err(Trouble::Lasting(error)),
                Err(FillError::Ended) => {
                    let early = std::io::Error::other(format!("{} bytes are missing", end - *at));
                    return Err(status::from_body(early, &url));
                }
            }
        }
        Ok(())
    }

    /// Fills `buffer` from an answer, at most `piece` bytes at once. Returns how many bytes it has, and why it has not
    /// more.
    fn fill(
        &self,
        body: &mut impl std::io::Read,
        buffer: &mut [u8],
        piece: usize,
    ) -> (usize, Result<(), FillError>) {
        let mut filled = 0;
        while filled < buffer.len() {
            let most = buffer.len().min(filled + piece);
            let read = match self.cancel.check() {
                Ok(()) => body.read(&mut buffer[filled..most]).map_err(FillError::Body),
                Err(error) => Err(FillError::Stopped(error)),
            };
            let read = match read {
                Ok(0) => return (filled, Err(FillError::Ended)),
                Ok(read) => read,
                Err(error) => return (filled, Err(error)),
            };
            filled += read;
            if let Err(error) = self.limiter.take(read, self.cancel) {
                return (filled, Err(FillError::Stopped(error)));
            }
            (self.progress)(TransferEvent::Received(Bytes(read as u64)));
        }
        (filled, Ok(()))
    }
}
