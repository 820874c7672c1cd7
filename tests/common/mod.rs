//! What several integration tests need.

#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

pub(crate) mod layouts;

use ndarray::ArrayD;
use std::path::{Path, PathBuf};

use wandeck::core::CancelToken;
use wandeck::engine::runtime::{self, Runtime};

/// The folder of the checkout where tests keep what is fetched once and not committed.
pub(crate) fn data_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-data")
}

/// The runtime of the checkout, fetched by the first test that asks and waited for by the others.
pub(crate) fn runtime() -> Runtime {
    runtime::ensure(&data_dir(), &CancelToken::new(), &mut |_| {}).unwrap()
}

/// A tiny random model of tests/golden, as a diffusers folder.
pub(crate) fn golden_model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/models").join(name)
}

/// `config.json` of a component.
pub(crate) fn config<C: serde::de::DeserializeOwned>(dir: &Path) -> C {
    serde_json::from_slice(&std::fs::read(dir.join("config.json")).unwrap()).unwrap()
}

/// A file of tests/golden/refs.
pub(crate) fn golden(name: &str) -> Golden {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/refs").join(format!("{name}.safetensors"));
    Golden(std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// Tensors that diffusers computed.
pub(crate) struct Golden(Vec<u8>);

impl Golden {
    /// fp32 elements of `name`.
    pub(crate) fn f32(&self, name: &str) -> ArrayD<f32> {
        self.read(name, |bytes: [u8; 4]| f32::from_le_bytes(bytes))
    }

    /// Integers of `name`.
    pub(crate) fn i64(&self, name: &str) -> ArrayD<i64> {
        self.read(name, |bytes: [u8; 8]| i64::from_le_bytes(bytes))
    }

    /// Bytes of `name`.
    pub(crate) fn u8(&self, name: &str) -> ArrayD<u8> {
        self.read(name, |[byte]: [u8; 1]| byte)
    }

    fn read<T, const N: usize>(&self, name: &str, element: impl Fn([u8; N]) -> T) -> ArrayD<T> {
        let file = safetensors::SafeTensors::deserialize(&self.0).unwrap();
        let view = file.tensor(name).unwrap();
        let values = view.data().chunks_exact(N).map(|bytes| element(bytes.try_into().unwrap())).collect();
        ArrayD::from_shape_vec(view.shape().to_vec(), values).unwrap()
    }
}
