//! The videos of a sweep's cells, decoded small on a thread of their own and played in sync on one clock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use eframe::egui::{ColorImage, Context, TextureHandle, TextureId, TextureOptions, Vec2};

use super::frame_image::{color_image, shown_rate_hz, upload};
use super::task::TaskThread;
use crate::core::{CancelToken, Error, Frame, Result, Waker};
use crate::media::{Reader, smaller};

/// Cells that play at once.
pub(super) const MAX_CLIPS: usize = 16;
/// Longest side of a cell's frames in pixels; they are decoded once and stay in memory.
const SIDE: u32 = 192;
/// Frames of a cell that are kept.
const MAX_FRAMES: usize = 160;
/// Frames per second of a preview: one image for four frames of video.
const PREVIEW_HZ: f64 = 4.0;

/// The place of a cell on each axis.
type Place = Vec<u32>;

/// A video or preview of a cell.
#[derive(Default)]
struct Clip {
    /// The video; none for a preview.
    source: Option<PathBuf>,
    frames: Vec<ColorImage>,
    hz: f64,
    texture: Option<TextureHandle>,
    shown: Option<usize>,
}

/// What the thread made of a video or of a saved state.
struct Decoded {
    /// The sweep that it was requested for.
    sweep: String,
    place: Place,
    /// The video; none for the preview of a saved state.
    source: Option<PathBuf>,
    frames: Result<(Vec<ColorImage>, f64)>,
}

/// The clips of the sweep in the grid. Dropping it ends its thread.
pub(super) struct SweepClips {
    sweep: String,
    clips: BTreeMap<Place, Clip>,
    /// The cells whose saved states were asked for a preview.
    asked: BTreeSet<Place>,
    began: Instant,
    // decoding for another sweep ends when this is cancelled
    cancel: CancelToken,
    thread: TaskThread<Decoded>,
}

impl SweepClips {
    /// Starts the thread. `waker` is called after each answer.
    pub(super) fn start(waker: Waker) -> Result<Self> {
        Ok(Self {
            sweep: String::new(),
            clips: BTreeMap::new(),
            asked: BTreeSet::new(),
            began: Instant::now(),
            cancel: CancelToken::new(),
            thread: TaskThread::start("sweep clips", waker)?,
        })
    }

    /// Changes to the sweep with this id; the clips of another one are dropped.
    pub(super) fn change_to(&mut self, sweep: &str) {
        if self.sweep != sweep {
            self.cancel.cancel();
            self.cancel = CancelToken::new();
            self.clips.clear();
            self.asked.clear();
            sweep.clone_into(&mut self.sweep);
        }
    }

    /// The current frame of a cell.
    pub(super) fn frame(&self, place: &[u32]) -> Option<(TextureId, Vec2)> {
        let texture = self.clips.get(place)?.texture.as_ref()?;
        Some((texture.id(), texture.size_vec2()))
    }

    /// Shows a preview in a cell.
    pub(super) fn preview(&mut self, place: Place, frames: &[Frame]) {
        let frames = frames.iter().map(color_image).collect();
        let texture = self.clips.remove(&place).and_then(|clip| clip.texture);
        self.clips.insert(place, Clip { frames, hz: PREVIEW_HZ, texture, ..Clip::default() });
    }

    /// Whether a cell shows nothing and its saved state was not asked for a preview yet.
    pub(super) fn needs_preview(&self, place: &[u32]) -> bool {
        !self.clips.contains_key(place) && !self.asked.contains(place)
    }

    /// Has the thread make the preview of a cell that needs one; it may find none.
    pub(super) fn request_preview(
        &mut self,
        place: &[u32],
        make: impl FnOnce() -> Option<Vec<Frame>> + Send + 'static,
    ) {
        if !self.needs_preview(place) {
            return;
        }
        let (sweep, of_task) = (self.sweep.clone(), place.to_vec());
        let is_taken = self.thread.submit(move || {
            let images = make().iter().flatten().map(color_image).collect();
            Decoded { sweep, place: of_task, source: None, frames: Ok((images, PREVIEW_HZ)) }
        });
        if is_taken {
            self.asked.insert(place.to_vec());
        }
    }

    /// Requests these videos, unless they are there, and drops the others; previews stay.
    pub(super) fn request(&mut self, wanted: &BTreeMap<Place, PathBuf>) {
        self.clips.retain(|place, clip| clip.source.is_none() || wanted.contains_key(place));
        for (place, path) in wanted {
            if self.clips.get(place).is_some_and(|clip| clip.source.as_ref() == Some(path)) {
                continue;
            }
            let (sweep, cancel) = (self.sweep.clone(), self.cancel.clone());
            let (of_task, source) = (place.clone(), path.clone());
            let is_taken = self.thread.submit(move || {
                let frames = decode(&source, &cancel);
                Decoded { sweep, place: of_task, source: Some(source), frames }
            });
            if is_taken {
                // requested once; what is shown until then stays
                self.clips.entry(place.clone()).or_default().source = Some(path.clone());
            }
        }
    }

    /// Takes in decoded videos; returns what failed.
    pub(super) fn drain(&mut self) -> Vec<Error> {
        let mut errors = Vec::new();
        while let Some(answer) = self.thread.poll() {
            match answer {
                Ok(decoded) => errors.extend(self.take(decoded).err()),
                Err(error) => errors.push(error),
            }
        }
        errors
    }

