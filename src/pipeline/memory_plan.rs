//! What is packed, how the VAE is tiled and which sessions stay loaded: decided once, before anything is loaded.

use std::fmt;

use crate::core::{Bytes, Provider, Quantisation, WeightsChoice};
use crate::engine::Prepack;
use crate::wan::VaeSplit;
use crate::wan::graphs::RowChunks;

/// Divisor of the available memory: this part of it is never used for resident sessions.
const RESERVE: u64 = 4;
/// What is kept first. Loading the transformer takes longest; a prompt's embeddings are often known already. The VAE
/// encoder is never kept: what it made of an image is, on disk.
const KEEP_ORDER: [ComponentId; 4] =
    [ComponentId::Transformer, ComponentId::Transformer2, ComponentId::VaeDecoder, ComponentId::TextEncoder];

/// A component that is loaded by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ComponentId {
    /// UMT5.
    TextEncoder,
    /// The half of the VAE that makes latents of images.
    VaeEncoder,
    /// The high-noise expert, or the only transformer.
    Transformer,
    /// The low-noise expert.
    Transformer2,
    /// The half of the VAE that makes frames of latents.
    VaeDecoder,
}

impl fmt::Display for ComponentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TextEncoder => "text encoder",
            Self::VaeEncoder => "VAE encoder",
            Self::Transformer => "transformer",
            Self::Transformer2 => "low-noise expert",
            Self::VaeDecoder => "VAE decoder",
        })
    }
}

/// How long a session stays loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Residency {
    /// For the stage that uses it.
    #[default]
    Stage,
    /// Until the job's last stage that uses it is over.
    Job,
    /// Until its memory is needed for something else.
    BetweenJobs,
}

/// Memory of one component on the device that computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// While it computes, without pages of files that the system can drop.
    pub needed: Bytes,
    /// Pages of files that it reads beside that.
    pub droppable: Bytes,
    /// While its session stays loaded and does not compute.
    pub kept: Bytes,
    /// While its session is made, and before it computes for the first time.
    pub made: Bytes,
    /// How it computes rows.
    pub rows: RowPlan,
}

/// How a transformer computes the rows of its tokens on a GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowPlan {
    /// In how many chunks.
    pub chunks: RowChunks,
    /// The part of its memory that the values of a pass take in one piece; none if they take it piece by piece.
    pub in_one_piece: Bytes,
}

/// What a job takes of one component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ComponentNeeds {
    /// Which component.
    pub component: ComponentId,
    /// Its weights in the type that computes.
    pub weights: Bytes,
    /// Stages of the job that use it.
    pub num_stages: u32,
    /// Its memory if its weights are packed, on a GPU if all of them are loaded.
    pub packed: Footprint,
    /// Its memory if its weights are read in place.
    pub in_place: Footprint,
    /// Its memory if its weights are streamed; `None` if they cannot be.
    pub streamed: Option<Footprint>,
}

/// What a job needs, and what there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryNeeds {
    /// What computes.
    pub provider: Provider,
    /// The memory that the job and the sessions of earlier jobs may take together, if it is known.
    pub available: Option<Bytes>,
    /// The same of a second device with copies of the transformers, if there is one.
    pub second: Option<Bytes>,
    /// What the request says of the weights.
    pub weights: WeightsChoice,
    /// How the transformers are quantised, if they are.
    pub quantisation: Option<Quantisation>,
    /// The components that the job uses.
    pub components: Vec<ComponentNeeds>,
    /// Memory of the largest stage that uses none.
    pub other: Bytes,
    /// How the VAE takes a frame.
    pub vae: VaeSplit,
    /// Whether sessions may stay loaded for the next job.
    pub keeps_sessions: bool,
    /// Weights from which a transformer's session is made while another network computes; `None` for none.
    pub ahead_from: Option<Bytes>,
}

/// What is done with the weights and the session of one component.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ComponentPlan {
    /// Its weights in the type that computes.
    pub weights: Bytes,
    /// Whether they are packed.
    pub prepack: Prepack,
    /// How long its session stays loaded.
    pub residency: Residency,
    /// What the session takes while it stays loaded.
    pub kept: Bytes,
    /// What it takes beside its weights while it computes.
    pub values: Bytes,
    /// What its stage takes while it computes, with the pages of files that it reads.
    pub computing: Bytes,
    /// What the session takes while it is made.
    pub made: Bytes,
    /// How it computes rows.
    pub rows: RowPlan,
}

