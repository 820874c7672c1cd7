//! The queue panel: queued, running and ended jobs.

mod panel;
mod row;
mod verbs;
mod view;

pub(in crate::app) use panel::QueuePanel;
pub(in crate::app) use view::{QueueAction, QueueView};
