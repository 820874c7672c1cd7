//! Samples of a track from the tables of an MP4 index.

use mp4_atom::{Stbl, StszSamples};

/// Maximum number of samples (nine hours at 60 frames per second); more is treated as damage.
pub(super) const MAX_SAMPLES: u64 = 2_000_000;

/// One encoded frame in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SampleRef {
    pub(super) offset: u64,
    pub(super) bytes: u32,
    pub(super) is_sync: bool,
    /// Position in display order.
    pub(super) shown: u32,
}

/// The samples of a track.
#[derive(Clone, Debug)]
pub(super) struct SampleTable {
    /// Samples in decoding order.
    pub(super) samples: Vec<SampleRef>,
    /// Total duration in ticks of the track's timescale.
    pub(super) ticks: u64,
}

impl SampleTable {
    /// Numbers `samples` in display order by their `times`; decoding can always start at the first one.
    pub(super) fn new(mut samples: Vec<SampleRef>, times: &[i64], ticks: u64) -> Self {
        let mut order: Vec<_> = times.iter().zip(0..samples.len()).collect();
        order.sort_unstable();
        for (shown, (_, index)) in (0..).zip(order) {
            samples[index].shown = shown;
        }
        if let Some(first) = samples.first_mut() {
            first.is_sync = true;
        }
        Self { samples, ticks }
    }
}

/// Combines the tables of ISO/IEC 14496-12 sections 8.6 and 8.7; `None` if they contradict each other.
pub(super) fn samples_of(table: &Stbl) -> Option<SampleTable> {
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
    let times = times_of(table, samples.len())?;
    let ticks = table.stts.entries.iter().map(|e| u64::from(e.sample_count) * u64::from(e.sample_delta));
    Some(SampleTable::new(samples, &times, ticks.fold(0, u64::saturating_add)))
}

fn chunk_offsets(table: &Stbl) -> Vec<u64> {
    match (&table.stco, &table.co64) {
        (Some(stco), _) => stco.entries.iter().map(|&offset| u64::from(offset)).collect(),
        (None, Some(co64)) => co64.entries.clone(),
        (None, None) => Vec::new(),
    }
}

/// When each of `count` samples is shown, in ticks: its decoding time plus its composition offset.
fn times_of(table: &Stbl, count: usize) -> Option<Vec<i64>> {
    let deltas =
        table.stts.entries.iter().flat_map(|e| std::iter::repeat_n(e.sample_delta, e.sample_count as usize));
    let offsets = table.ctts.iter().flat_map(|ctts| &ctts.entries);
    let offsets = offsets.flat_map(|e| std::iter::repeat_n(e.sample_offset, e.sample_count as usize));
    let mut times = Vec::with_capacity(count);
    let mut decoded = 0_i64;
    let mut deltas = deltas.chain(std::iter::repeat(1));
    for offset in offsets.chain(std::iter::repeat(0)).take(count) {
        times.push(decoded.checked_add(offset)?);
        decoded = decoded.checked_add(i64::from(deltas.next()?))?;
    }
    Some(times)
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
        let samples = samples_of(&table()).unwrap().samples;
        let seen: Vec<_> = samples.iter().map(|s| (s.offset, s.bytes, s.is_sync, s.shown)).collect();
        let expected = [(100, 10, true, 0), (200, 20, false, 1), (220, 30, false, 2), (300, 40, true, 3)];
        assert_eq!(seen, expected);
    }

    #[test]
    fn frames_are_numbered_as_they_are_shown() {
        let mut table = table();
        let offsets = [10, 30, 0, 10].map(|sample_offset| CttsEntry { sample_count: 1, sample_offset });
        table.ctts = Some(Ctts { entries: offsets.to_vec() });
        let shown: Vec<_> = samples_of(&table).unwrap().samples.iter().map(|sample| sample.shown).collect();
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
            assert!(samples_of(&table).is_none());
        }
    }
}