/// How a job uses the memory of the device that computes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryPlan {
    /// What computes.
    pub(super) provider: Provider,
    /// Memory that the plan was made for, if it is known.
    pub available: Option<Bytes>,
    /// Memory that stays free while sessions are kept. With less, they are dropped.
    pub reserve: Bytes,
    /// How the VAE takes a frame.
    pub vae: VaeSplit,
    /// Weights from which a transformer's session is made while another network computes; `None` for none.
    pub(super) ahead_from: Option<Bytes>,
    components: Vec<(ComponentId, ComponentPlan)>,
}

impl MemoryPlan {
    /// Decides for a job. The same needs give the same plan.
    pub fn choose(needs: &MemoryNeeds) -> Self {
        let least =
            needs.available.map(|available| needs.second.map_or(available, |second| second.min(available)));
        let reserve = Bytes(least.map_or(0, |available| available.0 / RESERVE));
        let footprints: Vec<_> = needs.components.iter().map(|one| (one, needs.footprint(one))).collect();
        let kept = needs.kept(&footprints, reserve);
        let plan = |&(one, footprint): &(&ComponentNeeds, Footprint)| {
            let residency = if kept.contains(&one.component) {
                Residency::BetweenJobs
            } else if one.num_stages > 1 {
                Residency::Job
            } else {
                Residency::Stage
            };
            let plan = ComponentPlan {
                weights: one.weights,
                prepack: needs.prepack(one),
                residency,
                kept: footprint.kept,
                values: Bytes(footprint.needed.0.saturating_sub(one.weights.0)),
                computing: Bytes(footprint.needed.0.saturating_add(footprint.droppable.0)),
                made: footprint.made,
                rows: footprint.rows,
            };
            (one.component, plan)
        };
        Self {
            provider: needs.provider,
            available: needs.available,
            reserve,
            vae: needs.vae,
            ahead_from: needs.ahead_from,
            components: footprints.iter().map(plan).collect(),
        }
    }

    /// What is planned for `component`; one that the job does not use is packed and not kept.
    pub fn of(&self, component: ComponentId) -> ComponentPlan {
        let found = self.components.iter().find(|(planned, _)| *planned == component);
        found.map(|(_, plan)| *plan).unwrap_or_default()
    }

    /// Memory that the weights of `component` may take while it computes, where a provider can stream the others; `None`
    /// if what is available is unknown, or if the component is not planned.
    pub fn weight_budget(&self, component: ComponentId) -> Option<Bytes> {
        let (_, plan) = self.components.iter().find(|(planned, _)| *planned == component)?;
        let others = plan.values.0.saturating_add(self.kept_beside(Some(component)).0);
        Some(Bytes(self.available?.0.saturating_sub(others)))
    }

    /// Memory of the sessions that stay loaded while `component` computes.
    pub fn kept_beside(&self, component: Option<ComponentId>) -> Bytes {
        let others = self.components.iter().filter(|(planned, _)| Some(*planned) != component);
        let kept = others.filter(|(_, plan)| plan.residency == Residency::BetweenJobs);
        Bytes(kept.map(|(_, plan)| plan.kept.0).sum())
    }

    /// Those of `components` that the job uses.
    pub fn planned(&self, components: &[ComponentId]) -> Vec<ComponentId> {
        let is_planned = |one: &&ComponentId| self.components.iter().any(|(planned, _)| planned == *one);
        components.iter().filter(is_planned).copied().collect()
    }

    /// Memory of the copies that stay loaded on a second device while `component` computes there.
    pub fn kept_on_second_beside(&self, component: ComponentId) -> Bytes {
        let others =
            self.components.iter().filter(|(planned, _)| *planned != component && planned.is_on_second());
        let kept = others.filter(|(_, plan)| plan.residency == Residency::BetweenJobs);
        Bytes(kept.map(|(_, plan)| plan.kept.0).sum())
    }
}

impl ComponentId {
    /// Whether a second device has a copy of it.
    fn is_on_second(self) -> bool {
        matches!(self, Self::Transformer | Self::Transformer2)
    }
}

