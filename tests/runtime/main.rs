//! ONNX Runtime found and fetched. Opening one is `runtime_open.rs`: it commits its process to that library.

mod fetch;
mod locate;
