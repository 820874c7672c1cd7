//! The runtime for unit tests.

use std::path::Path;

use super::{Runtime, ensure};
use crate::core::CancelToken;

/// The runtime of the checkout's `target/test-data`, fetched once for all tests of it.
pub(crate) fn for_tests() -> Runtime {
    let data_dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-data");
    ensure(&data_dir, &CancelToken::new(), &mut |event| eprintln!("{event}")).unwrap()
}

#[test]
fn the_runtime_opens_once_and_says_what_it_is() {
    let (first, again) = (for_tests(), for_tests());
    assert_eq!(first.info(), again.info());
    let info = first.info();
    eprintln!("{info:?}");
    assert!(info.providers.iter().any(|name| name == "CPUExecutionProvider"), "{info:?}");
    assert!(info.version.starts_with("1."), "{info:?}");
    assert!(info.build.contains("git-commit-id"), "{info:?}");
}
