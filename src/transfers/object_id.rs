//! The id of a file's content on the hub, and how a file is checked against it.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::core::{CancelToken, Error, Kind, Result, hex};

/// Bytes that are read at once.
const CHUNK: usize = 1 << 20;

/// Id of a file's content.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectId {
    /// SHA-256 of the content in lower-case hexadecimal; the hub has it for large files.
    Sha256(String),
    /// SHA-1 of git's blob (`blob SIZE`, a zero byte, the content); the hub has it for small files.
    GitBlob(String),
}

impl ObjectId {
    /// The id in a hub's `ETag`, or in the name of a cached blob: 64 digits are SHA-256, 40 a git blob.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches("W/").trim_matches('"').to_lowercase();
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match text.len() {
            64 if is_hex => Some(Self::Sha256(text)),
            40 if is_hex => Some(Self::GitBlob(text)),
            _ => None,
        }
    }

    /// The digits, which are also the name of a blob in a hub cache.
    pub fn digits(&self) -> &str {
        match self {
            Self::Sha256(digits) | Self::GitBlob(digits) => digits,
        }
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digits) => write!(f, "SHA-256 {digits}"),
            Self::GitBlob(digits) => write!(f, "git blob {digits}"),
        }
    }
}

/// Computes the id of a content piece by piece.
#[derive(Clone, Debug)]
pub enum ObjectHasher {
    /// Of a large file.
    Sha256(Sha256),
    /// Of a small file.
    GitBlob(Sha1),
}

impl ObjectHasher {
    /// A hasher of the same kind as `id` for a content of `size` bytes; SHA-256 if no id is known.
    pub fn new(id: Option<&ObjectId>, size: u64) -> Self {
        match id {
            Some(ObjectId::GitBlob(_)) => {
                Self::GitBlob(Sha1::new().chain_update(format!("blob {size}\0").as_bytes()))
            }
            Some(ObjectId::Sha256(_)) | None => Self::Sha256(Sha256::new()),
        }
    }

    /// Adds bytes of the content.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::GitBlob(hash) => hash.update(bytes),
        }
    }

    /// The id.
    pub fn finish(self) -> ObjectId {
        match self {
            Self::Sha256(hash) => ObjectId::Sha256(hex(&hash.finalize())),
            Self::GitBlob(hash) => ObjectId::GitBlob(hex(&hash.finalize())),
        }
    }

    /// The id of a file on disk. `progress` receives the bytes read since the last call.
    ///
    /// # Errors
    ///
    /// [`Kind::Io`] if the file cannot be read, [`Kind::Cancelled`] after a cancel.
    pub fn of_file(
        path: &Path,
        like: Option<&ObjectId>,
        cancel: &CancelToken,
        progress: &mut dyn FnMut(u64),
    ) -> Result<ObjectId> {
        let unreadable = |error| {
            Error::new(Kind::Io, format!("Cannot read {}", path.display()))
                .because(error)
                .remedy("Check the disk, or fetch the file again")
        };
        let mut file = File::open(path).map_err(unreadable)?;
        let size = file.metadata().map_err(unreadable)?.len();
        let mut hasher = Self::new(like, size);
        let mut chunk = vec![0; CHUNK];
        loop {
            cancel.check()?;
            let read = match file.read(&mut chunk) {
                Ok(0) => return Ok(hasher.finish()),
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(error)),
            };
            hasher.update(&chunk[..read]);
            progress(read as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_agree_with_git_and_with_the_standard() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, "hello\n").unwrap();
        // `git hash-object`
        let git = ObjectId::GitBlob("ce013625030ba8dba906f756967f9e9ca394464a".into());
        let cancel = CancelToken::new();
        assert_eq!(ObjectHasher::of_file(&path, Some(&git), &cancel, &mut |_| {}).unwrap(), git);
        let sha = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
        let sha = ObjectId::Sha256(sha.into());
        assert_eq!(ObjectHasher::of_file(&path, None, &cancel, &mut |_| {}).unwrap(), sha);
        assert_eq!(ObjectId::parse(&format!("W/\"{}\"", sha.digits())), Some(sha));
        assert_eq!(ObjectId::parse("\"5-abc\""), None);
    }
}
