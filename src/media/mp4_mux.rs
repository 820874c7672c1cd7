//! Writer of MP4 files with the layout `ftyp moov mdat`, so that a player can start before it has the whole file.
//!
//! The index precedes the samples, so they stay in memory until the end. Metadata is stored as `QuickTime` keys
//! (`moov/udta/meta`, handler `mdta`), which ffmpeg and other tools show as tags.

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use mp4_atom::{
    Avc1, Avcc, Codec, Colr, Dinf, Dref, Encode as _, FourCC, Ftyp, Hdlr, Header, Ilst, IlstData,
    IlstDataValue, KeyEntry, Keys, Mdat, Mdhd, Mdia, Meta, Minf, Moov, Mvhd, Pasp, Stbl, Stco, Stsc,
    StscEntry, Stsd, Stss, Stsz, StszSamples, Stts, SttsEntry, Tkhd, Trak, Udta, Url, Visual, Vmhd,
};

use crate::core::{Fps, Frame, Resolution, Result};

use super::fault::{codec_error, io_error};
use super::h264::{Encoder, ParameterSets, Sample};
use super::metadata::{KEY, Metadata};
use super::staged::{StagedFile, StagedVideo};
use super::target::OutputTarget;

/// Ticks per frame: the time scale is a multiple of the rate, so the time of every frame is exact.
const TICKS_PER_FRAME: u32 = 512;
/// Code point of BT.709 in ITU-T H.273, for primaries, transfer and matrix alike.
const BT709: u16 = 1;

/// Writer of an MP4 file.
pub(super) struct Mp4Writer {
    file: StagedFile,
    path: PathBuf,
    encoder: Encoder,
    samples: Vec<Sample>,
    fps: Fps,
}

impl Mp4Writer {
    pub(super) fn create(target: &OutputTarget, size: Resolution, fps: Fps) -> Result<Self> {
        let encoder = Encoder::new(size, fps)?;
        let path = target.path().to_path_buf();
        Ok(Self { file: StagedFile::create(target)?, path, encoder, samples: Vec::new(), fps })
    }

    pub(super) fn hidden(&self) -> &Path {
        self.file.hidden()
    }

    pub(super) fn push(&mut self, frame: &Frame) -> Result<()> {
        self.samples.push(self.encoder.encode(frame)?);
        Ok(())
    }

    pub(super) fn finish(mut self, metadata: &Metadata) -> Result<StagedVideo> {
        let failed = |error| codec_error("The MP4 index could not be made", error);
        let layout =
            Layout { samples: &self.samples, size: self.encoder.stored_size(), fps: self.fps, metadata };
        let sets = self.encoder.parameter_sets();
        let head = layout.head(sets).map_err(failed)?;
        let file = BufWriter::new(self.file.file());
        write_all(file, &head, &self.samples).map_err(|error| io_error("Cannot write", &self.path, error))?;
        let note = self.encoder.coarser().map(|quantiser| {
            format!(
                "The video has more detail than H.264 can store at full quality; quantiser {quantiser} was used. \
                 Write a PNG sequence to keep every pixel"
            )
        });
        Ok(self.file.ready()?.with_note(note))
    }
}

fn write_all(
    mut file: BufWriter<&mut std::fs::File>,
    head: &[u8],
    samples: &[Sample],
) -> std::io::Result<()> {
    file.write_all(head)?;
    for sample in samples {
        file.write_all(&sample.data)?;
    }
    file.flush()
}

/// The data that the boxes before the samples are made from.
struct Layout<'a> {
    samples: &'a [Sample],
    size: Resolution,
    fps: Fps,
    metadata: &'a Metadata,
}

