//! The engine: ONNX Runtime, and nothing but it. The only place that names `ort`.

pub mod runtime;
