//! Which frames of two videos belong together.

use std::ops::Range;

use super::video::ComparedVideo;

/// The frames of a video that are compared with those of the reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alignment {
    /// Frames of the reference that have a partner; empty if the frames cannot be compared.
    pub frames: Range<u32>,
    /// Frame of the video that belongs to frame 0 of the reference.
    pub shift: i32,
    /// Why the frames cannot be compared, or which ones are left out; one sentence each.
    pub notes: Vec<String>,
}

impl Alignment {
    /// Aligns `video`, whose frames come `shift` later, with `reference`.
    ///
    /// Videos of another size have no aligned frames. Of videos of another length, only the common frames are. The rate does
    /// not matter: frames are compared one by one.
    pub fn of(reference: &ComparedVideo, video: &ComparedVideo, shift: i32) -> Self {
        let name = video.name();
        let (size, other) = (reference.info.size, video.info.size);
        if size != other {
            let note = format!(
                "{name} is {other}, the reference {size}: their frames are not compared with each other"
            );
            return Self { frames: 0..0, shift, notes: vec![note] };
        }
        let (own, its) = (i64::from(reference.info.frames.0), i64::from(video.info.frames.0));
        let shift_frames = i64::from(shift);
        let first = (-shift_frames).clamp(0, own);
        let end = (its - shift_frames).clamp(first, own);
        let mut notes = Vec::new();
        if own != its || shift != 0 {
            let count = end - first;
            let moved = match shift {
                0 => String::new(),
                shift => format!(", moved by {shift}"),
            };
            notes.push(format!(
                "Frames compared with {name}: {count} (it has {its}{moved}, the reference {own})"
            ));
        }
        if reference.info.rate_hz != video.info.rate_hz {
            // a GIF's frames last whole hundredths of a second: 7.981220657276996 fps on average
            let rounded = |rate: f64| (rate * 100.0).round() / 100.0;
            let rate = |video: &ComparedVideo| {
                video
                    .info
                    .rate_hz
                    .map_or_else(|| "no rate".to_owned(), |rate| format!("{} fps", rounded(rate)))
            };
            notes.push(format!(
                "{name} has {}, the reference {}: frames are compared one by one",
                rate(video),
                rate(reference)
            ));
        }
        Self { frames: first as u32..end as u32, shift, notes }
    }

    /// The frame of the video that belongs to a frame of the reference.
    pub fn partner(&self, frame: u32) -> Option<u32> {
        self.frames.contains(&frame).then(|| u32::try_from(i64::from(frame) + i64::from(self.shift)).ok())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{FrameCount, Resolution};
    use crate::media::VideoInfo;

    fn video(width: u32, frames: u32, rate: f64) -> ComparedVideo {
        ComparedVideo {
            path: format!("{frames}.mp4").into(),
            id: None,
            draft: None,
            generation_time: None,
            denoising_time: None,
            peak_mb: None,
            step_cache: None,
            info: VideoInfo {
                size: Resolution::new(width, 64),
                frames: FrameCount(frames),
                rate_hz: Some(rate),
            },
        }
    }

    #[test]
    fn common_frames_are_compared_and_what_is_left_out_is_said() {
        let reference = video(64, 17, 8.0);
        let same = Alignment::of(&reference, &video(64, 17, 8.0), 0);
        assert_eq!((same.frames.clone(), same.notes.len(), same.partner(16)), (0..17, 0, Some(16)));
        let shorter = Alignment::of(&reference, &video(64, 5, 16.0), 0);
        assert_eq!(shorter.frames, 0..5);
        assert_eq!(shorter.notes[0], "Frames compared with 5.mp4: 5 (it has 5, the reference 17)");
        assert!(shorter.notes[1].contains("16 fps, the reference 8 fps"), "{:?}", shorter.notes);
        let gif = Alignment::of(&reference, &video(64, 17, 1700.0 / 213.0), 0);
        assert!(gif.notes[0].contains("has 7.98 fps, the reference 8 fps"), "{:?}", gif.notes);
        let other = Alignment::of(&reference, &video(96, 17, 8.0), 0);
        assert!(other.frames.is_empty() && other.notes[0].contains("96x64"), "{:?}", other.notes);
        assert_eq!(other.partner(0), None);
    }

    #[test]
    fn a_shift_moves_the_partners() {
        let reference = video(64, 10, 8.0);
        for (shift, frames, partner) in [(3, 0..7, Some(5)), (-3, 3..10, None), (20, 0..0, None)] {
            let aligned = Alignment::of(&reference, &reference, shift);
            assert_eq!((aligned.frames.clone(), aligned.partner(2)), (frames, partner), "{shift}");
        }
        assert_eq!(Alignment::of(&reference, &reference, -3).partner(3), Some(0));
    }
}
