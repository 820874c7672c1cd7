//! What the journal of a download records.

use serde::{Deserialize, Serialize};

use super::object_id::ObjectId;

/// The file that a journal is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileIdentity {
    /// Its address on the hub.
    pub(super) url: String,
    /// Id of its content, if the hub has one.
    pub(super) object: Option<ObjectId>,
    /// `ETag` that it came with.
    pub(super) etag: Option<String>,
    /// Its size in bytes.
    pub(super) size: u64,
    /// Size of a block in bytes.
    pub(super) block: u64,
}

impl FileIdentity {
    /// Whether what was received of `self` is a part of `other`.
    pub(super) fn continues(&self, other: &Self) -> bool {
        let same_content = match (&self.object, &other.object) {
            (Some(one), Some(other)) => one == other,
            // the ETag is compared when the server has answered
            _ => self.url == other.url,
        };
        same_content && self.size == other.size
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum JournalLine {
    /// The first line: what is fetched.
    File(FileIdentity),
    /// A program began or went on, since the machine's start with this id.
    Boot(String),
    /// The block with this number was written.
    Done(u64),
    /// The first `blocks` lines [`Self::Done`] are on the disk, and so is a state of the hash.
    Synced {
        blocks: u64,
        /// Bytes that the hash covers.
        hashed: u64,
        /// The hash over them.
        hash: Option<String>,
    },
}

/// The lines of a journal's `text` up to the first that is cut or damaged, and how many bytes they have.
pub(super) fn whole_lines(text: &[u8]) -> (Vec<JournalLine>, usize) {
    let (mut lines, mut whole) = (Vec::new(), 0);
    for text in text.split_inclusive(|&byte| byte == b'\n').filter(|text| text.ends_with(b"\n")) {
        let Ok(line) = serde_json::from_slice(text) else { break };
        lines.push(line);
        whole += text.len();
    }
    (lines, whole)
}

/// What the lines of a journal add up to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Replayed {
    pub(super) file: Option<FileIdentity>,
    /// Blocks that can be trusted, in the order of their lines.
    pub(super) done: Vec<u64>,
    /// Bytes that the hash covers, and its state.
    pub(super) hashed: Option<(u64, String)>,
}

/// Adds up lines, of which the machine's start `boot` reads. What was not synced before the machine went down may not be
/// on the disk, and counts as not received.
pub(super) fn replay(lines: Vec<JournalLine>, boot: &str) -> Replayed {
    let (mut replayed, mut synced, mut current) = (Replayed::default(), 0, String::new());
    for line in lines {
        match line {
            JournalLine::File(file) => {
                replayed = Replayed { file: Some(file), ..Replayed::default() };
                synced = 0;
            }
            JournalLine::Boot(id) => {
                if id != current {
                    replayed.done.truncate(synced);
                }
                current = id;
            }
            JournalLine::Done(block) => replayed.done.push(block),
            JournalLine::Synced { blocks, hashed, hash } => {
                synced = (blocks as usize).min(replayed.done.len());
                replayed.hashed = hash.map(|hash| (hashed, hash)).or(replayed.hashed);
            }
        }
    }
    if current != boot {
        replayed.done.truncate(synced);
    }
    replayed
}

/// An id of the machine's start; empty where the system has none, which counts as another start each time.
pub(super) fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    id.map_or_else(|_| format!("process {}", std::process::id()), |text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_synced_counts_until_the_machine_goes_down() {
        let boot = |id: &str| JournalLine::Boot(id.into());
        let synced = JournalLine::Synced { blocks: 2, hashed: 8, hash: Some("ab".into()) };
        let lines = vec![
            boot("one"),
            JournalLine::Done(0),
            JournalLine::Done(3),
            JournalLine::Done(1),
            synced,
            JournalLine::Done(2),
        ];
        let same = replay(lines.clone(), "one");
        assert_eq!((same.done, same.hashed), (vec![0, 3, 1, 2], Some((8, "ab".into()))));
        assert_eq!(replay(lines.clone(), "two").done, [0, 3]);
        let later = [lines, vec![boot("two"), JournalLine::Done(5)]].concat();
        assert_eq!(replay(later.clone(), "two").done, [0, 3, 5]);
        assert_eq!(replay(later, "three").done, [0, 3]);
    }
}
