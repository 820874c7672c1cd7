//! Index of an MP4 file: offsets and display order of its samples, and its tags.
//!
//! Files are untrusted input: every size and offset is checked before it is used.

use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use mp4_atom::{
    Atom, Avcc, Codec, Colr, Header, Ilst, IlstDataValue, Keys, Mdat, Moof, Moov, Pasp, ReadAtom,
    ReadFrom as _, Trak, Trex, Visual,
};

use crate::core::{Error, Kind, Resolution, Result, open_regular};

use super::color::{ColorRange, ColorSpace, Matrix};
use super::display::Display;
use super::fault::{damaged, io_error};
use super::foreign::to_mp4;
use super::h264::ParameterSets;
use super::metadata::KEY;
use super::mp4_fragments::{self, Fragment};
use super::mp4_limits::parse_index;
use super::mp4_samples::{SampleRef, SampleTable, samples_of};

/// The video track of a file.
#[derive(Clone, Debug)]
pub(super) struct Track {
    /// Size of the stored frames.
    pub(super) size: Resolution,
    /// How stored frames are shown.
    pub(super) display: Display,
    /// Samples in decoding order.
    pub(super) samples: Vec<SampleRef>,
    pub(super) rate_hz: f64,
    pub(super) sets: ParameterSets,
    pub(super) length_size: usize,
    pub(super) color: ColorSpace,
}

/// Maximum size of the index; more is treated as damage.
const MAX_INDEX_BYTES: u64 = 32 << 20;
/// Maximum number of fragments (28 hours of one second each); more is treated as damage.
const MAX_FRAGMENTS: usize = 100_000;

/// The top-level boxes of a file.
struct Boxes {
    moov: Option<Moov>,
    /// The `moof` boxes.
    fragments: Vec<FragmentPlace>,
    file_bytes: u64,
}

/// Where a `moof` box is in the file.
#[derive(Clone, Copy)]
struct FragmentPlace {
    start: u64,
    body: u64,
    body_bytes: u64,
}

fn read_boxes(path: &Path) -> Result<Boxes> {
    let failed = |error| io_error("Cannot read", path, error);
    let file = open_regular(path).map_err(failed)?;
    let file_bytes = file.metadata().map_err(failed)?.len();
    let mut file = BufReader::new(file);
    let mut boxes = Boxes { moov: None, fragments: Vec::new(), file_bytes };
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
            boxes.moov = Some(read_box(path, &mut file, bytes)?);
        }
        if header.kind == Moof::KIND {
            if boxes.fragments.len() == MAX_FRAGMENTS {
                return Err(damaged(path, "it has too many fragments"));
            }
            boxes.fragments.push(FragmentPlace { start: at, body: start, body_bytes: bytes });
        }
        at = start.saturating_add(bytes);
        if header.kind == Mdat::KIND && at > file_bytes && boxes.moov.is_none() {
            break;
        }
    }
    Ok(boxes)
}

/// Reads the body of a box of the index, which is the next `bytes` of `file`.
fn read_box<T: ReadAtom + Atom + Send>(path: &Path, file: &mut BufReader<File>, bytes: u64) -> Result<T> {
    let mut body = Vec::new();
    file.by_ref().take(bytes).read_to_end(&mut body).map_err(|error| io_error("Cannot read", path, error))?;
    let header = Header { kind: T::KIND, size: Some(body.len()) };
    let invalid = || damaged(path, "its index is invalid");
    let parsed = parse_index(&body, |mut body| T::read_atom(&header, &mut body));
    parsed.map_err(|error| invalid().because(error))?.map_err(|error| invalid().because(error))
}

/// Reads the `moof` boxes at `places`.
fn read_fragments(path: &Path, places: &[FragmentPlace]) -> Result<Vec<Fragment>> {
    if places.iter().map(|place| place.body_bytes).fold(0, u64::saturating_add) > MAX_INDEX_BYTES {
        return Err(damaged(path, "its index is too large or truncated"));
    }
    let failed = |error| io_error("Cannot read", path, error);
    let mut file = BufReader::new(open_regular(path).map_err(failed)?);
    let mut fragments = Vec::with_capacity(places.len());
    for place in places {
        file.seek(SeekFrom::Start(place.body)).map_err(failed)?;
        fragments.push(Fragment { start: place.start, moof: read_box(path, &mut file, place.body_bytes)? });
    }
    Ok(fragments)
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
    let table = samples_of(&trak.mdia.minf.stbl);
    let table = if boxes.fragments.is_empty() || table.as_ref().is_some_and(|table| !table.samples.is_empty())
    {
        table
    } else {
        let defaults: &[Trex] = moov.mvex.as_ref().map_or(&[], |mvex| &mvex.trex);
        let fragments = read_fragments(path, &boxes.fragments)?;
        mp4_fragments::samples_of(&fragments, trak.tkhd.track_id, defaults)
    };
    let table = table.ok_or_else(|| damaged(path, "its index contradicts itself"))?;
    if table.samples.is_empty() {
        return Err(damaged(path, "it has no frames and may be truncated"));
    }
    let track = track_of(path, trak, table)?;
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
    .remedy(format!("Convert it: {}", to_mp4(path)))
}

/// The sample entry of an H.264 track.
struct AvcEntry<'a> {
    visual: &'a Visual,
    avcc: &'a Avcc,
    colr: Option<&'a Colr>,
    pasp: Option<&'a Pasp>,
}

fn track_of(path: &Path, trak: &Trak, table: SampleTable) -> Result<Track> {
    let AvcEntry { visual, avcc, colr, pasp } = match trak.mdia.minf.stbl.stsd.codecs.first() {
        Some(Codec::Avc1(avc1)) => AvcEntry {
            visual: &avc1.visual,
            avcc: &avc1.avcc,
            colr: avc1.colr.as_ref(),
            pasp: avc1.pasp.as_ref(),
        },
        Some(Codec::Avc3(avc3)) => AvcEntry {
            visual: &avc3.visual,
            avcc: &avc3.avcc,
            colr: avc3.colr.as_ref(),
            pasp: avc3.pasp.as_ref(),
        },
        Some(other) => return Err(unsupported(path, &codec_name(other))),
        None => return Err(damaged(path, "its codec is missing")),
    };
    if let Some(what) = undecodable(avcc) {
        return Err(unsupported(path, what));
    }
    let size = Resolution::new(u32::from(visual.width), u32::from(visual.height));
    let SampleTable { samples, ticks } = table;
    if size.area() == 0 || ticks == 0 || trak.mdia.mdhd.timescale == 0 {
        return Err(damaged(path, "it has no size or no duration"));
    }
    Ok(Track {
        size,
        display: Display::new(&trak.tkhd.matrix, pasp),
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
