//! The panels: each draws what it is shown and says what the person asked for.

pub(super) mod compose;
#[cfg(test)]
pub(super) mod fixture;
pub(super) mod player;
pub(super) mod queue;
