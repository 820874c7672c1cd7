//! Parsing of an MP4 index under limits.
//!
//! The parser calls itself for a box in a box, and a file of four kilobytes can nest enough of them to overflow the
//! stack, which ends the program. The index is therefore parsed on a thread with a stack that holds every nesting let
//! through.

use std::io;
use std::thread::Builder;

/// Boxes whose bodies may hold boxes of any kind, as far as the parser knows them (ISO/IEC 14496-12, -14 and -15).
const NESTING: [&[u8; 4]; 45] = [
    b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf", b"edts", b"mvex", b"moof", b"traf", b"mfra",
    b"udta", b"meta", b"ilst", b"iprp", b"ipco", b"stsd", b"ainf", b"avc1", b"avc3", b"hvc1", b"hev1",
    b"vp08", b"vp09", b"av01", b"jpeg", b"uncv", b"mp4a", b"Opus", b"fLaC", b"ac-3", b"ec-3", b".mp3",
    b"samr", b"sowt", b"twos", b"tx3g", b"wvtt", b"urim", b"mett", b"metx", b"mebx", b"evte", b"ipcm",
    b"fpcm",
];
/// Most of them in an index; a file with ten tracks has about a hundred.
const MAX_NESTING: usize = 1000;
/// Stack of the parser. One level takes about 20 kB without optimisation.
const STACK_BYTES: usize = 128 << 20;

/// Runs `parse` over the index `bytes` if it does not nest too deeply. A panic is an error, too.
pub(super) fn parse_index<T: Send>(bytes: &[u8], parse: impl FnOnce(&[u8]) -> T + Send) -> io::Result<T> {
    let invalid = |what: &'static str| io::Error::new(io::ErrorKind::InvalidData, what);
    // boxes may begin at any place, so that the depth is at most the number of names
    let names = bytes.windows(4).filter(|window| NESTING.iter().any(|kind| kind.as_slice() == *window));
    if names.take(MAX_NESTING + 1).count() > MAX_NESTING {
        return Err(invalid("its boxes are nested too deeply"));
    }
    std::thread::scope(|scope| {
        let thread = Builder::new().name("mp4 index".to_owned()).stack_size(STACK_BYTES);
        let parser = thread.spawn_scoped(scope, || parse(bytes))?;
        parser.join().map_err(|_panic| invalid("its boxes contradict each other"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_nesting_and_panics_are_errors() {
        assert_eq!(parse_index(b"moov", <[u8]>::len).unwrap(), 4);
        assert!(parse_index(&b"avc1".repeat(MAX_NESTING + 1), <[u8]>::len).is_err());
        assert!(parse_index(b"", |bytes| bytes[0]).is_err());
    }
}
