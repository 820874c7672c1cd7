//! A callback by which a worker thread wakes its listener.

use std::sync::Arc;

/// Called after each event that is sent: the window repaints, the command line does nothing.
pub type Waker = Arc<dyn Fn() + Send + Sync>;
