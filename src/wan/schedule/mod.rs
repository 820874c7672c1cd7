//! How a video comes out of noise: noise levels, and the solvers that step from one to the next.
//!
//! Ported from diffusers' schedulers for flow models, with their order of operations in f32, so that the same
//! predictions give the same video. It knows numbers only, no tensors' shapes and no models.

mod dpmpp2m;
mod euler;
mod sigmas;
mod solver;
mod unipc;

pub use sigmas::Sigmas;
pub use solver::Solver;
