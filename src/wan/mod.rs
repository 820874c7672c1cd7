pub mod noise;
pub mod rope;
pub mod schedule;
pub mod text;