impl MemoryNeeds {
    /// Weights for a GPU are packed if they fit, and streamed to CUDA if not, unless the request says something else. The CPU
    /// reads weights in place that are not packed, and streams those that it would have to convert: converted ones are no
    /// pages of a file.
    ///
    /// An int8 text encoder multiplies a few hundred rows at most with each matrix, and only where an embedding is not
    /// known already. Measured with the whole UMT5, two cores: packing takes 4.9 s of one core and 4.6 GB, and saves 0.3
    /// and 0.6 s in the passes over 24 and 130 tokens. The numbers are the same, which they are not always in fp32, and
    /// in int4 a matrix in place is slow in every pass.
    fn prepack(&self, one: &ComponentNeeds) -> Prepack {
        match self.provider {
            Provider::Cpu => {
                let is_auto = self.weights == WeightsChoice::Auto;
                let is_int8 = self.quantisation == Some(Quantisation::Int8);
                if is_auto && is_int8 && one.component == ComponentId::TextEncoder {
                    return Prepack::InPlace;
                }
                let prepack = Prepack::choose(self.weights, one.weights, self.quantisation, self.available);
                let is_asked = self.weights == WeightsChoice::Streamed;
                let streams = |streamed: Footprint| is_asked || streamed.needed < one.in_place.needed;
                match one.streamed {
                    Some(streamed) if prepack == Prepack::InPlace && streams(streamed) => Prepack::Streamed,
                    _ => prepack,
                }
            }
            Provider::Cuda => self.packed_or_streamed(one),
            _ => Prepack::choose(self.weights, one.weights, self.quantisation, None),
        }
    }

    fn packed_or_streamed(&self, one: &ComponentNeeds) -> Prepack {
        let on_second = self.second.filter(|_| one.component.is_on_second());
        let mut available = self.available.into_iter().chain(on_second);
        let is_too_large = available.any(|available| one.packed.needed > available);
        let streams = match self.weights {
            WeightsChoice::Auto => is_too_large,
            WeightsChoice::Packed => false,
            WeightsChoice::InPlace | WeightsChoice::Streamed => true,
        };
        let needs_less = one.streamed.is_some_and(|streamed| streamed.needed < one.packed.needed);
        if streams && needs_less { Prepack::Streamed } else { Prepack::Packed }
    }

    fn footprint(&self, one: &ComponentNeeds) -> Footprint {
        match self.prepack(one) {
            Prepack::Packed => one.packed,
            Prepack::InPlace => one.in_place,
            Prepack::Streamed => one.streamed.unwrap_or(one.packed),
        }
    }

