//! Memory of this process, and of the machine.

use crate::core::Bytes;

/// The largest resident memory so far, where the system tells (Linux: `VmHWM`).
pub fn peak_resident() -> Option<Bytes> {
    of_this_process("VmHWM:")
}

/// The resident memory now, where the system tells (Linux).
pub fn resident() -> Option<Bytes> {
    of_this_process("VmRSS:")
}

/// Lets the count of [`peak_resident`] begin again, where the system can (Linux).
pub fn reset_peak_resident() {
    // 5: the peak is set to what is resident now; where that is not possible the peak is that of the whole process
    if let Err(error) = std::fs::write("/proc/self/clear_refs", "5") {
        tracing::debug!("the peak of the memory cannot be reset: {error}");
    }
}

/// Memory that can be used without pushing out anybody's, where the system tells (Linux: `MemAvailable`).
pub fn free() -> Option<Bytes> {
    let memory = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = memory.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
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
