//! The engine: ONNX Runtime, and nothing but it. The only place that names `ort`.

mod fault;
mod interrupt;
mod open;
mod prepack;
pub mod runtime;
mod session;
mod tensor;

pub use prepack::{Prepack, Scratch};
pub use runtime::Runtime;
pub use session::{Session, SessionOptions};
pub use tensor::{Input, Tensor};
