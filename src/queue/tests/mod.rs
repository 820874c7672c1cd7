//! Property tests of the queue: random commands of two programs on one journal, held against a simple list.

mod commands;
mod expected;
mod programs;
