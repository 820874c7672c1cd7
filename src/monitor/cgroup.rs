//! Memory limits that the system sets for a group of processes (Linux control groups, versions 1 and 2), and the
//! processes that it killed for exceeding them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::core::Bytes;

/// Where the control groups are mounted.
const ROOT: &str = "/sys/fs/cgroup";
/// A limit of version 1 at least this large means none (it is the largest number of pages).
const NO_LIMIT: u64 = 1 << 60;

/// The control group of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ControlGroup {
    /// The group's folder; its ancestors up to the root limit it, too.
    folder: PathBuf,
    root: PathBuf,
    is_version_1: bool,
}

impl ControlGroup {
    /// The group of this process that limits its memory.
    pub(super) fn of_this_process() -> Option<Self> {
        let text = fs::read_to_string("/proc/self/cgroup").ok()?;
        Self::find(&text, Path::new(ROOT))
    }

    /// The group by the text of `/proc/self/cgroup` (man 7 cgroups): lines `ID:CONTROLLERS:PATH`.
    fn find(text: &str, root: &Path) -> Option<Self> {
        let lines =
            || text.lines().filter_map(|line| line.splitn(3, ':').collect::<Vec<_>>().try_into().ok());
        let version_1 = lines().find_map(|[_, controllers, path]: [&str; 3]| {
            controllers.split(',').any(|name| name == "memory").then_some(path)
        });
        let (root, path) = match version_1 {
            Some(path) => (root.join("memory"), path),
            None => (root.to_path_buf(), lines().find_map(|[id, _, path]| (id == "0").then_some(path))?),
        };
        let below = root.join(path.trim_start_matches('/'));
        // in a container the group's own folder is mounted as the root
        let folder = if below.is_dir() { below } else { root.clone() };
        Some(Self { folder, root, is_version_1: version_1.is_some() })
    }

    /// Memory that the group and its ancestors still allow; `None` without a limit.
    pub(super) fn free(&self) -> Option<Bytes> {
        let (limit, usage) = if self.is_version_1 {
            ("memory.limit_in_bytes", "memory.usage_in_bytes")
        } else {
            ("memory.max", "memory.current")
        };
        self.levels()
            .filter_map(|folder| {
                // "max" is no number and no limit
                let limit = number(&folder.join(limit)).filter(|limit| *limit < NO_LIMIT)?;
                let used = number(&folder.join(usage))?;
                // the page cache counts as used and is given back
                let cache = entry(&folder.join("memory.stat"), self.cache_key()).unwrap_or_default();
                Some(Bytes(limit.saturating_sub(used.saturating_sub(cache))))
            })
            .min()
    }

    /// How many processes of the group were killed for their memory.
    pub(super) fn kills(&self) -> Option<u64> {
        let file = if self.is_version_1 { "memory.oom_control" } else { "memory.events" };
        entry(&self.folder.join(file), "oom_kill")
    }

    fn cache_key(&self) -> &'static str {
        if self.is_version_1 { "total_inactive_file" } else { "inactive_file" }
    }

    fn levels(&self) -> impl Iterator<Item = &Path> {
        self.folder.ancestors().take_while(|folder| folder.starts_with(&self.root))
    }
}

/// How many processes the system has killed for their memory: those of this process's group, and all of the machine.
pub fn memory_kills() -> [Option<u64>; 2] {
    let group = ControlGroup::of_this_process().and_then(|group| group.kills());
    [group, entry(Path::new("/proc/vmstat"), "oom_kill")]
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The number after `key` in a file of lines `KEY NUMBER`.
fn entry(path: &Path, key: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, files: &[(&str, &str)]) {
        fs::create_dir_all(folder).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
    }

    #[test]
    fn the_tightest_limit_of_version_2_counts_without_its_page_cache() {
        let root = tempfile::tempdir().unwrap();
        write(&root.path().join("a"), &[("memory.max", "1000\n"), ("memory.current", "400\n")]);
        let inner = root.path().join("a/b");
        write(
            &inner,
            &[("memory.max", "max\n"), ("memory.current", "10\n"), ("memory.events", "oom 3\noom_kill 2\n")],
        );
        let group = ControlGroup::find("0::/a/b\n", root.path()).unwrap();
        assert_eq!((group.free(), group.kills()), (Some(Bytes(600)), Some(2)));
        write(
            &inner,
            &[("memory.max", "500\n"), ("memory.current", "300\n"), ("memory.stat", "inactive_file 100\n")],
        );
        assert_eq!(group.free(), Some(Bytes(300)));
    }

    #[test]
    fn version_1_is_read_and_the_largest_number_is_no_limit() {
        let root = tempfile::tempdir().unwrap();
        let memory = root.path().join("memory");
        write(&memory, &[("memory.limit_in_bytes", "9223372036854771712"), ("memory.usage_in_bytes", "5")]);
        let lines = "5:cpu,cpuacct:/x\n4:memory:/docker/1\n0::/\n";
        let group = ControlGroup::find(lines, root.path()).unwrap();
        assert_eq!(group.free(), None, "the container's folder is not mounted, the root has no limit");
        write(&memory.join("docker/1"), &[("memory.limit_in_bytes", "100"), ("memory.usage_in_bytes", "30")]);
        assert_eq!(ControlGroup::find(lines, root.path()).unwrap().free(), Some(Bytes(70)));
    }
}
