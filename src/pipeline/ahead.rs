//! Whether a transformer's session is made while the stage before computes.

use super::memory_plan::{ComponentId, MemoryPlan, Residency};
use crate::core::{Bytes, Provider};
use crate::engine::Prepack;

/// Whether the session of the next transformer is made while the stage before computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ahead {
    /// It is made when it is needed: it is small, its weights are streamed, or a GPU computes.
    No,
    /// It is made ahead, and takes this much beside the sessions that stay loaded.
    Fits(Bytes),
    /// It is made when it is needed, because both would take too much.
    Short {
        /// What both take.
        needed: Bytes,
        /// What they may take.
        room: Bytes,
    },
}

impl MemoryPlan {
    /// The same plan, under which no session is made ahead.
    #[must_use]
    pub fn without_ahead(mut self) -> Self {
        self.ahead_from = None;
        self
    }

    /// Whether the session of `next` is made while the components `beside` compute, one after the other.
    ///
    /// Three quarters of the available memory must hold both, with the pages that are read in place: the job would be
    /// slower if the system dropped those. On a GPU nothing is made ahead: its memory seldom holds the weights of two
    /// networks, and copying them there takes its time from the pass that computes.
    pub fn ahead(&self, next: ComponentId, beside: &[ComponentId]) -> Ahead {
        let plan = self.of(next);
        let (Some(from), Some(available)) = (self.ahead_from, self.available) else { return Ahead::No };
        let is_made = self.provider == Provider::Cpu
            && plan.prepack != Prepack::Streamed
            && plan.weights >= from
            && !beside.contains(&next);
        if !is_made {
            return Ahead::No;
        }
        // one that stays loaded is counted among those already
        let counted = if plan.residency == Residency::BetweenJobs { plan.kept } else { Bytes(0) };
        let more = Bytes(plan.made.0.saturating_sub(counted.0));
        let needed = |one: &ComponentId| {
            let others = self.kept_beside(Some(*one)).0.saturating_add(more.0);
            self.of(*one).computing.0.saturating_add(others)
        };
        let needed = Bytes(beside.iter().map(needed).max().unwrap_or_default());
        let room = Bytes(available.0.saturating_sub(self.reserve.0));
        if needed <= room { Ahead::Fits(more) } else { Ahead::Short { needed, room } }
    }
}

#[cfg(test)]
mod tests {
    use super::ComponentId::{TextEncoder, Transformer, Transformer2};
    use super::*;
    use crate::core::WeightsChoice;
    use crate::pipeline::memory_plan::{ComponentNeeds, Footprint, MemoryNeeds};
    use crate::wan::VaeSplit;

    const GIB: u64 = 1 << 30;

    /// Two transformers of 8 GiB and a text encoder of 4, with 1 GiB of values each. The text encoder's weights are pages of
    /// its file; a transformer's session takes another GiB while it is made.
    fn needs(available_gib: u64) -> MemoryNeeds {
        let component = |(component, needed, droppable, kept, made)| {
            let [needed, droppable, kept, made] = [needed, droppable, kept, made].map(|gib| Bytes(gib * GIB));
            let footprint = Footprint { needed, droppable, kept, made, ..Footprint::default() };
            ComponentNeeds {
                component,
                weights: Bytes(needed.0 + droppable.0 - GIB),
                num_stages: 1,
                packed: footprint,
                in_place: footprint,
                streamed: (component != TextEncoder).then_some(footprint),
            }
        };
        let components = [(TextEncoder, 1, 4, 1, 1), (Transformer, 9, 0, 8, 9), (Transformer2, 9, 0, 8, 9)];
        MemoryNeeds {
            provider: Provider::Cpu,
            second: None,
            available: Some(Bytes(available_gib * GIB)),
            weights: WeightsChoice::Packed,
            quantisation: None,
            components: components.map(component).into(),
            other: Bytes(GIB),
            vae: VaeSplit::Whole,
            keeps_sessions: false,
            ahead_from: Some(Bytes(8 * GIB)),
        }
    }

    fn ahead(needs: &MemoryNeeds, next: ComponentId, beside: ComponentId) -> Ahead {
        MemoryPlan::choose(needs).ahead(next, &[beside])
    }

    #[test]
    fn three_quarters_of_the_memory_must_hold_both() {
        let (needed, more) = (Bytes(14 * GIB), Bytes(9 * GIB));
        let short = Ahead::Short { needed, room: Bytes(18 * GIB - 18 * GIB / 4) };
        assert_eq!(ahead(&needs(18), Transformer, TextEncoder), short, "pages count, too");
        assert_eq!(ahead(&needs(19), Transformer, TextEncoder), Ahead::Fits(more));
        let short = Ahead::Short { needed: Bytes(18 * GIB), room: Bytes(23 * GIB - 23 * GIB / 4) };
        assert_eq!(ahead(&needs(23), Transformer2, Transformer), short);
        assert_eq!(ahead(&needs(24), Transformer2, Transformer), Ahead::Fits(more));
        // the largest of several stages decides
        let plan = MemoryPlan::choose(&needs(23));
        assert_eq!(plan.ahead(Transformer2, &[TextEncoder, Transformer]), short);
    }

    #[test]
    fn a_session_that_stays_loaded_is_counted_once() {
        let kept = |available| MemoryNeeds { keeps_sessions: true, ..needs(available) };
        // only what it takes more while it is made
        assert_eq!(ahead(&kept(99), Transformer2, Transformer), Ahead::Fits(Bytes(GIB)));
        assert_eq!(ahead(&kept(99), Transformer, TextEncoder), Ahead::Fits(Bytes(GIB)));
    }

    #[test]
    fn only_a_large_session_of_the_cpu_that_is_not_streamed_is_made_ahead() {
        let of = |change: &dyn Fn(&mut MemoryNeeds)| {
            let mut needs = needs(99);
            change(&mut needs);
            ahead(&needs, Transformer, TextEncoder)
        };
        assert!(matches!(of(&|_| {}), Ahead::Fits(_)));
        let changes: [&dyn Fn(&mut MemoryNeeds); 5] = [
            &|needs| needs.provider = Provider::Cuda,
            &|needs| needs.weights = WeightsChoice::Streamed,
            &|needs| needs.ahead_from = Some(Bytes(8 * GIB + 1)),
            &|needs| needs.ahead_from = None,
            &|needs| needs.available = None,
        ];
        for change in changes {
            assert_eq!(of(change), Ahead::No);
        }
        assert_eq!(ahead(&needs(99), Transformer, Transformer), Ahead::No, "one transformer for all steps");
        assert_eq!(MemoryPlan::default().ahead(Transformer, &[TextEncoder]), Ahead::No);
        let after_failure = MemoryPlan::choose(&needs(99)).without_ahead();
        assert_eq!(after_failure.ahead(Transformer, &[TextEncoder]), Ahead::No);
    }
}