    /// The components that stay loaded: as many as leave the reserve free in every stage.
    fn kept(&self, footprints: &[(&ComponentNeeds, Footprint)], reserve: Bytes) -> Vec<ComponentId> {
        let mut kept: Vec<ComponentId> = Vec::new();
        let (Some(available), true) = (self.available, self.keeps_sessions) else { return kept };
        let room = available.0 - reserve.0;
        let fits = |kept: &[ComponentId]| {
            let beside = |computes: Option<ComponentId>| -> u64 {
                let others = footprints
                    .iter()
                    .filter(|(one, _)| kept.contains(&one.component) && Some(one.component) != computes);
                others.map(|(_, footprint)| footprint.kept.0).sum()
            };
            let fits = |(one, footprint): &(&ComponentNeeds, Footprint)| {
                beside(Some(one.component)).saturating_add(footprint.needed.0) <= room
            };
            footprints.iter().all(fits) && beside(None).saturating_add(self.other.0) <= room
        };
        let fits_on_second = |kept: &[ComponentId]| {
            let Some(second) = self.second else { return true };
            let here = || footprints.iter().filter(|(one, _)| one.component.is_on_second());
            here().all(|(one, footprint)| {
                let others = here()
                    .filter(|(other, _)| kept.contains(&other.component) && other.component != one.component);
                let others: u64 = others.map(|(_, footprint)| footprint.kept.0).sum();
                others.saturating_add(footprint.needed.0) <= second.0.saturating_sub(reserve.0)
            })
        };
        for component in KEEP_ORDER {
            if footprints.iter().any(|(one, _)| one.component == component) {
                kept.push(component);
                if !(fits(&kept) && fits_on_second(&kept)) {
                    kept.pop();
                }
            }
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::ComponentId::{TextEncoder, Transformer, Transformer2, VaeDecoder, VaeEncoder};
    use super::*;

    const GIB: u64 = 1 << 30;

    /// Weights of this size in GiB that can be pages of their file, and 1 GiB of values that are freed with the session.
    fn component(component: ComponentId, gib: u64) -> ComponentNeeds {
        let footprint = |bytes| Footprint {
            needed: Bytes(bytes + GIB),
            kept: Bytes(bytes + GIB),
            ..Footprint::default()
        };
        ComponentNeeds {
            component,
            weights: Bytes(gib * GIB),
            num_stages: 1,
            packed: footprint(gib * GIB),
            in_place: footprint(0),
            streamed: (!matches!(component, VaeEncoder | VaeDecoder)).then(|| footprint(GIB / 2)),
        }
    }

    /// A model of two transformers of 8 GiB each, a text encoder of 4 and a VAE of 1.
    fn needs(available_gib: Option<u64>) -> MemoryNeeds {
        let components =
            [(TextEncoder, 4), (VaeEncoder, 1), (Transformer, 8), (Transformer2, 8), (VaeDecoder, 1)];
        MemoryNeeds {
            provider: Provider::Cpu,
            second: None,
            available: available_gib.map(|gib| Bytes(gib * GIB)),
            weights: WeightsChoice::Auto,
            quantisation: None,
            components: components.map(|(id, gib)| component(id, gib)).into(),
            other: Bytes(GIB),
            vae: VaeSplit::Tiles(256),
            keeps_sessions: true,
            ahead_from: None,
        }
    }

    fn kept(needs: &MemoryNeeds) -> Vec<ComponentId> {
        let plan = MemoryPlan::choose(needs);
        let stays = |id: &ComponentId| plan.of(*id).residency == Residency::BetweenJobs;
        [TextEncoder, VaeEncoder, Transformer, Transformer2, VaeDecoder].into_iter().filter(stays).collect()
    }

    #[test]
    fn sessions_are_kept_while_a_quarter_stays_free() {
        for (available, expected) in [
            // 9 + 9 + 2 + 5 GiB beside the encoder's 2
            (Some(36), vec![TextEncoder, Transformer, Transformer2, VaeDecoder]),
            // 27 GiB do not go into three quarters of 35
            (Some(35), vec![Transformer, Transformer2, VaeDecoder]),
            // two transformers and the text encoder's stage: 18 + 5
            (Some(31), vec![Transformer, Transformer2]),
            (Some(27), vec![Transformer, VaeDecoder]),
            // read in place, everything fits
            (Some(15), vec![TextEncoder, Transformer, Transformer2, VaeDecoder]),
            (Some(0), vec![]),
            (None, vec![]),
        ] {
            assert_eq!(kept(&needs(available)), expected, "{available:?} GiB");
        }
        assert_eq!(kept(&MemoryNeeds { keeps_sessions: false, ..needs(Some(99)) }), []);
    }

    #[test]
    fn a_component_that_does_not_fit_itself_lets_nothing_stay() {
        let packed = MemoryNeeds { weights: WeightsChoice::Packed, ..needs(Some(11)) };
        assert_eq!(kept(&packed), []);
        // values alone can be too much, too
        let other = MemoryNeeds { other: Bytes(28 * GIB), ..needs(Some(36)) };
        assert_eq!(kept(&other), []);
    }

    #[test]
    fn each_component_is_packed_or_not_by_its_own_size() {
        let plan = MemoryPlan::choose(&needs(Some(15)));
        let prepack = |id| plan.of(id).prepack;
        assert_eq!([TextEncoder, Transformer].map(prepack), [Prepack::Packed, Prepack::InPlace]);
        // a GPU streams what is larger than its free memory
        let on_gpu = |gib, weights| {
            let needs = MemoryNeeds { provider: Provider::Cuda, weights, ..needs(Some(gib)) };
            [TextEncoder, Transformer].map(|id| MemoryPlan::choose(&needs).of(id).prepack)
        };
        assert_eq!(on_gpu(9, WeightsChoice::Auto), [Prepack::Packed; 2]);
        assert_eq!(on_gpu(8, WeightsChoice::Auto), [Prepack::Packed, Prepack::Streamed]);
        assert_eq!(on_gpu(4, WeightsChoice::Auto), [Prepack::Streamed; 2]);
        assert_eq!(on_gpu(8, WeightsChoice::Packed), [Prepack::Packed; 2]);
        assert_eq!(on_gpu(99, WeightsChoice::InPlace), [Prepack::Streamed; 2]);
        assert_eq!(on_gpu(99, WeightsChoice::Streamed), [Prepack::Streamed; 2]);
    }

    #[test]
    fn the_cpu_streams_what_it_would_convert_and_what_it_is_asked_to() {
        let prepack = |weights, converted: bool| {
            let mut needs = MemoryNeeds { weights, ..needs(Some(15)) };
            for one in needs.components.iter_mut().filter(|_| converted) {
                one.in_place = one.packed;
            }
            let plan = MemoryPlan::choose(&needs);
            [TextEncoder, Transformer, VaeDecoder].map(|id| plan.of(id).prepack)
        };
        let (packed, in_place, streamed) = (Prepack::Packed, Prepack::InPlace, Prepack::Streamed);
        assert_eq!(prepack(WeightsChoice::Auto, true), [packed, streamed, packed]);
        assert_eq!(prepack(WeightsChoice::Auto, false), [packed, in_place, packed]);
        assert_eq!(prepack(WeightsChoice::InPlace, true), [streamed, streamed, in_place]);
        assert_eq!(prepack(WeightsChoice::Streamed, false), [streamed, streamed, in_place]);
        assert_eq!(prepack(WeightsChoice::Packed, true), [packed; 3]);
    }

    #[test]
    fn a_second_device_of_less_memory_decides_about_the_transformers_alone() {
        let on = |second: u64| {
            let second = Some(Bytes(second * GIB));
            MemoryPlan::choose(&MemoryNeeds { provider: Provider::Cuda, second, ..needs(Some(99)) })
        };
        let prepack = |second| [TextEncoder, Transformer].map(|id| on(second).of(id).prepack);
        assert_eq!(prepack(9), [Prepack::Packed; 2]);
        assert_eq!(prepack(8), [Prepack::Packed, Prepack::Streamed]);
        // 9 GiB compute while 9 stay
        let kept = |second| on(second).kept_on_second_beside(Transformer);
        assert_eq!([kept(24), kept(23)], [Bytes(9 * GIB), Bytes(0)]);
        assert_eq!(on(24).reserve, Bytes(6 * GIB));
    }

    #[test]
    fn an_int8_text_encoder_is_read_in_place_unless_packing_is_asked_for() {
        let int8 = || MemoryNeeds { quantisation: Some(Quantisation::Int8), ..needs(Some(99)) };
        let prepack = |needs| MemoryPlan::choose(&needs).of(TextEncoder).prepack;
        assert_eq!(prepack(int8()), Prepack::InPlace);
        assert_eq!(MemoryPlan::choose(&int8()).of(Transformer).prepack, Prepack::Packed);
        for packed in [
            needs(Some(99)),
            MemoryNeeds { quantisation: Some(Quantisation::Int4), ..int8() },
            MemoryNeeds { weights: WeightsChoice::Packed, ..int8() },
            MemoryNeeds { provider: Provider::Cuda, ..int8() },
        ] {
            assert_eq!(prepack(packed), Prepack::Packed);
        }
    }

    #[test]
    fn a_transformer_of_two_stages_stays_for_the_job() {
        let mut needs = MemoryNeeds { keeps_sessions: false, ..needs(Some(64)) };
        needs.components[2].num_stages = 2;
        let plan = MemoryPlan::choose(&needs);
        assert_eq!(plan.of(Transformer).residency, Residency::Job);
        assert_eq!(plan.of(Transformer2).residency, Residency::Stage);
        assert_eq!((plan.vae, plan.reserve), (VaeSplit::Tiles(256), Bytes(16 * GIB)));
    }

    #[test]
    fn what_stays_loaded_is_counted_beside_what_computes() {
        let plan = MemoryPlan::choose(&needs(Some(36)));
        assert_eq!(plan.kept_beside(Some(Transformer)), Bytes((9 + 2 + 5) * GIB));
        assert_eq!(plan.kept_beside(None), Bytes((9 + 9 + 2 + 5) * GIB));
        // of 36 GiB, 16 are of sessions that stay and 1 of values
        assert_eq!(plan.weight_budget(Transformer), Some(Bytes(19 * GIB)));
        assert_eq!(MemoryPlan::choose(&needs(None)).weight_budget(Transformer), None);
        assert_eq!(MemoryPlan::default().kept_beside(None), Bytes(0));
    }
}
