//! Random access to the frames of an MP4 file.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use crate::core::{Frame, FrameCount, Result, open_regular};

use super::fault::{damaged, io_error};
use super::h264::Decoder;
use super::mp4_demux::{Track, read_track};
use super::reader::VideoInfo;

/// Reader of an MP4 file.
pub(super) struct Mp4Reader {
    path: PathBuf,
    file: File,
    track: Track,
    position: Option<Position>,
}

/// State of the decoder.
struct Position {
    decoder: Decoder,
    /// Index of the next sample to decode.
    next_sample: usize,
    /// Index of the next frame in display order.
    next_shown: u32,
    /// Decoded frames after the last sample, `next_shown` first.
    ready: VecDeque<Frame>,
}

impl Mp4Reader {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let track = read_track(path)?;
        let file = open_regular(path).map_err(|error| io_error("Cannot read", path, error))?;
        Ok(Self { path: path.to_path_buf(), file, track, position: None })
    }

    pub(super) fn info(&self) -> VideoInfo {
        let Track { size, display, rate_hz, samples, .. } = &self.track;
        VideoInfo {
            size: display.size(*size),
            frames: FrameCount(samples.len() as u32),
            rate_hz: Some(*rate_hz),
        }
    }

    /// Decodes frame `index` in display order; continues from the current position where that is faster.
    pub(super) fn frame(&mut self, index: u32) -> Result<Frame> {
        let start = self.sync_before(index);
        let position = self.position.take().filter(|position| {
            let is_past_start = position.next_shown >= self.track.samples[start].shown;
            position.next_shown == index || (is_past_start && position.next_shown < index)
        });
        let mut position = match position {
            Some(position) => position,
            None => Position {
                decoder: Decoder::new(&self.track.sets, self.track.length_size)?,
                next_sample: start,
                next_shown: self.track.samples[start].shown,
                ready: VecDeque::new(),
            },
        };
        let frame = self.decode_until(&mut position, index)?;
        self.position = Some(position);
        if frame.size == self.track.size {
            Ok(self.track.display.apply(frame))
        } else {
            Err(damaged(&self.path, &format!("frame {index} is {}, not {}", frame.size, self.track.size)))
        }
    }

    /// The last sample at or before frame `index` where decoding can start.
    fn sync_before(&self, index: u32) -> usize {
        let sync = self.track.samples.iter().enumerate().filter(|(_, s)| s.is_sync && s.shown <= index);
        sync.max_by_key(|(_, sample)| sample.shown).map_or(0, |(number, _)| number)
    }

    fn decode_until(&mut self, position: &mut Position, index: u32) -> Result<Frame> {
        let color = self.track.color;
        let mut sample = Vec::new();
        loop {
            while let Some(frame) = position.ready.pop_front() {
                position.next_shown += 1;
                if position.next_shown == index + 1 {
                    return Ok(frame);
                }
            }
            let Some(place) = self.track.samples.get(position.next_sample) else {
                let rest = position.decoder.finish()?;
                if rest.is_empty() {
                    return Err(damaged(&self.path, &format!("frame {index} is missing")));
                }
                position.ready.extend(rest.iter().map(|frame| frame.to_frame(color)));
                continue;
            };
            sample.resize(place.bytes as usize, 0);
            let read = self.file.seek(SeekFrom::Start(place.offset));
            read.and_then(|_| self.file.read_exact(&mut sample))
                .map_err(|error| io_error("Cannot read", &self.path, error))?;
            position.next_sample += 1;
            if let Some(decoded) = position.decoder.decode(&sample)? {
                position.next_shown += 1;
                if position.next_shown == index + 1 {
                    return Ok(decoded.to_frame(color));
                }
            }
        }
    }
}
