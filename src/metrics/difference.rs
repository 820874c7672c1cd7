//! The difference of two frames, and of two videos frame by frame.

use fast_ssim2::{PixelDescriptor, PixelSlice, compute_ssimulacra2};
use serde::Serialize;

use super::luma::Luma;
use super::metric::DifferenceMetric;
use super::ssim;
use crate::core::{Error, Frame, Kind, Result};

/// Shortest side that SSIMULACRA2 is defined for, in pixels.
const SSIMULACRA2_SIDE: u32 = 8;

/// How far a frame is from the frame of the reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrameDifference {
    /// Mean squared difference of the bytes; 0 for identical frames.
    pub mean_square: f64,
    /// SSIM; `None` for frames with a side under 11 pixels.
    pub ssim: Option<f64>,
    /// MS-SSIM; `None` for frames with a side under 11 pixels.
    pub ms_ssim: Option<f64>,
    /// SSIMULACRA2; `None` for frames with a side under 8 pixels.
    pub ssimulacra2: Option<f64>,
}

/// Compares two frames of one size.
pub fn frame_difference(reference: &Frame, other: &Frame) -> Result<FrameDifference> {
    if reference.size != other.size {
        let message = format!("A frame of {} cannot be compared with one of {}", other.size, reference.size);
        return Err(Error::new(Kind::Input, message).remedy("Choose videos of the same size"));
    }
    let squares = reference.rgb.iter().zip(&other.rgb).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2));
    let mean_square = squares.sum::<u64>() as f64 / reference.rgb.len().max(1) as f64;
    let similar = ssim::similarities(Luma::of(reference), Luma::of(other));
    Ok(FrameDifference {
        mean_square,
        ssim: similar.as_ref().map(|means| means.ssim),
        ms_ssim: similar.as_ref().map(|means| means.ms_ssim),
        ssimulacra2: ssimulacra2(reference, other)?,
    })
}

fn ssimulacra2(reference: &Frame, other: &Frame) -> Result<Option<f64>> {
    let size = reference.size;
    if size.width.min(size.height) < SSIMULACRA2_SIDE {
        return Ok(None);
    }
    let failed = |why: String| Error::new(Kind::Bug, format!("Cannot compute SSIMULACRA2: {why}"));
    let stride = size.width as usize * 3;
    let slice = |frame| PixelSlice::new(frame, size.width, size.height, stride, PixelDescriptor::RGB8_SRGB);
    let one = slice(&reference.rgb).map_err(|error| failed(error.to_string()))?;
    let two = slice(&other.rgb).map_err(|error| failed(error.to_string()))?;
    compute_ssimulacra2(&one, &two).map(Some).map_err(|error| failed(error.to_string()))
}

/// Differences to a reference over the frames of a video.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DifferenceCurves {
    /// Mean squared difference of each frame.
    #[serde(skip)]
    pub mean_square: Vec<f64>,
    /// PSNR of each frame in dB; `None` for identical frames.
    pub psnr: Vec<Option<f64>>,
    /// SSIM of each frame.
    pub ssim: Vec<Option<f64>>,
    /// MS-SSIM of each frame.
    pub ms_ssim: Vec<Option<f64>>,
    /// SSIMULACRA2 of each frame.
    pub ssimulacra2: Vec<Option<f64>>,
}

impl DifferenceCurves {
    /// Adds the next frame.
    pub fn push(&mut self, frame: &FrameDifference) {
        self.mean_square.push(frame.mean_square);
        self.psnr.push(psnr(frame.mean_square));
        self.ssim.push(frame.ssim);
        self.ms_ssim.push(frame.ms_ssim);
        self.ssimulacra2.push(frame.ssimulacra2);
    }

    /// The curve of a metric.
    pub fn of(&self, metric: DifferenceMetric) -> &[Option<f64>] {
        match metric {
            DifferenceMetric::Psnr => &self.psnr,
            DifferenceMetric::Ssim => &self.ssim,
            DifferenceMetric::MsSsim => &self.ms_ssim,
            DifferenceMetric::Ssimulacra2 => &self.ssimulacra2,
        }
    }

    /// The value of a metric for the whole video: the mean over the frames; for PSNR that of the squared differences.
    ///
    /// `None` where no frame has a value; for PSNR that means identical videos.
    pub fn mean(&self, metric: DifferenceMetric) -> Option<f64> {
        let mean = |values: &[Option<f64>]| {
            let known: Vec<f64> = values.iter().copied().flatten().collect();
            super::mean_of(&known)
        };
        match metric {
            DifferenceMetric::Psnr => super::mean_of(&self.mean_square).and_then(psnr),
            metric => mean(self.of(metric)),
        }
    }

    /// Whether all frames are identical.
    pub fn is_identical(&self) -> bool {
        self.mean_square.iter().all(|square| *square <= 0.0)
    }
}

/// PSNR in dB of 8-bit values; `None` for identical ones.
pub fn psnr(mean_square: f64) -> Option<f64> {
    (mean_square > 0.0).then(|| 10.0 * (255.0 * 255.0 / mean_square).log10())
}
