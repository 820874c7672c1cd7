//! The engine: ONNX Runtime, and nothing but it. The only place that names `ort`.

mod border;
mod fault;
mod interrupt;
mod kernels;
mod open;
mod prepack;
mod provider;
pub mod runtime;
mod session;
mod tensor;

pub use kernels::check_kernels;
pub use prepack::{Prepack, Scratch};
pub use provider::{Chosen, Device, Obstacle, Provider, ProviderStatus, choose, providers};
pub use runtime::Runtime;
pub use session::{Session, SessionOptions};
pub use tensor::{Input, Tensor};
