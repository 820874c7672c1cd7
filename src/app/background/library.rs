//! The gallery's thread: reads the history, creates thumbnails, stores ratings and deletes files.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, SystemTime};

use crossbeam_channel::{Receiver, Sender, bounded};
use eframe::egui::{Context, TextureHandle, TextureId, TextureOptions, Vec2};

use crate::app::background::frame_image::color_image;
use crate::core::{Error, Frame, Kind, Result, Waker};
use crate::library::{
    GalleryItem, History, Ratings, Thumbnails, load_gallery, move_to_bin, restore_from_bin,
};
use crate::presets;

/// Newest entries of the history that the gallery shows.
const MAX_ITEMS: usize = 20_000;
/// Thumbnails that stay in the graphics card's memory, about 250 KB each.
const MAX_TEXTURES: usize = 300;
/// How often the history is checked for changes by other programs.
const POLL: Duration = Duration::from_secs(2);
/// Number of requests that can be queued.
const REQUESTS: usize = 64;

/// A request to the thread.
enum Request {
    Rate { id: String, stars: u8 },
    Delete(Vec<PathBuf>),
    Restore(Vec<PathBuf>),
}

/// An answer of the thread.
enum Answer {
    Items(Arc<[GalleryItem]>),
    Thumbnail { output: PathBuf, frame: Option<Frame> },
    Deleted(Vec<PathBuf>),
    Restored,
    Failed(Error),
}

/// A result to show once as a notification.
#[derive(Clone, Debug)]
pub(in crate::app) enum LibraryNotice {
    /// These files were moved to the bin; the deletion can be undone.
    Deleted(Vec<PathBuf>),
    /// The files were restored.
    Restored,
    /// The error of a failed request.
    Failed(Error),
}

/// The items and thumbnails that the gallery draws.
pub(in crate::app) struct Library {
    requests: Option<Sender<Request>>,
    wanted: Option<Sender<PathBuf>>,
    answers: Receiver<Answer>,
    thread: Option<JoinHandle<()>>,
    items: Arc<[GalleryItem]>,
    /// Increases when the items change.
    revision: u64,
    /// Thumbnails that drawing has requested.
    textures: RefCell<HashMap<PathBuf, Thumbnail>>,
    frame: u64,
}

/// The state of one thumbnail.
struct Thumbnail {
    texture: Option<TextureHandle>,
    /// Whether it is requested and not answered yet.
    pending: bool,
    used: u64,
}

impl Library {
    /// Starts the thread for a data folder. `waker` is called after each answer.
    pub(in crate::app) fn start(data_dir: &Path, waker: Waker) -> Result<Self> {
        let (requests, received) = bounded(REQUESTS);
        let (wanted, thumbnails) = bounded(REQUESTS);
        let (sender, answers) = bounded(REQUESTS);
        let worker = LibraryThread {
            data_dir: data_dir.to_path_buf(),
            thumbnails: Thumbnails::new(data_dir),
            answers: sender,
            waker,
            seen: None,
        };
        let work = move || worker.run(&received, &thumbnails);
        let thread = Builder::new().name("library".to_owned()).spawn(work).map_err(|error| {
            Error::new(Kind::Io, "The library thread cannot be started")
                .because(error)
                .remedy("Restart the program")
        })?;
        Ok(Self {
            requests: Some(requests),
            wanted: Some(wanted),
            answers,
            thread: Some(thread),
            items: Arc::new([]),
            revision: 0,
            textures: RefCell::default(),
            frame: 0,
        })
    }

    /// All items of the library, newest first.
    pub(in crate::app) fn items(&self) -> &Arc<[GalleryItem]> {
        &self.items
    }

    /// A number that changes with the items.
    pub(in crate::app) fn revision(&self) -> u64 {
        self.revision
    }

    /// The thumbnail of an output if it is ready, else requests it. Cheap enough to call while drawing.
    pub(in crate::app) fn thumbnail(&self, output: &Path) -> Option<(TextureId, Vec2)> {
        let frame = self.frame;
        let mut textures = self.textures.borrow_mut();
        if let Some(known) = textures.get_mut(output) {
            known.used = frame;
            return known.texture.as_ref().map(|texture| (texture.id(), texture.size_vec2()));
        }
        // if the queue is full, the thumbnail is requested again in the next frame
        let asked = self.wanted.as_ref().is_some_and(|wanted| wanted.try_send(output.to_path_buf()).is_ok());
        if asked {
            let waiting = Thumbnail { texture: None, pending: true, used: frame };
            textures.insert(output.to_path_buf(), waiting);
        }
        None
    }

    /// Sets the rating of an entry in stars, 0 for none.
    pub(in crate::app) fn rate(&self, id: String, stars: u8) {
        self.request(Request::Rate { id, stars });
    }

    /// Moves files to the bin.
    pub(in crate::app) fn delete(&self, outputs: Vec<PathBuf>) {
        self.request(Request::Delete(outputs));
    }

    /// Restores deleted files.
    pub(in crate::app) fn restore(&self, outputs: Vec<PathBuf>) {
        self.request(Request::Restore(outputs));
    }

