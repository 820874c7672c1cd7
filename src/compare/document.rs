//! The document that `wandeck compare --json` prints.

use serde::Serialize;

use super::measure::Measurements;
use super::settings::{SettingRow, differing_settings};
use super::video::ComparedVideo;
use crate::core::{Secs, StepCacheRecord};
use crate::metrics::{ClipCurves, ClipMetric, DifferenceCurves, DifferenceMetric};

/// A comparison of videos; the first one is the reference.
#[derive(Clone, Debug, Serialize)]
pub struct ComparisonDocument<'a> {
    /// The settings that differ.
    pub settings: Vec<SettingRow>,
    /// What is not compared or left out.
    pub notes: Vec<&'a str>,
    /// The videos.
    pub videos: Vec<VideoField<'a>>,
}

/// One compared video.
#[derive(Clone, Debug, Serialize)]
pub struct VideoField<'a> {
    /// The file.
    pub path: &'a std::path::Path,
    /// Id in the history.
    pub id: Option<&'a str>,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Number of frames.
    pub frames: u32,
    /// Frames per second.
    pub rate_hz: Option<f64>,
    /// Time from the start of validation to the checked file, in seconds.
    pub generation_time_s: Option<Secs>,
    /// Time of the denoising steps in seconds.
    pub denoising_time_s: Option<Secs>,
    /// Peak memory in MiB.
    pub peak_mb: Option<f64>,
    /// What the step cache saved.
    pub step_cache: Option<&'a StepCacheRecord>,
    /// Difference to the reference; null for the reference and where frames cannot be compared.
    pub difference_to_reference: Option<DifferenceField<'a>>,
    /// Properties of the video.
    pub clip: ClipField<'a>,
}

/// Differences to the reference, for the whole video and frame by frame.
#[derive(Clone, Debug, Serialize)]
pub struct DifferenceField<'a> {
    /// Whether all frames are the same.
    pub identical: bool,
    /// PSNR of the video in dB.
    pub psnr: Option<f64>,
    /// Mean SSIM.
    pub ssim: Option<f64>,
    /// Mean MS-SSIM.
    pub ms_ssim: Option<f64>,
    /// Mean SSIMULACRA2.
    pub ssimulacra2: Option<f64>,
    /// The values of each frame.
    pub curves: &'a DifferenceCurves,
}

/// Properties of a video, as a whole and frame by frame.
#[derive(Clone, Debug, Serialize)]
pub struct ClipField<'a> {
    /// Mean motion.
    pub motion: Option<f64>,
    /// Mean flicker.
    pub flicker: Option<f64>,
    /// Largest colour drift.
    pub colour_drift: Option<f64>,
    /// Mean sharpness.
    pub sharpness: Option<f64>,
    /// The values of each frame.
    pub curves: &'a ClipCurves,
}

impl<'a> ComparisonDocument<'a> {
    /// The document of what was measured of `videos`.
    pub fn new(videos: &'a [ComparedVideo], measured: &'a Measurements) -> Self {
        let of_videos = videos.iter().zip(&measured.differences).zip(&measured.clips);
        Self {
            settings: differing_settings(videos),
            notes: measured.notes().collect(),
            videos: of_videos
                .map(|((video, difference), clip)| video_field(video, difference.as_ref(), clip))
                .collect(),
        }
    }
}

fn video_field<'a>(
    video: &'a ComparedVideo,
    difference: Option<&'a DifferenceCurves>,
    clip: &'a ClipCurves,
) -> VideoField<'a> {
    VideoField {
        path: &video.path,
        id: video.id.as_deref(),
        width: video.info.size.width,
        height: video.info.size.height,
        frames: video.info.frames.0,
        rate_hz: video.info.rate_hz,
        generation_time_s: video.generation_time,
        denoising_time_s: video.denoising_time,
        peak_mb: video.peak_mb,
        step_cache: video.step_cache.as_ref(),
        difference_to_reference: difference.map(|curves| DifferenceField {
            identical: curves.is_identical(),
            psnr: curves.mean(DifferenceMetric::Psnr),
            ssim: curves.mean(DifferenceMetric::Ssim),
            ms_ssim: curves.mean(DifferenceMetric::MsSsim),
            ssimulacra2: curves.mean(DifferenceMetric::Ssimulacra2),
            curves,
        }),
        clip: ClipField {
            motion: clip.summary(ClipMetric::Motion),
            flicker: clip.summary(ClipMetric::Flicker),
            colour_drift: clip.summary(ClipMetric::ColourDrift),
            sharpness: clip.summary(ClipMetric::Sharpness),
            curves: clip,
        },
    }
}
