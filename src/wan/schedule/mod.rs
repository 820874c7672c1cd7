//! Noise schedules, and the solvers that step from one noise level to the next.
//!
//! Ported from diffusers' schedulers for flow models with the same order of operations in f32, so that the same model
//! predictions give the same video. It knows neither tensor shapes nor models.

mod dpmpp2m;
mod euler;
mod sigmas;
mod solver;
mod unipc;

pub use sigmas::Sigmas;
pub use solver::{Solver, clean_latent_in_history};
