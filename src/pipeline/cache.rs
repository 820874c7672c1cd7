//! Tensors that one job computes and a later one may need again, by what they were computed from.

use ndarray::ArrayD;

use crate::core::sha256_hex;

/// Tensors that are kept between jobs. A key holds everything that its tensor depends on, so no tensor is ever stale.
pub trait TensorCache {
    /// The tensor of `key`, if it is still there.
    fn get(&mut self, key: &str) -> Option<ArrayD<f32>>;

    /// Whether the tensor of `key` is there. Unlike [`Self::get`], this uses nothing of it.
    fn contains(&self, key: &str) -> bool;

    /// Keeps `tensor`, if possible; a failure is not an error.
    fn put(&mut self, key: &str, tensor: &ArrayD<f32>);

    /// Whether a tensor that was kept turned out to be another than what is computed, so that what came of it is wrong.
    fn was_wrong(&self) -> bool {
        false
    }
}

/// Whether the tensor of a key decides the video. A preview map does not.
pub fn decides_video(key: &str) -> bool {
    [TEXT, IMAGE].iter().any(|kind| key.strip_prefix(kind).is_some_and(|rest| rest.starts_with('-')))
}

/// Kind of the embeddings of a prompt.
pub(super) const TEXT: &str = "text";
/// Kind of encoded images.
pub(super) const IMAGE: &str = "image";

/// The key of a tensor of some `kind` that was computed from `parts`.
pub(super) fn key(kind: &str, parts: &[&str]) -> String {
    // lengths keep ("ab", "c") and ("a", "bc") apart
    let marked: Vec<_> = parts.iter().map(|part| format!("{}:{part}", part.len())).collect();
    format!("{kind}-{}", sha256_hex(marked.concat().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_parts_have_other_keys() {
        let keys = [key(TEXT, &["ab", "c"]), key(TEXT, &["a", "bc"]), key(IMAGE, &["a", "bc"])];
        assert!(keys[0] != keys[1] && keys[1] != keys[2]);
        assert_eq!(key(TEXT, &["ab", "c"]), keys[0]);
        assert!(keys.iter().all(|key| decides_video(key)) && !decides_video(&key("preview", &[])));
    }
}