    /// Receives the thread's answers; to be called before each frame.
    pub(in crate::app) fn drain(&mut self, ctx: &Context) -> Vec<LibraryNotice> {
        self.frame += 1;
        let mut notices = Vec::new();
        while let Ok(answer) = self.answers.try_recv() {
            match answer {
                Answer::Items(items) => {
                    self.items = items;
                    self.revision += 1;
                }
                Answer::Thumbnail { output, frame } => self.keep(ctx, output, frame),
                Answer::Deleted(outputs) => notices.push(LibraryNotice::Deleted(outputs)),
                Answer::Restored => notices.push(LibraryNotice::Restored),
                Answer::Failed(error) => notices.push(LibraryNotice::Failed(error)),
            }
        }
        self.forget_unused();
        notices
    }

    fn keep(&mut self, ctx: &Context, output: PathBuf, frame: Option<Frame>) {
        let texture = frame.map(|frame| {
            let name = format!("thumbnail {}", output.display());
            ctx.load_texture(name, color_image(&frame), TextureOptions::LINEAR)
        });
        let thumbnail = Thumbnail { texture, pending: false, used: self.frame };
        self.textures.get_mut().insert(output, thumbnail);
    }

    /// Drops the thumbnails that were drawn least recently.
    fn forget_unused(&mut self) {
        let textures = self.textures.get_mut();
        if textures.len() <= MAX_TEXTURES {
            return;
        }
        let mut used: Vec<_> = textures.values().filter(|one| !one.pending).map(|one| one.used).collect();
        used.sort_unstable();
        let Some(&oldest) = used.get(used.len().saturating_sub(MAX_TEXTURES * 3 / 4)) else { return };
        textures.retain(|_, one| one.pending || one.used >= oldest);
    }

    fn request(&self, request: Request) {
        let sent = self.requests.as_ref().is_some_and(|requests| requests.try_send(request).is_ok());
        if !sent {
            tracing::warn!("The library is busy; try again");
        }
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        (self.requests, self.wanted) = (None, None);
        // the thread may be waiting for free space in the channel
        while self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            drop(self.answers.recv_timeout(Duration::from_millis(10)));
        }
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("The library thread ended by a panic");
        }
    }
}

/// State of the thread.
struct LibraryThread {
    data_dir: PathBuf,
    thumbnails: Thumbnails,
    answers: Sender<Answer>,
    waker: Waker,
    /// Modification times of the history's files when it was last read.
    seen: Option<[Option<SystemTime>; 2]>,
}

impl LibraryThread {
    fn run(mut self, requests: &Receiver<Request>, wanted: &Receiver<PathBuf>) {
        self.thumbnails.trim();
        loop {
            self.reload_if_changed();
            if requests.is_empty()
                && let Ok(output) = wanted.try_recv()
            {
                let frame = self.thumbnails.get(&output).ok();
                self.answer(Answer::Thumbnail { output, frame });
                continue;
            }
            crossbeam_channel::select! {
                recv(requests) -> request => match request {
                    Ok(request) => self.carry_out(request),
                    Err(_) => return,
                },
                recv(wanted) -> output => match output {
                    Ok(output) => {
                        let frame = self.thumbnails.get(&output).ok();
                        self.answer(Answer::Thumbnail { output, frame });
                    }
                    Err(_) => return,
                },
                default(POLL) => {}
            }
        }
    }

    fn carry_out(&mut self, request: Request) {
        let done = match request {
            Request::Rate { id, stars } => {
                Ratings::load(&self.data_dir).and_then(|mut ratings| ratings.rate(&id, stars))
            }
            Request::Delete(outputs) => self.delete(outputs),
            Request::Restore(outputs) => restore_from_bin(&outputs).map(|()| self.answer(Answer::Restored)),
        };
        if let Err(error) = done {
            self.answer(Answer::Failed(error));
        }
        self.seen = None;
    }

    fn delete(&self, outputs: Vec<PathBuf>) -> Result<()> {
        let mut deleted = Vec::new();
        let mut failure = Ok(());
        for output in outputs {
            match move_to_bin(&output) {
                Ok(()) => deleted.push(output),
                Err(error) => failure = Err(error),
            }
        }
        if !deleted.is_empty() {
            self.answer(Answer::Deleted(deleted));
        }
        failure
    }

    fn reload_if_changed(&mut self) {
        let path = History::path_in(&self.data_dir);
        let changed = |path: &Path| std::fs::metadata(path).and_then(|file| file.modified()).ok();
        let now = [changed(&path), changed(&path.with_extension("sqlite-wal"))];
        if self.seen == Some(now) {
            return;
        }
        self.seen = Some(now);
        if !path.exists() {
            self.answer(Answer::Items(Arc::new([])));
            return;
        }
        let load = || {
            let (history, _) = History::open(&self.data_dir)?;
            let presets = presets::shipped()?.into_iter().chain(presets::own_presets(&self.data_dir).0);
            load_gallery(&history, &Ratings::load(&self.data_dir)?, &presets.collect::<Vec<_>>(), MAX_ITEMS)
        };
        match load() {
            Ok(items) => self.answer(Answer::Items(items.into())),
            Err(error) => self.answer(Answer::Failed(error)),
        }
        // opening may have touched the files
        self.seen = Some([changed(&path), changed(&path.with_extension("sqlite-wal"))]);
    }

    fn answer(&self, answer: Answer) {
        // nobody reads any more only while the window closes
        if self.answers.send(answer).is_ok() {
            (self.waker)();
        }
    }
}
