//! Samples of fragmented MP4 files, whose index is in `moof` boxes (ISO/IEC 14496-12 section 8.8).

use mp4_atom::{Moof, Tfhd, Trex, TrunEntry};

use super::mp4_samples::{MAX_SAMPLES, SampleRef, SampleTable};

/// Bit `sample_is_non_sync_sample` of the sample flags, section 8.8.3.1.
const NON_SYNC: u32 = 1 << 16;

/// One fragment of a file.
#[derive(Clone, Debug)]
pub(super) struct Fragment {
    /// Offset of the `moof` box in the file.
    pub(super) start: u64,
    pub(super) moof: Moof,
}

/// Values of a sample that its run leaves out.
struct Defaults<'a> {
    header: &'a Tfhd,
    track: Option<&'a Trex>,
}

impl Defaults<'_> {
    fn size(&self, entry: &TrunEntry) -> u32 {
        let default = self.header.default_sample_size.or_else(|| Some(self.track?.default_sample_size));
        entry.size.or(default).unwrap_or(0)
    }

    fn duration(&self, entry: &TrunEntry) -> u32 {
        let default =
            self.header.default_sample_duration.or_else(|| Some(self.track?.default_sample_duration));
        entry.duration.or(default).unwrap_or(0)
    }

    fn is_sync(&self, entry: &TrunEntry) -> bool {
        let default = self.header.default_sample_flags.or_else(|| Some(self.track?.default_sample_flags));
        entry.flags.or(default).unwrap_or(0) & NON_SYNC == 0
    }
}

/// The samples of the track `track_id` in all fragments; `None` if they contradict each other or are too many.
pub(super) fn samples_of(fragments: &[Fragment], track_id: u32, tracks: &[Trex]) -> Option<SampleTable> {
    let (mut samples, mut times) = (Vec::new(), Vec::new());
    let (mut ticks, mut seen) = (0_u64, 0_u64);
    for Fragment { start, moof } in fragments {
        // where the data of a track starts that names no place
        let mut next_data = *start;
        for traf in &moof.traf {
            let header = &traf.tfhd;
            let track = tracks.iter().find(|trex| trex.track_id == header.track_id);
            let defaults = Defaults { header, track };
            let base = match header.base_data_offset {
                Some(base) => base,
                None if header.default_base_is_moof => *start,
                None => next_data,
            };
            let mut decoded = traf.tfdt.as_ref().map_or(ticks, |tfdt| tfdt.base_media_decode_time);
            let mut offset = base;
            for run in &traf.trun {
                seen += run.samples.len() as u64;
                if seen > MAX_SAMPLES {
                    return None;
                }
                if let Some(from_base) = run.data_offset {
                    offset = base.checked_add_signed(from_base.into())?;
                }
                for entry in &run.samples {
                    let (bytes, duration) = (defaults.size(&entry), defaults.duration(&entry));
                    if header.track_id == track_id {
                        times.push(i64::try_from(decoded).ok()?.checked_add(entry.cts.unwrap_or(0))?);
                        samples.push(SampleRef {
                            offset,
                            bytes,
                            is_sync: defaults.is_sync(&entry),
                            shown: 0,
                        });
                        ticks = ticks.checked_add(duration.into())?;
                    }
                    decoded = decoded.checked_add(duration.into())?;
                    offset = offset.checked_add(bytes.into())?;
                }
            }
            next_data = offset;
        }
    }
    Some(SampleTable::new(samples, &times, ticks))
}

#[cfg(test)]
mod tests {
    use mp4_atom::{Tfdt, Traf, Trun, TrunSamples};

    use super::*;

    fn fragment(start: u64, entries: &[TrunEntry]) -> Fragment {
        let tfhd = Tfhd { track_id: 1, default_base_is_moof: true, ..Tfhd::default() };
        let trun = Trun { data_offset: Some(50), samples: TrunSamples::Explicit(entries.to_vec()) };
        let tfdt = Some(Tfdt { base_media_decode_time: start });
        let traf = Traf { tfhd, tfdt, trun: vec![trun], ..Traf::default() };
        Fragment { start, moof: Moof { traf: vec![traf], ..Moof::default() } }
    }

    #[test]
    fn runs_and_defaults_give_samples_in_display_order() {
        let track = Trex {
            track_id: 1,
            default_sample_duration: 10,
            default_sample_size: 7,
            default_sample_flags: NON_SYNC,
            ..Trex::default()
        };
        let first = TrunEntry { flags: Some(0), size: Some(20), ..TrunEntry::default() };
        let late = TrunEntry { cts: Some(20), ..TrunEntry::default() };
        let fragments = [fragment(100, &[first, late, TrunEntry::default()]), fragment(1000, &[first])];
        let table = samples_of(&fragments, 1, std::slice::from_ref(&track)).unwrap();
        let seen: Vec<_> = table.samples.iter().map(|s| (s.offset, s.bytes, s.is_sync, s.shown)).collect();
        let expected = [(150, 20, true, 0), (170, 7, false, 2), (177, 7, false, 1), (1050, 20, true, 3)];
        assert_eq!((seen.as_slice(), table.ticks), (&expected[..], 40));
        assert!(samples_of(&fragments, 2, &[track]).unwrap().samples.is_empty(), "of another track");
    }

    #[test]
    fn a_run_of_too_many_samples_is_refused() {
        let mut huge = fragment(0, &[]);
        huge.moof.traf[0].trun[0].samples = TrunSamples::Inherited { count: u32::MAX, first_flags: None };
        assert!(samples_of(&[huge], 1, &[]).is_none());
    }
}