    fn take(&mut self, decoded: Decoded) -> Result<()> {
        let Decoded { sweep, place, source, frames } = decoded;
        if sweep != self.sweep {
            return Ok(());
        }
        if source.is_none() {
            let (frames, hz) = frames?;
            // what came meanwhile is newer
            if !frames.is_empty() {
                self.clips.entry(place).or_insert(Clip { frames, hz, ..Clip::default() });
            }
            return Ok(());
        }
        // none for a cell that is not shown any more
        let wanted = self.clips.get_mut(&place).filter(|clip| clip.source == source);
        let Some(clip) = wanted else { return Ok(()) };
        (clip.frames, clip.hz) = frames?;
        clip.shown = None;
        Ok(())
    }

    /// Shows the frame of each cell that is due on the common clock.
    pub(super) fn play(&mut self, ctx: &Context, now: Instant) {
        let passed = now.saturating_duration_since(self.began).as_secs_f64();
        let mut next = f64::INFINITY;
        for clip in self.clips.values_mut().filter(|clip| !clip.frames.is_empty()) {
            let turns = passed * clip.hz;
            let index = turns as usize % clip.frames.len();
            if clip.frames.len() > 1 {
                next = next.min((turns.floor() + 1.0) / clip.hz - passed);
            }
            let Some(frame) = clip.frames.get(index).filter(|_| clip.shown != Some(index)) else { continue };
            clip.shown = Some(index);
            upload(&mut clip.texture, ctx, "cell of a sweep", frame.clone(), TextureOptions::LINEAR);
        }
        if next.is_finite() {
            ctx.request_repaint_after(Duration::from_secs_f64(next.max(0.001)));
        }
    }
}

impl Drop for SweepClips {
    fn drop(&mut self) {
        // the thread is joined
        self.cancel.cancel();
    }
}

/// All frames of a video, made small.
fn decode(path: &Path, cancel: &CancelToken) -> Result<(Vec<ColorImage>, f64)> {
    cancel.check()?;
    let mut reader = Reader::open(path)?;
    let hz = shown_rate_hz(reader.info().rate_hz);
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame()? {
        cancel.check()?;
        if frames.len() == MAX_FRAMES {
            break;
        }
        frames.push(color_image(&smaller(frame, SIDE)?));
    }
    Ok((frames, hz))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn reference() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/compare/reference")
    }

    fn wait(clips: &mut SweepClips, done: impl Fn(&SweepClips) -> bool) {
        let deadline = Instant::now() + Duration::from_mins(1);
        while !done(clips) {
            assert!(Instant::now() < deadline, "it never came");
            std::thread::park_timeout(Duration::from_millis(2));
            assert!(clips.drain().is_empty());
        }
    }

    fn is_there(clips: &SweepClips, place: u32) -> bool {
        clips.clips.get([place].as_slice()).is_some_and(|clip| !clip.frames.is_empty())
    }

    #[test]
    fn a_video_of_another_sweep_does_not_land_in_this_one() {
        let mut clips = SweepClips::start(Arc::new(|| {})).unwrap();
        clips.change_to("first");
        clips.request(&[(vec![0], reference()), (vec![1], reference())].into());
        clips.change_to("second");
        clips.request(&[(vec![1], reference())].into());
        wait(&mut clips, |clips| is_there(clips, 1));
        assert!(!is_there(&clips, 0), "a cell of the first sweep");
        let late = Decoded {
            sweep: "first".to_owned(),
            place: vec![1],
            source: Some(reference()),
            frames: Ok((Vec::new(), 16.0)),
        };
        clips.take(late).unwrap();
        assert!(is_there(&clips, 1), "replaced by an answer for the first sweep");
    }

    #[test]
    fn a_saved_state_is_asked_once_and_replaces_nothing() {
        let frame = |value| Frame { size: crate::core::Resolution::new(1, 1), rgb: vec![value; 3] };
        let mut clips = SweepClips::start(Arc::new(|| {})).unwrap();
        clips.change_to("s");
        clips.preview(vec![1], &[frame(1)]);
        for place in [[0], [1]] {
            clips.request_preview(&place, move || Some(vec![frame(9), frame(9)]));
        }
        wait(&mut clips, |clips| is_there(clips, 0));
        clips.request_preview(&[0], || panic!("it was asked already"));
        clips.request_preview(&[2], || None);
        clips.request_preview(&[3], move || Some(vec![frame(3)]));
        wait(&mut clips, |clips| is_there(clips, 3));
        let count = |place: u32| clips.clips.get([place].as_slice()).map(|clip| clip.frames.len());
        assert_eq!((count(0), count(1), count(2)), (Some(2), Some(1), None));
    }

    #[test]
    fn only_requested_videos_and_previews_stay() {
        let mut clips = SweepClips::start(Arc::new(|| {})).unwrap();
        clips.change_to("s");
        let frame = Frame { size: crate::core::Resolution::new(1, 1), rgb: vec![9; 3] };
        clips.preview(vec![7], std::slice::from_ref(&frame));
        clips.request(&[(vec![0], reference()), (vec![1], reference())].into());
        wait(&mut clips, |clips| is_there(clips, 0) && is_there(clips, 1));
        clips.request(&[(vec![1], reference())].into());
        assert!(!is_there(&clips, 0) && is_there(&clips, 1) && is_there(&clips, 7));
    }
}
