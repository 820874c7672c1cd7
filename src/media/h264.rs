//! H.264 encoder and decoder (`OpenH264`). Samples are in MP4 form, with lengths instead of start codes.

use openh264::OpenH264API;
use openh264::decoder::{self, DecoderConfig, Flush};
use openh264::encoder::{
    self, BitRate, EncodedBitStream, EncoderConfig, FrameRate, FrameType, IntraFramePeriod, QpRange,
    RateControlMode, VuiConfig,
};
use openh264::formats::YUVSource;

use crate::core::{Error, Fps, Frame, Kind, Resolution, Result};

use super::color::{ColorSpace, Planes, Yuv420};
use super::fault::codec_error;

/// Quantiser from 0 (lossless) to 51; after a scene cut it may be 2 higher.
///
/// 16 gives a luma PSNR of 44 dB on a noisy scene at 64x64 and at 832x480, with about 2 bits per pixel.
const FINEST: u8 = 16;
/// Increase of the quantiser, up to [`COARSEST`], when `OpenH264` rejects a frame because its encoded size exceeds its raw
/// size, as it does for noise at a fine quantiser.
const COARSER: u8 = 6;
const COARSEST: u8 = 46;
/// Declared bits per pixel; determines the level of the stream, not its quality.
const BITS_PER_PIXEL: f64 = 2.0;
const MIN_BITRATE_BPS: f64 = 1e6;
const MAX_BITRATE_BPS: f64 = 100e6;

/// One encoded frame.
pub(super) struct Sample {
    /// NAL units, each after its length in four bytes.
    pub(super) data: Vec<u8>,
    /// Whether decoding can start here.
    pub(super) is_sync: bool,
}

/// Parameter sets that a decoder needs before the first sample.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ParameterSets {
    pub(super) sps: Vec<Vec<u8>>,
    pub(super) pps: Vec<Vec<u8>>,
}

/// Encoder of frames to samples, one for one.
pub(super) struct Encoder {
    inner: encoder::Encoder,
    yuv: Yuv420,
    fps: Fps,
    finest: u8,
    sets: ParameterSets,
}

impl Encoder {
    /// An encoder for frames of `size`, with a sync sample at least every second.
    pub(super) fn new(size: Resolution, fps: Fps) -> Result<Self> {
        let yuv = Yuv420::new(size);
        let inner = start(yuv.size, fps, FINEST)?;
        Ok(Self { inner, yuv, fps, finest: FINEST, sets: ParameterSets::default() })
    }

    /// The quantiser in use, if it had to be increased.
    pub(super) fn coarser(&self) -> Option<u8> {
        (self.finest > FINEST).then_some(self.finest)
    }

    /// Width and height in the stream.
    pub(super) fn stored_size(&self) -> Resolution {
        self.yuv.size
    }

    /// The parameter sets; empty before the first frame.
    pub(super) fn parameter_sets(&self) -> &ParameterSets {
        &self.sets
    }

    /// Encodes the next frame.
    pub(super) fn encode(&mut self, frame: &Frame) -> Result<Sample> {
        self.yuv.read_rgb(frame);
        let refused = |error| codec_error("The H.264 encoder rejected a frame", error);
        loop {
            match self.inner.encode(&self.yuv) {
                // the encoder cannot continue after an error; a new one starts with a sync sample
                Err(_) if self.finest + COARSER <= COARSEST => {
                    self.finest += COARSER;
                    self.inner = start(self.yuv.size, self.fps, self.finest)?;
                }
                Err(error) => return Err(refused(error)),
                Ok(stream) => return sample(&stream, &mut self.sets),
            }
        }
    }
}

/// An encoder with the quantiser `finest`.
fn start(size: Resolution, fps: Fps, finest: u8) -> Result<encoder::Encoder> {
    let rate = size.area() as f64 * f64::from(fps.0) * BITS_PER_PIXEL;
    let config = EncoderConfig::new()
        .max_frame_rate(FrameRate::from_hz(fps.0 as f32))
        .bitrate(BitRate::from_bps(rate.clamp(MIN_BITRATE_BPS, MAX_BITRATE_BPS) as u32))
        // the only mode with a constant quantiser: it reacts to network feedback, and there is none
        .rate_control_mode(RateControlMode::Bufferbased)
        .qp(QpRange::new(finest, finest + 2))
        .skip_frames(false)
        .intra_frame_period(IntraFramePeriod::from_num_frames(fps.0))
        // one thread, so that the same frames give the same bytes on every machine
        .num_threads(1)
        .vui(VuiConfig::bt709());
    encoder::Encoder::with_api_config(OpenH264API::from_source(), config)
        .map_err(|error| codec_error("The H.264 encoder cannot start", error))
}

