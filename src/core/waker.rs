//! How a worker wakes whoever watches, without knowing who that is.

use std::sync::Arc;

/// Called after an event was sent; the window repaints, the command line does nothing.
pub type Waker = Arc<dyn Fn() + Send + Sync>;
