//! Index of an MP4 file: offsets and display order of its samples, and its tags.
//!
//! Files are untrusted input: every size and offset is checked before it is used.

use std::io::{BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use mp4_atom::{
    Atom as _, Avcc, Codec, Colr, Header, Ilst, IlstDataValue, Keys, Mdat, Moof, Moov, ReadAtom as _,
    ReadFrom as _, Stbl, StszSamples, Trak,
};

use crate::core::{Error, Kind, Resolution, Result, open_regular};

use super::color::{ColorRange, ColorSpace, Matrix};
use super::fault::{damaged, io_error};
use super::h264::ParameterSets;
use super::metadata::KEY;
use super::mp4_limits::parse_index;

/// One encoded frame in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SampleRef {
    pub(super) offset: u64,
    pub(super) bytes: u32,
    pub(super) is_sync: bool,
    /// Position in display order.
    pub(super) shown: u32,
}

/// The video track of a file.
#[derive(Clone, Debug)]
pub(super) struct Track {
    pub(super) size: Resolution,
    /// Samples in decoding order.
    pub(super) samples: Vec<SampleRef>,
    pub(super) rate_hz: f64,
    pub(super) sets: ParameterSets,
    pub(super) length_size: usize,
    pub(super) color: ColorSpace,
}

/// Maximum number of samples (nine hours at 60 frames per second); more is treated as damage.
const MAX_SAMPLES: u64 = 2_000_000;
/// Maximum size of the index; more is treated as damage.
const MAX_INDEX_BYTES: u64 = 32 << 20;

/// The top-level boxes of a file.
struct Boxes {
    moov: Option<Moov>,
    has_fragments: bool,
    file_bytes: u64,
}

fn read_boxes(path: &Path) -> Result<Boxes> {
    let failed = |error| io_error("Cannot read", path, error);
    let file = open_regular(path).map_err(failed)?;
    let file_bytes = file.metadata().map_err(failed)?.len();
    let mut file = BufReader::new(file);
    let mut boxes = Boxes { moov: None, has_fragments: false, file_bytes };
    let mut at = 0;
    while at + 8 <= file_bytes {
        file.seek(SeekFrom::Start(at)).map_err(failed)?;
        let Ok(header) = Header::read_from(&mut file) else { break };
        let start = file.stream_position().map_err(failed)?;
        // a box without a size extends to the end of the file
        let rest = file_bytes.saturating_sub(start);
        let bytes = header.size.map_or(rest, |size| size as u64);
        if header.kind == Moov::KIND && boxes.moov.is_none() {
            if bytes > MAX_INDEX_BYTES || bytes > rest {
                return Err(damaged(path, "its index is truncated"));
            }
            let header = Header { kind: header.kind, size: Some(bytes as usize) };
            let mut body = Vec::new();
            file.by_ref().take(bytes).read_to_end(&mut body).map_err(failed)?;
            let moov = parse_index(&body, |mut body| Moov::read_atom(&header, &mut body));
            let invalid = || damaged(path, "its index is invalid");
            let moov = moov.map_err(|error| invalid().because(error))?;
            boxes.moov = Some(moov.map_err(|error| invalid().because(error))?);
        }
        boxes.has_fragments |= header.kind == Moof::KIND;
        at = start.saturating_add(bytes);
        if header.kind == Mdat::KIND && at > file_bytes && boxes.moov.is_none() {
            break;
        }
    }
    Ok(boxes)
}

/// The request as JSON text, if the file has one.
pub(super) fn read_metadata(path: &Path) -> Result<Option<String>> {
    let Some(moov) = read_boxes(path)?.moov else { return Ok(None) };
    let metas = [moov.udta.as_ref().and_then(|udta| udta.meta.as_ref()), moov.meta.as_ref()];
    for meta in metas.into_iter().flatten() {
        let (Some(keys), Some(list)) = (meta.get::<Keys>(), meta.get::<Ilst>()) else { continue };
        for (index, data) in &list.mdta {
            let key = keys.entries.get((*index as usize).wrapping_sub(1));
            if let (true, IlstDataValue::Utf8(text)) =
                (key.is_some_and(|key| key.key_value == KEY), &data.value)
            {
                return Ok(Some(text.clone()));
            }
        }
    }
    Ok(None)
}

/// The first video track; fails if it cannot be decoded or a sample is missing.
pub(super) fn read_track(path: &Path) -> Result<Track> {
    let boxes = read_boxes(path)?;
    let Some(moov) = boxes.moov else {
        return Err(damaged(path, "it has no index and may be truncated"));
    };
    let video = moov.trak.iter().find(|trak| &<[u8; 4]>::from(trak.mdia.hdlr.handler) == b"vide");
    let Some(trak) = video else {
        return Err(Error::new(
            Kind::Unsupported,
            format!("The file has no video track: {}", path.display()),
        )
        .remedy("Open a file with a video track"));
    };
    let track = track_of(path, trak)?;
    if track.samples.is_empty() {
        if boxes.has_fragments || moov.mvex.is_some() {
            return Err(unsupported(path, "fragmented MP4"));
        }
        return Err(damaged(path, "it has no frames"));
    }
    let whole =
        |sample: &&SampleRef| sample.offset.saturating_add(u64::from(sample.bytes)) <= boxes.file_bytes;
    let num_whole = track.samples.iter().filter(whole).count();
    if num_whole < track.samples.len() {
        let what = format!("it is truncated, {num_whole} of {} frames are complete", track.samples.len());
        return Err(damaged(path, &what));
    }
    Ok(track)
}

