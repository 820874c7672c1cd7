
pub mod noise;
pub mod rope;
pub mod text;
