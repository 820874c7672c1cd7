//! Detection of truncated library files without loading them.
//!
//! Loading a truncated ELF file does not fail: the process is killed (SIGBUS) when a page beyond the end is accessed. The
//! loaders of macOS and Windows check this themselves.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Bytes of the header of a 64-bit ELF file.
const ELF64_HEADER: usize = 64;

/// Why the file cannot be loaded, judged by its header; `None` if it seems intact.
pub(super) fn damage(path: &Path) -> io::Result<Option<String>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    if length == 0 {
        return Ok(Some("The file is empty".to_owned()));
    }
    let mut header = [0; ELF64_HEADER];
    let is_elf64 = match file.read_exact(&mut header) {
        Ok(()) => header.starts_with(b"\x7fELF\x02\x01"),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => false,
        Err(error) => return Err(error),
    };
    if !is_elf64 {
        return Ok(cfg!(target_os = "linux").then(|| "The file is not a 64-bit ELF library".to_owned()));
    }
    let needed = elf64_end(&header);
    Ok((length < needed).then(|| format!("The file is truncated: {length} bytes of at least {needed}")))
}

/// End of the section table, which linkers write last.
fn elf64_end(header: &[u8; ELF64_HEADER]) -> u64 {
    let u16_at = |at: usize| u64::from(u16::from_le_bytes([header[at], header[at + 1]]));
    let offset = header[40..48].iter().rev().fold(0, |all, byte| (all << 8) | u64::from(*byte));
    offset.saturating_add(u16_at(58) * u16_at(60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_library_is_rejected() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lib");
        std::fs::write(&path, b"").unwrap();
        assert_eq!(damage(&path).unwrap().unwrap(), "The file is empty");
        std::fs::write(&path, b"<html>not found</html>").unwrap();
        assert_eq!(damage(&path).unwrap().is_some(), cfg!(target_os = "linux"));
    }

    #[test]
    fn a_truncated_elf_file_is_detected() {
        let mut elf = vec![0; 400];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        elf[40] = 80; // section table at byte 80
        elf[58] = 64; // of 64 bytes an entry
        elf[60] = 5; // and 5 entries: ends at 400
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lib.so");
        std::fs::write(&path, &elf).unwrap();
        assert_eq!(damage(&path).unwrap(), None);
        std::fs::write(&path, &elf[..399]).unwrap();
        let reason = damage(&path).unwrap().unwrap();
        assert!(reason.contains("399 bytes of at least 400"), "{reason}");
    }
}
