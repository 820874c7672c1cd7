//! The engine: sessions of ONNX Runtime and its execution providers. The only module that uses `ort`.

mod bound;
mod cancellable;
mod chained_value;
mod file_fault;
mod from_file;
mod half_io;
mod in_place;
mod kernels;
mod memory;
mod ort_error;
mod placement;
mod provider;
mod reserve;
pub mod runtime;
mod session;
mod streamed;
mod tensor;
mod weight_feed;

pub use bound::Bound;
pub use from_file::SessionFile;
pub use in_place::StateTensor;
pub use kernels::check_kernels;
pub use memory::{Arena, Prepack};
pub use placement::{PlacedNode, Placement};
pub use provider::{
    Device, Plugin, PluginOrigin, ProviderSelection, ProviderStatus, Unavailable, candidates, chosen_device,
    device_id, nvidia_devices, providers, select_provider,
};
pub use runtime::Runtime;
pub use session::{Session, SessionOptions, SessionProfile};
pub use streamed::StreamedSession;
pub use tensor::{Input, Tensor};
