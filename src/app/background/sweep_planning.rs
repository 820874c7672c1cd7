//! Plans the sweep that is typed and estimates its cost, on threads: a plan makes a job of every cell.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::newest::Newest;
use crate::core::{Draft, Result, Waker};
use crate::plan::{JobOptions, Planner};
use crate::sweep::{Sweep, SweepEstimate, SweepPlan, estimate};

/// Time without a change before a sweep is planned.
const PLAN_REST: Duration = Duration::from_millis(50);
/// Time without a change of the plan before its cost is estimated.
const COST_REST: Duration = Duration::from_millis(250);

/// What sweeps are planned with. Copied when the form has changed, so it is shared.
#[derive(Clone, Debug)]
pub(in crate::app) struct SweepBase {
    /// Models, presets and settings.
    pub(in crate::app) planner: Arc<Planner>,
    /// The form, which every cell starts from.
    pub(in crate::app) draft: Draft,
    /// The options of every job.
    pub(in crate::app) options: JobOptions,
}

impl SweepBase {
    /// Plans a sweep.
    pub(in crate::app) fn plan(&self, sweep: Sweep) -> Result<SweepPlan> {
        SweepPlan::new(&self.planner, sweep, &self.draft, &self.options)
    }
}

/// A sweep to plan.
#[derive(Clone, Debug)]
struct Question {
    sweep: Sweep,
    base: SweepBase,
    /// Changes with models, presets and settings, and with every start.
    turn: u64,
}

impl Question {
    /// Whether it asks for this sweep of this draft.
    fn is_of(&self, sweep: &Sweep, draft: &Draft, timeout_s: Option<u64>, turn: u64) -> bool {
        let of = (self.turn, self.base.options.timeout_s);
        of == (turn, timeout_s) && self.sweep == *sweep && self.base.draft == *draft
    }
}

impl PartialEq for Question {
    fn eq(&self, other: &Self) -> bool {
        // the turn stands for the planner
        self.is_of(&other.sweep, &other.base.draft, other.base.options.timeout_s, other.turn)
    }
}

/// The sweep that is typed, its plan and its cost.
pub(in crate::app) struct SweepPlanning {
    plans: Newest<Question, Result<SweepPlan>>,
    costs: Newest<SweepPlan, Result<SweepEstimate>>,
    request: Option<Sweep>,
    turn: u64,
}

impl SweepPlanning {
    /// Starts the threads. `waker` makes a function that is called after each answer.
    pub(in crate::app) fn start(data_dir: &Path, waker: &dyn Fn() -> Waker) -> Result<Self> {
        let data_dir = data_dir.to_path_buf();
        let plan = |question: &Question| question.base.plan(question.sweep.clone());
        Ok(Self {
            plans: Newest::start("sweep plan", PLAN_REST, waker(), plan)?,
            costs: Newest::start("sweep cost", COST_REST, waker(), move |plan| estimate(plan, &data_dir))?,
            request: None,
            turn: 0,
        })
    }

    /// Takes what is typed; nothing for no sweep.
    pub(in crate::app) fn set_request(&mut self, sweep: Option<Sweep>) {
        if sweep != self.request {
            self.request = sweep;
            self.forget();
        }
    }

    /// Has what is typed planned, if it or the form has changed since. `base` makes what it is planned with.
    pub(in crate::app) fn follow(
        &mut self,
        draft: &Draft,
        timeout_s: Option<u64>,
        base: impl FnOnce() -> SweepBase,
    ) {
        let Some(sweep) = &self.request else { return self.forget() };
        let turn = self.turn;
        let is_known = |question: &Question| question.is_of(sweep, draft, timeout_s, turn);
        if !self.plans.asked().is_some_and(is_known) {
            self.costs.forget();
            self.plans.ask(Question { sweep: sweep.clone(), base: base(), turn });
        }
    }

    /// Takes in the threads' answers.
    pub(in crate::app) fn drain(&mut self) {
        self.plans.drain();
        self.costs.drain();
        if let Some(Ok(plan)) = self.plans.answer() {
            // a question that was asked already is not asked again
            self.costs.ask(plan.clone());
        }
    }

    /// The plan of what is typed, or why it cannot be made; none while it is made.
    pub(in crate::app) fn plan(&self) -> Option<&Result<SweepPlan>> {
        self.plans.answer()
    }

    /// What the plan would cost; none while that is estimated.
    pub(in crate::app) fn cost(&self) -> Option<&Result<SweepEstimate>> {
        self.costs.answer()
    }

    /// Takes the plan to start it. The next start gets another one, under an id of its own.
    pub(in crate::app) fn take(&mut self) -> Option<SweepPlan> {
        self.plan()?.as_ref().ok()?;
        let (_, plan) = self.plans.take_latest()?;
        self.again();
        plan.ok()
    }

    /// Plans again: models, presets or settings have changed.
    pub(in crate::app) fn again(&mut self) {
        self.turn += 1;
        self.forget();
    }

    fn forget(&mut self) {
        self.plans.forget();
        self.costs.forget();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::core::testing::draft;
    use crate::plan::{Catalog, Folders, Profiles};
    use crate::store::Settings;
    use crate::sweep::Axis;

    fn base(dir: &Path) -> SweepBase {
        let toys = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let folders = Folders { data: dir.to_path_buf(), models: Some(toys) };
        let catalog = Catalog::new(folders.scan(), Profiles::shipped().unwrap()).unwrap();
        let planner = Arc::new(Planner::new(folders, Settings::default(), catalog));
        let draft = Draft { model: "toy-t2v-A14B".into(), ..draft() };
        SweepBase { planner, draft, options: JobOptions::default() }
    }

    fn seeds(values: &str) -> Sweep {
        Sweep::with_axes(vec![format!("seed={values}").parse::<Axis>().unwrap()])
    }

    fn planned(planning: &mut SweepPlanning) -> SweepPlan {
        let began = Instant::now();
        loop {
            planning.drain();
            if let Some(plan) = planning.plan() {
                return plan.clone().unwrap();
            }
            assert!(began.elapsed() < Duration::from_mins(1), "no plan");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_sweep_is_planned_off_the_thread_that_asks_and_each_start_has_its_own_id() {
        let dir = tempfile::tempdir().unwrap();
        let waker = || -> Waker { Arc::new(|| {}) };
        let mut planning = SweepPlanning::start(dir.path(), &waker).unwrap();
        let base = base(dir.path());
        let follow = |planning: &mut SweepPlanning| planning.follow(&base.draft, None, || base.clone());
        follow(&mut planning);
        assert!(planning.plan().is_none(), "nothing is typed");
        planning.set_request(Some(seeds("1, 2, 3")));
        follow(&mut planning);
        assert!(planning.plan().is_none() && planning.take().is_none(), "the thread has it");
        let first = planned(&mut planning);
        assert_eq!(first.specs.len(), 3);
        assert_eq!(planning.take().as_ref(), Some(&first));
        assert!(planning.take().is_none(), "it is not started twice");
        follow(&mut planning);
        assert_ne!(planned(&mut planning).record.id, first.record.id);
        planning.set_request(Some(seeds("1, 2")));
        assert!(planning.take().is_none(), "the plan is of what was typed before");
        follow(&mut planning);
        assert_eq!(planned(&mut planning).specs.len(), 2);
    }
}