fn unsupported(path: &Path, what: &str) -> Error {
    Error::new(
        Kind::Unsupported,
        format!("The video is {what}, but only H.264 with 8 bits is supported: {}", path.display()),
    )
    .remedy("Convert it: ffmpeg -i INPUT -c:v libx264 -pix_fmt yuv420p -movflags +faststart OUTPUT.mp4")
}

fn track_of(path: &Path, trak: &Trak) -> Result<Track> {
    let table = &trak.mdia.minf.stbl;
    let (visual, avcc, colr) = match table.stsd.codecs.first() {
        Some(Codec::Avc1(avc1)) => (&avc1.visual, &avc1.avcc, avc1.colr.as_ref()),
        Some(Codec::Avc3(avc3)) => (&avc3.visual, &avc3.avcc, avc3.colr.as_ref()),
        Some(other) => return Err(unsupported(path, &codec_name(other))),
        None => return Err(damaged(path, "its codec is missing")),
    };
    if let Some(what) = undecodable(avcc) {
        return Err(unsupported(path, what));
    }
    let size = Resolution::new(u32::from(visual.width), u32::from(visual.height));
    let samples = samples_of(table).ok_or_else(|| damaged(path, "its index contradicts itself"))?;
    let ticks = table.stts.entries.iter().map(|e| u64::from(e.sample_count) * u64::from(e.sample_delta));
    let ticks = ticks.fold(0, u64::saturating_add);
    if size.area() == 0 || ticks == 0 || trak.mdia.mdhd.timescale == 0 {
        return Err(damaged(path, "it has no size or no duration"));
    }
    Ok(Track {
        size,
        rate_hz: samples.len() as f64 * f64::from(trak.mdia.mdhd.timescale) / ticks as f64,
        samples,
        sets: ParameterSets {
            sps: avcc.sequence_parameter_sets.clone(),
            pps: avcc.picture_parameter_sets.clone(),
        },
        length_size: usize::from(avcc.length_size),
        color: color_of(colr, size),
    })
}

fn codec_name(codec: &Codec) -> String {
    match codec {
        Codec::Hev1(_) | Codec::Hvc1(_) => "HEVC (H.265)".to_owned(),
        Codec::Av01(_) => "AV1".to_owned(),
        Codec::Vp08(_) => "VP8".to_owned(),
        Codec::Vp09(_) => "VP9".to_owned(),
        Codec::Unknown(kind, _) => format!("the codec \"{kind}\""),
        _ => "another codec".to_owned(),
    }
}

/// Formats that `OpenH264` cannot decode, by `profile_idc` of ITU-T H.264 annex A and the extension of `avcC`.
fn undecodable(avcc: &Avcc) -> Option<&'static str> {
    let deep = avcc.ext.as_ref().is_some_and(|ext| ext.bit_depth_luma > 8 || ext.bit_depth_chroma > 8);
    let other_chroma = avcc.ext.as_ref().is_some_and(|ext| ext.chroma_format != 1);
    match avcc.avc_profile_indication {
        110 => Some("H.264 with 10 bits"),
        _ if deep => Some("H.264 with more than 8 bits"),
        122 | 244 => Some("H.264 with full colour resolution or 10 bits"),
        _ if other_chroma => Some("H.264 with another colour resolution than 4:2:0"),
        _ => None,
    }
}

fn color_of(colr: Option<&Colr>, size: Resolution) -> ColorSpace {
    let (matrix, full) = match colr {
        Some(Colr::Nclx { matrix_coefficients, full_range_flag, .. }) => {
            (*matrix_coefficients, *full_range_flag)
        }
        Some(Colr::Nclc { matrix_coefficients, .. }) => (*matrix_coefficients, false),
        _ => return ColorSpace::assumed(size),
    };
    let range = if full { ColorRange::Full } else { ColorRange::Limited };
    // code points of ITU-T H.273 table 4
    match matrix {
        1 => ColorSpace { matrix: Matrix::Bt709, range },
        5 | 6 => ColorSpace { matrix: Matrix::Bt601, range },
        _ => ColorSpace { range, ..ColorSpace::assumed(size) },
    }
}

