//! The queue panel: queued, running and ended jobs.

mod cells;
mod columns;
mod drag;
mod failure;
mod head;
mod keys;
mod panel;
mod row;
mod rows;
mod times;
mod verbs;
mod view;

pub(in crate::app) use columns::Columns;
pub(in crate::app) use keys::keys;
pub(in crate::app) use panel::QueuePanel;
pub(in crate::app) use times::JobTimes;
pub(in crate::app) use view::{QueueAction, QueueView};
