//! Memory of this process.

use crate::core::Bytes;

/// The largest resident memory so far, where the system tells (Linux: `VmHWM`).
pub fn peak_resident() -> Option<Bytes> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
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
}
