//! The Wan family on the host: noise, schedules, rotary tables and text. It must not know sessions or screens.

pub mod noise;
pub mod rope;
pub mod schedule;
pub mod text;