/// Combines the tables of ISO/IEC 14496-12 sections 8.6 and 8.7; `None` if they contradict each other.
fn samples_of(table: &Stbl) -> Option<Vec<SampleRef>> {
    let sizes = match &table.stsz.samples {
        StszSamples::Different { sizes } if sizes.len() as u64 > MAX_SAMPLES => return None,
        StszSamples::Different { sizes } => sizes.clone(),
        StszSamples::Identical { count, .. } if u64::from(*count) > MAX_SAMPLES => return None,
        StszSamples::Identical { count, size } => vec![*size; *count as usize],
    };
    let mut samples = Vec::with_capacity(sizes.len());
    let mut sizes = sizes.into_iter();
    let runs = &table.stsc.entries;
    if !runs.is_sorted_by_key(|run| run.first_chunk) {
        return None;
    }
    for (chunk, start) in (1_u32..).zip(chunk_offsets(table)) {
        let next_run = runs.partition_point(|run| run.first_chunk <= chunk);
        let run = runs.get(next_run.checked_sub(1)?)?;
        let mut offset = start;
        for bytes in sizes.by_ref().take(run.samples_per_chunk as usize) {
            samples.push(SampleRef { offset, bytes, is_sync: table.stss.is_none(), shown: 0 });
            offset = offset.checked_add(u64::from(bytes))?;
        }
    }
    if sizes.next().is_some() {
        return None;
    }
    for number in table.stss.iter().flat_map(|stss| &stss.entries) {
        samples.get_mut((*number as usize).checked_sub(1)?)?.is_sync = true;
    }
    if let Some(first) = samples.first_mut() {
        first.is_sync = true;
    }
    number_as_shown(table, &mut samples)?;
    Some(samples)
}

fn chunk_offsets(table: &Stbl) -> Vec<u64> {
    match (&table.stco, &table.co64) {
        (Some(stco), _) => stco.entries.iter().map(|&offset| u64::from(offset)).collect(),
        (None, Some(co64)) => co64.entries.clone(),
        (None, None) => Vec::new(),
    }
}

/// Numbers the frames in display order: by decoding time plus offset.
fn number_as_shown(table: &Stbl, samples: &mut [SampleRef]) -> Option<()> {
    let deltas =
        table.stts.entries.iter().flat_map(|e| std::iter::repeat_n(e.sample_delta, e.sample_count as usize));
    let offsets = table.ctts.iter().flat_map(|ctts| &ctts.entries);
    let offsets = offsets.flat_map(|e| std::iter::repeat_n(e.sample_offset, e.sample_count as usize));
    let mut times = Vec::with_capacity(samples.len());
    let mut decoded = 0_i64;
    let mut deltas = deltas.chain(std::iter::repeat(1));
    for (index, offset) in offsets.chain(std::iter::repeat(0)).take(samples.len()).enumerate() {
        times.push((decoded.checked_add(offset)?, index));
        decoded = decoded.checked_add(i64::from(deltas.next()?))?;
    }
    times.sort_unstable();
    for (shown, (_, index)) in (0..).zip(times) {
        samples[index].shown = shown;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use mp4_atom::{Ctts, CttsEntry, Stco, Stsc, StscEntry, Stss, Stsz, Stts, SttsEntry};

    use super::*;

    fn table() -> Stbl {
        let chunk = |first_chunk, samples_per_chunk| StscEntry {
            first_chunk,
            samples_per_chunk,
            sample_description_index: 1,
        };
        Stbl {
            stsz: Stsz { samples: StszSamples::Different { sizes: vec![10, 20, 30, 40] } },
            stsc: Stsc { entries: vec![chunk(1, 1), chunk(2, 2)] },
            stco: Some(Stco { entries: vec![100, 200, 300] }),
            stss: Some(Stss { entries: vec![1, 4] }),
            stts: Stts { entries: vec![SttsEntry { sample_count: 4, sample_delta: 10 }] },
            ..Stbl::default()
        }
    }

    #[test]
    fn chunks_sizes_and_sync_samples_come_together() {
        let samples = samples_of(&table()).unwrap();
        let seen: Vec<_> = samples.iter().map(|s| (s.offset, s.bytes, s.is_sync, s.shown)).collect();
        let expected = [(100, 10, true, 0), (200, 20, false, 1), (220, 30, false, 2), (300, 40, true, 3)];
        assert_eq!(seen, expected);
    }

    #[test]
    fn frames_are_numbered_as_they_are_shown() {
        let mut table = table();
        let offsets = [10, 30, 0, 10].map(|sample_offset| CttsEntry { sample_count: 1, sample_offset });
        table.ctts = Some(Ctts { entries: offsets.to_vec() });
        let shown: Vec<_> = samples_of(&table).unwrap().iter().map(|sample| sample.shown).collect();
        assert_eq!(shown, [0, 2, 1, 3], "times 10, 40, 20, 40");
    }

    #[test]
    fn contradictions_are_refused() {
        let broken: [fn(&mut Stbl); 4] = [
            |table| table.stco = None,
            |table| table.stsc.entries.clear(),
            |table| table.stss = Some(Stss { entries: vec![9] }),
            |table| table.stsz.samples = StszSamples::Identical { count: u32::MAX, size: 1 },
        ];
        for breaks in broken {
            let mut table = table();
            breaks(&mut table);
            assert_eq!(samples_of(&table), None);
        }
    }
}
