//! Reads the frames of videos and measures them.

use super::align::Alignment;
use super::video::ComparedVideo;
use crate::core::{CancelToken, Frame, Result};
use crate::media::Reader;
use crate::metrics::{ClipCurves, ClipMeter, DifferenceCurves, frame_difference};

/// Numbers about compared videos; the first one is the reference.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measurements {
    /// Difference to the reference; `None` for the reference itself and for a video whose frames cannot be compared.
    pub differences: Vec<Option<DifferenceCurves>>,
    /// Properties of each video.
    pub clips: Vec<ClipCurves>,
    /// The aligned frames of each video.
    pub alignments: Vec<Alignment>,
}

impl Measurements {
    /// What was left out or is not compared, one sentence each.
    pub fn notes(&self) -> impl Iterator<Item = &str> {
        self.alignments.iter().flat_map(|aligned| aligned.notes.iter().map(String::as_str))
    }
}

/// Measures `videos` against the first one. `shifts` are frames by which the others come later; missing ones are 0.
///
/// `progress` gets the fraction that is done. Memory for one frame of each video is needed.
pub fn measure(
    videos: &[ComparedVideo],
    shifts: &[i32],
    cancel: &CancelToken,
    progress: &mut dyn FnMut(f32),
) -> Result<Measurements> {
    let Some(reference) = videos.first() else { return Ok(Measurements::default()) };
    let shift = |index: usize| shifts.get(index).copied().unwrap_or_default();
    let alignments: Vec<_> = videos
        .iter()
        .enumerate()
        .map(|(index, video)| Alignment::of(reference, video, if index == 0 { 0 } else { shift(index) }))
        .collect();
    let total: u32 = videos.iter().map(|video| video.info.frames.0).sum();
    let mut done = 0;
    let mut measured = Measurements { alignments, ..Measurements::default() };
    for (index, video) in videos.iter().enumerate() {
        let aligned = &measured.alignments[index];
        let mut reader = Reader::open(&video.path)?;
        let mut partners = if index > 0 && !aligned.frames.is_empty() {
            Some((Reader::open(&reference.path)?, DifferenceCurves::default()))
        } else {
            None
        };
        let mut meter = ClipMeter::default();
        let mut frame_index = 0;
        while let Some(frame) = reader.next_frame()? {
            cancel.check()?;
            meter.push(&frame);
            if let Some((reference, curves)) = &mut partners
                && let Some(partner) = frame_of_reference(reference, aligned, frame_index)?
            {
                curves.push(&frame_difference(&partner, &frame)?);
            }
            frame_index += 1;
            done += 1;
            progress(done as f32 / total.max(1) as f32);
        }
        measured.clips.push(meter.finish());
        measured.differences.push(partners.map(|(_, curves)| curves));
    }
    Ok(measured)
}

/// Difference of `video` to `reference`, frame by frame; `None` if their frames cannot be compared.
pub(super) fn difference(
    reference: &ComparedVideo,
    video: &ComparedVideo,
    cancel: &CancelToken,
) -> Result<Option<DifferenceCurves>> {
    if Alignment::of(reference, video, 0).frames.is_empty() {
        return Ok(None);
    }
    let (mut partners, mut frames) = (Reader::open(&reference.path)?, Reader::open(&video.path)?);
    let mut curves = DifferenceCurves::default();
    // up to the end of the shorter one
    while let (Some(partner), Some(frame)) = (partners.next_frame()?, frames.next_frame()?) {
        cancel.check()?;
        curves.push(&frame_difference(&partner, &frame)?);
    }
    Ok(Some(curves))
}

/// The frame of the reference that belongs to frame `index` of a video.
fn frame_of_reference(reference: &mut Reader, aligned: &Alignment, index: u32) -> Result<Option<Frame>> {
    let at = i64::from(index) - i64::from(aligned.shift);
    let Some(at) = u32::try_from(at).ok().filter(|at| aligned.frames.contains(at)) else { return Ok(None) };
    if reference.position() != at {
        reference.seek(at);
    }
    reference.next_frame()
}
