//! How the components of a run share the memory of a GPU.

use super::facts::PreflightFacts;
use super::{fixes, memory_plan};
use crate::core::Bytes;
use crate::engine::Prepack;
use crate::pipeline::{ComponentId, Residency};
use crate::wan::graphs::RowChunks;

/// The components of which a job may find the session of an earlier one.
const LASTING: [ComponentId; 4] =
    [ComponentId::Transformer, ComponentId::Transformer2, ComponentId::TextEncoder, ComponentId::VaeDecoder];

/// How a run fits into the memory of a GPU: which weights it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceFit {
    /// Those of all components, from one job to the next.
    Resident,
    /// Those of a component while it computes.
    OneAtATime,
    /// Of these components, two blocks at a time; of the others, all while they compute.
    Streamed(Vec<ComponentId>),
    /// The run needs more memory than is free.
    TooLarge,
}

/// Which weights the GPU holds during a run, and the most memory that the run takes, margin included; `None` if the memory
/// is unknown.
pub fn device_fit(facts: &PreflightFacts<'_>) -> Option<(DeviceFit, Bytes)> {
    let device = facts.device?;
    let plan = memory_plan::memory_plan(facts);
    let (peak, _) = fixes::peaks(facts);
    let used: Vec<_> = LASTING.into_iter().filter(|one| plan.of(*one).weights > Bytes(0)).collect();
    let streamed: Vec<_> =
        used.iter().copied().filter(|one| plan.of(*one).prepack == Prepack::Streamed).collect();
    let fit = if peak > device.free.unwrap_or(device.total) {
        DeviceFit::TooLarge
    } else if !streamed.is_empty() {
        DeviceFit::Streamed(streamed)
    } else if used.iter().all(|one| plan.of(*one).residency == Residency::BetweenJobs) {
        DeviceFit::Resident
    } else {
        DeviceFit::OneAtATime
    };
    Some((fit, peak))
}

/// In how many chunks of rows the transformers of a run compute: in more than one only where the GPU's memory is too small for
/// all rows at once.
pub fn row_chunks(facts: &PreflightFacts<'_>) -> RowChunks {
    let plan = memory_plan::memory_plan(facts);
    let [high, low] =
        [ComponentId::Transformer, ComponentId::Transformer2].map(|expert| plan.of(expert).rows.chunks);
    high.max(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{GenRequest, Provider};
    use crate::preflight::check::check;
    use crate::preflight::device::{DeviceFacts, ValueBytes};
    use crate::preflight::fixes_tests::published;
    use crate::preflight::size::ModelSize;
    use crate::preflight::tests::{GIB, facts, request};

    /// Rows are computed in chunks where all of them at once do not fit, and only there.
    #[test]
    fn a_card_computes_in_row_chunks_only_where_it_must() {
        let model = published();
        let value_bytes = ValueBytes { text_encoder: 2, transformer: 2, vae: 4 };
        // with a second card of 12 GiB, the smaller one counts
        for (gib, size, chunks, with_second) in [
            (8, (832, 480), 2, 2),
            (12, (832, 480), 1, 1),
            (12, (1280, 720), 4, 4),
            (16, (1280, 720), 2, 4),
            (24, (1280, 720), 1, 4),
            (32, (832, 480), 2, 1),
            (48, (832, 480), 1, 1),
            (80, (1280, 720), 1, 4),
        ] {
            let asked = request(size.0, size.1, 81);
            let card =
                |gib: u64| DeviceFacts { total: Bytes(gib * GIB), free: Some(Bytes(gib * GIB)), value_bytes };
            let facts = PreflightFacts {
                device: Some(card(gib)),
                provider: Provider::Cuda,
                ..facts(&asked, &model, 64)
            };
            assert!(check(&facts).can_run(), "{gib} GiB {size:?}");
            assert_eq!(row_chunks(&facts).count(), chunks, "{gib} GiB {size:?}");
            let facts = PreflightFacts { second_device: Some(card(12)), ..facts };
            assert_eq!(row_chunks(&facts).count(), with_second, "{gib} GiB {size:?}");
        }
        // two timesteps have norms of their own
        let (asked, model) = (request(1280, 720, 81), ModelSize { expand_timesteps: true, ..model });
        let device = Some(DeviceFacts { total: Bytes(16 * GIB), free: None, value_bytes });
        let chunks = |start_image: Option<&str>| {
            let asked = GenRequest { start_image: start_image.map(Into::into), ..asked.clone() };
            let facts = PreflightFacts { device, provider: Provider::Cuda, ..facts(&asked, &model, 64) };
            row_chunks(&facts).count()
        };
        assert_eq!([chunks(None), chunks(Some("first.png"))], [2, 1]);
    }
}
