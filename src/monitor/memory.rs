//! Memory of this process and of the machine.

use super::cgroup::ControlGroup;
use crate::core::Bytes;
use crate::engine::runtime::release_free_heap;

/// Peak resident memory of this process (Linux: `VmHWM`); `None` on other systems.
pub fn peak_resident() -> Option<Bytes> {
    of_this_process("VmHWM:")
}

/// Current resident memory of this process (Linux: `VmRSS`); `None` on other systems.
pub fn resident() -> Option<Bytes> {
    of_this_process("VmRSS:")
}

/// Resets the peak of [`peak_resident`] to the current value (Linux). What earlier jobs freed goes back to the system
/// first, so that it does not count as the next job's.
pub fn reset_peak_resident() {
    release_free_heap();
    // 5 resets the peak; where that fails, the peak is that of the whole lifetime of the process
    if let Err(error) = std::fs::write("/proc/self/clear_refs", "5") {
        tracing::debug!("cannot reset the peak memory: {error}");
    }
}

/// Memory that this process can still take without swapping: what is available on the machine (Linux:
/// `MemAvailable`) and what its control group allows, whichever is less; `None` on other systems.
pub fn free() -> Option<Bytes> {
    let allowed = ControlGroup::of_this_process().and_then(|group| group.free());
    available().into_iter().chain(allowed).min()
}

/// Memory of the machine, whoever uses it (Linux); `None` on other systems.
pub fn total_memory() -> Option<Bytes> {
    of_machine("MemTotal:")
}

fn available() -> Option<Bytes> {
    of_machine("MemAvailable:")
}

fn of_machine(name: &str) -> Option<Bytes> {
    let memory = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = memory.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(Bytes(kibibytes * 1024))
}

fn of_this_process(name: &str) -> Option<Bytes> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(Bytes(kibibytes * 1024))
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_uses_memory() {
        assert!(super::peak_resident().unwrap().0 > 1 << 20);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn some_memory_is_free() {
        assert!(super::free().unwrap().0 > 1 << 20);
    }
}