impl Layout<'_> {
    /// The bytes of the file before the first sample.
    fn head(&self, sets: &ParameterSets) -> mp4_atom::Result<Vec<u8>> {
        let mut head = Vec::new();
        let brands = [b"isom", b"iso2", b"avc1", b"mp41"].map(FourCC::new);
        let (major_brand, compatible_brands) = (brands[0], brands.to_vec());
        Ftyp { major_brand, minor_version: 0x200, compatible_brands }.encode(&mut head)?;
        let before_moov = head.len();
        let mdat = Header { kind: <Mdat as mp4_atom::Atom>::KIND, size: Some(self.media_bytes()) };

        // the offset is a fixed-size field, so a first pass with any value gives the final length
        let mut end = 0;
        for _ in 0..2 {
            let offset = u32::try_from(end).map_err(|_large| mp4_atom::Error::InvalidSize)?;
            head.truncate(before_moov);
            self.moov(sets, offset)?.encode(&mut head)?;
            mdat.encode(&mut head)?;
            end = head.len();
        }
        Ok(head)
    }

    fn media_bytes(&self) -> usize {
        self.samples.iter().map(|sample| sample.data.len()).sum()
    }

    fn timescale(&self) -> u32 {
        self.fps.0 * TICKS_PER_FRAME
    }

    fn duration(&self) -> u64 {
        self.samples.len() as u64 * u64::from(TICKS_PER_FRAME)
    }

    fn moov(&self, sets: &ParameterSets, media_offset: u32) -> mp4_atom::Result<Moov> {
        // no creation times, so that the same request gives the same bytes
        let mvhd = Mvhd {
            timescale: self.timescale(),
            duration: self.duration(),
            rate: 1.into(),
            volume: 1.into(),
            next_track_id: TRACK_ID + 1,
            ..Mvhd::default()
        };
        let tkhd = Tkhd {
            track_id: TRACK_ID,
            duration: self.duration(),
            enabled: true,
            in_movie: true,
            width: (self.size.width as u16).into(),
            height: (self.size.height as u16).into(),
            ..Tkhd::default()
        };
        let mdia = Mdia {
            mdhd: Mdhd {
                timescale: self.timescale(),
                duration: self.duration(),
                language: "und".into(),
                ..Mdhd::default()
            },
            hdlr: Hdlr { handler: FourCC::new(b"vide"), name: "VideoHandler".into() },
            minf: Minf {
                vmhd: Some(Vmhd::default()),
                dinf: Dinf { dref: Dref { entries: vec![Url { location: String::new() }.into()] } },
                stbl: self.sample_table(sets, media_offset)?,
                ..Minf::default()
            },
        };
        let trak = Trak { tkhd, mdia, ..Trak::default() };
        let udta = Udta { meta: Some(keyed_tags(self.metadata)), ..Udta::default() };
        Ok(Moov { mvhd, trak: vec![trak], udta: Some(udta), ..Moov::default() })
    }

    fn sample_table(&self, sets: &ParameterSets, media_offset: u32) -> mp4_atom::Result<Stbl> {
        let count = self.samples.len() as u32;
        let sync = (1..).zip(self.samples).filter(|(_, sample)| sample.is_sync).map(|(number, _)| number);
        Ok(Stbl {
            stsd: Stsd { codecs: vec![Codec::Avc1(self.sample_entry(sets)?)] },
            stts: Stts { entries: vec![SttsEntry { sample_count: count, sample_delta: TICKS_PER_FRAME }] },
            stss: Some(Stss { entries: sync.collect() }),
            // all samples in one chunk
            stsc: Stsc {
                entries: vec![StscEntry {
                    first_chunk: 1,
                    samples_per_chunk: count,
                    sample_description_index: 1,
                }],
            },
            stsz: Stsz {
                samples: StszSamples::Different {
                    sizes: self.samples.iter().map(|sample| sample.data.len() as u32).collect(),
                },
            },
            stco: Some(Stco { entries: vec![media_offset] }),
            ..Stbl::default()
        })
    }

    fn sample_entry(&self, sets: &ParameterSets) -> mp4_atom::Result<Avc1> {
        let [Some(sps), Some(pps)] = [sets.sps.first(), sets.pps.first()] else {
            return Err(mp4_atom::Error::MissingContent("parameter sets"));
        };
        let mut avcc = Avcc::new(sps, pps)?;
        avcc.sequence_parameter_sets.clone_from(&sets.sps);
        avcc.picture_parameter_sets.clone_from(&sets.pps);
        Ok(Avc1 {
            visual: Visual {
                data_reference_index: 1,
                width: self.size.width as u16,
                height: self.size.height as u16,
                ..Visual::default()
            },
            avcc,
            colr: Some(Colr::new(BT709, BT709, BT709, false)?),
            pasp: Some(Pasp::new(1, 1)?),
            ..Avc1::default()
        })
    }
}

const TRACK_ID: u32 = 1;

fn keyed_tags(metadata: &Metadata) -> Meta {
    let tags = [("comment", metadata.comment()), (KEY, metadata.json())];
    let key = |name: &str| KeyEntry { key_namespace: FourCC::new(b"mdta"), key_value: name.to_owned() };
    let value = |text: &str| IlstData {
        country_indicator: 0,
        language_indicator: 0,
        value: IlstDataValue::Utf8(text.to_owned()),
    };
    let mut meta =
        Meta { hdlr: Hdlr { handler: FourCC::new(b"mdta"), name: String::new() }, items: Vec::new() };
    meta.push(Keys { entries: tags.iter().map(|(name, _)| key(name)).collect() });
    let mdta = (1..).zip(tags).map(|(index, (_, text))| (index, value(text))).collect();
    meta.push(Ilst { mdta, ..Ilst::default() });
    meta
}
