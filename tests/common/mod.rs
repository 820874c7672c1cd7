//! What several integration tests need.

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
