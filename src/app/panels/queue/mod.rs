//! The queue: what waits in its order, what runs, what ended.

mod panel;
mod row;
mod verbs;
mod view;

pub(in crate::app) use panel::QueuePanel;
pub(in crate::app) use view::{QueueAction, QueueView};
