//! Random commands of two programs, with crashes, full disks and compactions in between.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::expected::{Action, Expected, Reply};
use super::programs::{Programs, carry_out};
use crate::core::{Faults, Utc};
use crate::jobs::{JobId, Priority};
use crate::library::History;
use crate::queue::shared_state::SharedState;

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A program acts on a job, chosen by an index among all that were ever added.
    Act {
        slot: usize,
        job: usize,
        action: Action,
        /// Whether the disk is full while it does.
        disk_full: bool,
    },
    Crash {
        slot: usize,
        torn: bool,
    },
    Compact,
}

fn priority() -> impl Strategy<Value = Priority> {
    prop_oneof![Just(Priority::Low), Just(Priority::Normal), Just(Priority::Urgent)]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        5 => (0..1000_u64, priority(), prop::bool::weighted(0.2))
            .prop_map(|(seed, priority, own)| Action::Submit { seed, priority, own }),
        1 => Just(Action::Duplicate),
        2 => Just(Action::Retry),
        1 => (0..1000_u64).prop_map(|seed| Action::Edit { seed }),
        2 => prop::option::weighted(0.8, 0..100_usize).prop_map(|before| Action::Move { before }),
        1 => priority().prop_map(Action::SetPriority),
        2 => any::<bool>().prop_map(|keep_memory| Action::Pause { keep_memory }),
        1 => Just(Action::Resume),
        3 => Just(Action::Cancel),
        1 => Just(Action::Remove),
        2 => Just(Action::ClearEnded),
        5 => Just(Action::Claim),
        3 => Just(Action::End),
        2 => any::<bool>().prop_map(|paused| Action::GiveBack { paused }),
        1 => Just(Action::SaveRetry),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let slot = || 0..2_usize;
    prop_oneof![
        20 => (slot(), 0..100_usize, action(), prop::bool::weighted(0.05))
            .prop_map(|(slot, job, action, disk_full)| Step::Act { slot, job, action, disk_full }),
        2 => (slot(), any::<bool>()).prop_map(|(slot, torn)| Step::Crash { slot, torn }),
        3 => Just(Step::Compact),
    ]
}

/// The queue, what it should hold, and what was acknowledged.
struct Run {
    programs: Programs,
    expected: Expected,
    /// Every job whose number was returned.
    acknowledged: Vec<u64>,
}

impl Run {
    fn act(&mut self, slot: usize, job: usize, action: Action, disk_full: bool) {
        let pick = |index: usize| {
            let count = self.acknowledged.len().max(1);
            self.acknowledged.get(index % count).copied().unwrap_or(1)
        };
        let (id, before) =
            (pick(job), if let Action::Move { before } = action { before.map(pick) } else { None });
        if disk_full {
            self.programs.faults.add("disk-full@journal").unwrap();
        }
        let (program, queue) = self.programs.program(slot);
        self.expected.alive.insert(program);
        let reply = carry_out(queue, action, JobId(id), before.map(JobId));
        let mut after = self.expected.clone();
        let wanted = match action {
            Action::Move { .. } => after.move_before(id, before),
            _ => after.apply(program, action, id),
        };
        self.programs.faults.clear();
        if disk_full && reply == Reply::Rejected {
            // what could not be written has not happened
            return;
        }
        assert!(!disk_full || after == self.expected, "{action:?} was acknowledged and not written");
        assert_eq!(reply, wanted, "{action:?} on job {id} by program {program}");
        match (action, reply) {
            (Action::Claim, Reply::Job(taken)) => {
                assert!(!self.expected.ended.contains(&taken), "job {taken} has ended and runs again");
            }
            (_, Reply::Job(added)) => {
                assert!(
                    self.acknowledged.iter().all(|known| *known < added),
                    "number {added} was used before"
                );
                self.acknowledged.push(added);
            }
            _ => {}
        }
        self.expected = after;
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Act { slot, job, action, disk_full } => self.act(slot, job, action, disk_full),
            Step::Crash { slot, torn } => {
                if let Some(program) = self.programs.crash(slot, torn) {
                    self.expected.alive.remove(&program);
                }
            }
            Step::Compact => self.programs.compact(),
        }
    }

    /// What the program in a slot shows, what a replay of the journal shows, and what is expected are the same.
    fn check(&mut self, slot: usize) {
        let (program, queue) = self.programs.program(slot);
        self.expected.alive.insert(program);
        queue.refresh().unwrap();
        let shown: Vec<_> = queue.jobs().into_iter().cloned().collect();
        let state = queue.shared.get().clone();
        assert_eq!(queue.take_notes(), Vec::<String>::new(), "nothing was damaged");
        let replayed = SharedState::open(self.programs.data_dir(), &Faults::default()).unwrap();
        assert!(*replayed.get() == state, "a replay of the journal differs from the live state");
        let seen: Vec<_> = shown.iter().map(|job| self.programs.seen(job)).collect();
        assert_eq!(seen, self.expected.jobs());
        let uids: BTreeSet<_> = shown.iter().map(|job| job.uid.as_str()).collect();
        assert_eq!(uids.len(), shown.len(), "two jobs have one uid");
        let listed: BTreeSet<_> =
            shown.iter().map(|job| job.id.0).chain(self.expected.removed.clone()).collect();
        assert_eq!(listed, self.acknowledged.iter().copied().collect(), "an acknowledged job is lost");
    }

    /// Every ended job is in the history once, and no other.
    fn check_history(&self) {
        let (history, _) = History::open(self.programs.data_dir()).unwrap();
        let entries = history.since(Utc::default()).unwrap();
        let recorded: Vec<_> = entries.iter().map(|entry| entry.job).collect();
        assert_eq!(recorded.len(), self.expected.ended.len(), "{recorded:?}");
        assert_eq!(recorded.into_iter().collect::<BTreeSet<_>>(), self.expected.ended);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_commands_and_crashes_loses_doubles_or_reorders_a_job(
        steps in prop::collection::vec(step(), 1..48),
    ) {
        let mut run = Run { programs: Programs::new(), expected: Expected::default(), acknowledged: Vec::new() };
        for step in steps {
            run.take(step);
            if let Step::Act { slot, .. } = step {
                run.check(slot);
            }
        }
        run.check(0);
        run.check(1);
        run.check_history();
    }
}
