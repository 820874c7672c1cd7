//! The rows of the table and where each is; worked out only when the queue changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::failure::is_failed;
use super::times::{JobTimes, Schedule};
use super::view::QueueView;
use crate::jobs::{EndStatus, Job, JobId, Priority};

/// Height of the title of a lane.
pub(super) const LANE_HEIGHT: f32 = 22.0;

/// What a row shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowKind {
    /// The title of the jobs of one priority, and their number.
    Lane(Priority, usize),
    /// The job with this index.
    Job(usize),
    /// The line that stands for the ended jobs.
    Ended,
}

/// A row, from the top of the list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) kind: RowKind,
    pub(super) top: f32,
    pub(super) height: f32,
}

/// Heights of the rows, which depend on the width of the panel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Heights {
    pub(super) job: f32,
    pub(super) failed: f32,
    pub(super) ended: f32,
}

/// All rows, and what else is known of a queue without the user's doing.
#[derive(Default)]
pub(super) struct Rows {
    jobs: Arc<[Job]>,
    times: Arc<JobTimes>,
    made_for: Option<(Heights, bool)>,
    pub(super) list: Vec<Row>,
    /// Jobs that have not ended.
    pub(super) num_open: usize,
    /// Ended jobs by how they ended.
    pub(super) ended: BTreeMap<EndStatus, usize>,
    pub(super) schedule: Schedule,
    index: BTreeMap<JobId, usize>,
}

impl Rows {
    /// Brings the rows up to date. Returns whether the queue has changed.
    pub(super) fn update(&mut self, view: &QueueView<'_>, heights: Heights, shows_ended: bool) -> bool {
        let is_new = !Arc::ptr_eq(&self.jobs, view.entries) || self.made_for.is_none();
        if is_new {
            self.jobs = Arc::clone(view.entries);
            self.index = self.jobs.iter().enumerate().map(|(index, job)| (job.id, index)).collect();
            self.ended.clear();
            for ended in self.jobs.iter().filter_map(Job::ended) {
                *self.ended.entry(ended.status).or_default() += 1;
            }
            self.num_open = self.jobs.len() - self.ended.values().sum::<usize>();
        }
        if is_new || !Arc::ptr_eq(&self.times, view.times) {
            self.times = Arc::clone(view.times);
            self.schedule = Schedule::of(&self.jobs, &self.times);
        }
        if is_new || self.made_for != Some((heights, shows_ended)) {
            self.made_for = Some((heights, shows_ended));
            self.lay_out(heights, shows_ended);
        }
        is_new
    }

    /// The open jobs by lanes, then what failed, the last first; all that ended if `shows_ended`.
    fn lay_out(&mut self, heights: Heights, shows_ended: bool) {
        self.list.clear();
        let open: Vec<_> = (0..self.jobs.len()).filter(|index| self.jobs[*index].ended().is_none()).collect();
        let priority = |index: &usize| self.jobs[*index].spec.priority;
        let has_lanes = open.iter().any(|index| priority(index) != Priority::Normal);
        let mut kinds = Vec::new();
        for lane in open.chunk_by(|a, b| priority(a) == priority(b)) {
            if has_lanes {
                kinds.push((RowKind::Lane(priority(&lane[0]), lane.len()), LANE_HEIGHT));
            }
            kinds.extend(lane.iter().map(|index| (RowKind::Job(*index), heights.job)));
        }
        for (index, job) in self.jobs.iter().enumerate().rev().filter(|(_, job)| job.ended().is_some()) {
            let is_failed = is_failed(job);
            if is_failed || shows_ended {
                kinds.push((RowKind::Job(index), if is_failed { heights.failed } else { heights.job }));
            }
        }
        if self.ended.keys().any(|status| *status != EndStatus::Failed) {
            kinds.push((RowKind::Ended, heights.ended));
        }
        let mut top = 0.0;
        for (kind, height) in kinds {
            self.list.push(Row { kind, top, height });
            top += height;
        }
    }

    /// Height of all rows.
    pub(super) fn height(&self) -> f32 {
        self.list.last().map_or(0.0, |last| last.top + last.height)
    }

    /// The rows between two distances from the top.
    pub(super) fn between(&self, top: f32, bottom: f32) -> &[Row] {
        let first = self.list.partition_point(|row| row.top + row.height < top);
        let end = self.list.partition_point(|row| row.top <= bottom);
        self.list.get(first..end).unwrap_or_default()
    }

    /// The job with this number.
    pub(super) fn job(&self, id: JobId) -> Option<&Job> {
        self.jobs.get(*self.index.get(&id)?)
    }

    /// The job with this index.
    pub(super) fn job_at(&self, index: usize) -> Option<&Job> {
        self.jobs.get(index)
    }

    /// The jobs that have a row, from top to bottom.
    pub(super) fn shown(&self) -> impl DoubleEndedIterator<Item = &Job> {
        self.list.iter().filter_map(|row| match row.kind {
            RowKind::Job(index) => self.jobs.get(index),
            RowKind::Lane(..) | RowKind::Ended => None,
        })
    }
}