/// The sample of an encoded frame; parameter sets are added to `sets`.
fn sample(stream: &EncodedBitStream<'_>, sets: &mut ParameterSets) -> Result<Sample> {
    let mut data = Vec::new();
    for layer in (0..stream.num_layers()).filter_map(|index| stream.layer(index)) {
        for unit in (0..layer.nal_count()).filter_map(|index| layer.nal_unit(index)) {
            let unit = without_start_code(unit);
            match unit.first().map(|header| header & 0x1F) {
                Some(NAL_SPS) => keep_once(&mut sets.sps, unit),
                Some(NAL_PPS) => keep_once(&mut sets.pps, unit),
                Some(_) => {
                    data.extend_from_slice(&(unit.len() as u32).to_be_bytes());
                    data.extend_from_slice(unit);
                }
                None => {}
            }
        }
    }
    if data.is_empty() {
        return Err(Error::new(Kind::Bug, "The H.264 encoder skipped a frame"));
    }
    Ok(Sample { data, is_sync: matches!(stream.frame_type(), FrameType::IDR) })
}

impl YUVSource for Yuv420 {
    fn dimensions(&self) -> (usize, usize) {
        (self.size.width as usize, self.size.height as usize)
    }

    fn strides(&self) -> (usize, usize, usize) {
        let width = self.size.width as usize;
        (width, width / 2, width / 2)
    }

    fn y(&self) -> &[u8] {
        &self.y
    }

    fn u(&self) -> &[u8] {
        &self.u
    }

    fn v(&self) -> &[u8] {
        &self.v
    }
}

/// `nal_unit_type` of a sequence parameter set, ITU-T H.264 table 7-1.
const NAL_SPS: u8 = 7;
/// `nal_unit_type` of a picture parameter set.
const NAL_PPS: u8 = 8;

fn without_start_code(unit: &[u8]) -> &[u8] {
    unit.strip_prefix(&[0, 0, 0, 1]).or_else(|| unit.strip_prefix(&[0, 0, 1])).unwrap_or(unit)
}

fn keep_once(sets: &mut Vec<Vec<u8>>, unit: &[u8]) {
    if !sets.iter().any(|set| set == unit) {
        sets.push(unit.to_vec());
    }
}

/// Decoder of samples to frames. Frames are returned in display order, some later than their sample.
pub(super) struct Decoder {
    inner: decoder::Decoder,
    length_size: usize,
    annex_b: Vec<u8>,
}

/// A decoded frame in the decoder's buffers.
pub(super) struct DecodedFrame<'a>(decoder::DecodedYUV<'a>);

impl Decoder {
    /// A decoder for samples whose NAL units are preceded by lengths of `length_size` bytes.
    pub(super) fn new(sets: &ParameterSets, length_size: usize) -> Result<Self> {
        let refused = |error| codec_error("The H.264 decoder cannot start", error);
        let config = DecoderConfig::new().flush_after_decode(Flush::NoFlush);
        let mut inner =
            decoder::Decoder::with_api_config(OpenH264API::from_source(), config).map_err(refused)?;
        let mut annex_b = Vec::new();
        for set in sets.sps.iter().chain(&sets.pps) {
            annex_b.extend_from_slice(&START_CODE);
            annex_b.extend_from_slice(set);
        }
        inner.decode(&annex_b).map_err(refused)?;
        Ok(Self { inner, length_size, annex_b })
    }

    /// Decodes one sample; returns the next frame in display order, if it is known yet.
    pub(super) fn decode(&mut self, sample: &[u8]) -> Result<Option<DecodedFrame<'_>>> {
        self.annex_b.clear();
        let mut rest = sample;
        while let Some((length, tail)) = rest.split_at_checked(self.length_size) {
            let length = length.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
            let Some((unit, tail)) = tail.split_at_checked(length) else {
                return Err(Error::new(Kind::Io, "A frame of the video is damaged"));
            };
            self.annex_b.extend_from_slice(&START_CODE);
            self.annex_b.extend_from_slice(unit);
            rest = tail;
        }
        let decoded = self.inner.decode(&self.annex_b);
        decoded.map(|frame| frame.map(DecodedFrame)).map_err(|error| {
            Error::new(Kind::Io, "A frame of the video cannot be decoded")
                .remedy("Play it with another program, or convert it with ffmpeg")
                .because(error)
        })
    }

    /// The remaining frames after the last sample.
    pub(super) fn finish(&mut self) -> Result<Vec<DecodedFrame<'_>>> {
        let rest = self.inner.flush_remaining();
        rest.map(|rest| rest.into_iter().map(DecodedFrame).collect())
            .map_err(|error| Error::new(Kind::Io, "The end of the video cannot be decoded").because(error))
    }
}

const START_CODE: [u8; 4] = [0, 0, 0, 1];

impl DecodedFrame<'_> {
    /// Converts the frame to RGB.
    pub(super) fn to_frame(&self, space: ColorSpace) -> Frame {
        let (width, height) = self.0.dimensions();
        let (stride_y, stride_uv, _) = self.0.strides();
        let planes = Planes { y: self.0.y(), u: self.0.u(), v: self.0.v(), stride_y, stride_uv };
        space.rgb_from_planes(planes, Resolution::new(width as u32, height as u32))
    }
}
