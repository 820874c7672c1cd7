//! Survival of a model file that is cut, or whose disk fails, while ONNX Runtime has it mapped.
//!
//! Reading a mapped page beyond the end of its file raises SIGBUS, which ends the program. On Linux a handler puts zeros in
//! the place of such pages and counts them, so that the thread continues; the session that computed with them then fails
//! with an error. X.Org's `busfault.c` protects its shared memory in the same way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::core::{Error, Kind, Result};

/// The components whose files are read now.
static READERS: Readers = Readers::new();

/// The result of `read`, which reads pages of the model files of the component `name`.
///
/// Fails if one of them could not be read, because then what was computed from it is wrong. Which file it was is unknown,
/// so the error names all components that were read at the same time. The first call installs the handler.
pub(super) fn watched<T>(name: &str, read: impl FnOnce() -> Result<T>) -> Result<T> {
    let reader = READERS.begin(name);
    let before = handler::num_caught();
    let result = read();
    if handler::num_caught() == before {
        return result;
    }
    Err(Error::new(
        Kind::CorruptModel,
        format!("A file of the {} was truncated or could not be read while it was in use", reader.names()),
    )
    .remedy("Verify the model's files, then retry the job; it resumes from its last step"))
}

/// Components whose files are read, by a number of each reader: its own name, and those that were read beside it.
struct Readers(Mutex<BTreeMap<u64, (String, BTreeSet<String>)>>);

impl Readers {
    const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// Counts a reader of the component `name` until the result is dropped.
    fn begin(&self, name: &str) -> Reader<'_> {
        let mut all = self.all();
        let mut names = BTreeSet::from([name.to_owned()]);
        for (other, beside) in all.values_mut() {
            names.insert(other.clone());
            beside.insert(name.to_owned());
        }
        let number = all.last_key_value().map_or(0, |(last, _)| last + 1);
        all.insert(number, (name.to_owned(), names));
        Reader { all: self, number }
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<u64, (String, BTreeSet<String>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the [`Readers`].
struct Reader<'a> {
    all: &'a Readers,
    number: u64,
}

impl Reader<'_> {
    /// Its component and those that were read beside it.
    fn names(&self) -> String {
        let all = self.all.all();
        let names = all.get(&self.number).map(|(_, names)| names.iter().map(String::as_str).collect());
        names.map(|names: Vec<&str>| names.join(" or the ")).unwrap_or_default()
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        self.all.all().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_that_are_read_at_the_same_time_are_named_together() {
        let readers = Readers::new();
        drop(readers.begin("vae_encoder"));
        let text = readers.begin("text_encoder");
        assert_eq!(text.names(), "text_encoder");
        let ahead = readers.begin("transformer");
        let other = readers.begin("transformer");
        assert_eq!(ahead.names(), "text_encoder or the transformer");
        drop((ahead, other));
        // it may have been the other's file although that is closed
        assert_eq!(text.names(), "text_encoder or the transformer");
        drop(text);
        assert_eq!(readers.begin("vae_decoder").names(), "vae_decoder");
    }
}

#[cfg(not(target_os = "linux"))]
mod handler {
    /// Other systems have no such handler.
    pub(super) fn num_caught() -> u64 {
        0
    }
}

#[cfg(target_os = "linux")]
mod handler {
    #![expect(unsafe_code, reason = "the handler of a signal calls the system directly")]

    use std::os::raw::{c_int, c_void};
    use std::ptr;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::mappings::{Mapping, Mappings};

    /// `si_code` of a page that does not exist; a failure of the memory itself has another one.
    const PAGE_DOES_NOT_EXIST: c_int = 2;

    static CAUGHT: AtomicU64 = AtomicU64::new(0);
    static BEFORE: OnceLock<Before> = OnceLock::new();

    struct Before {
        action: libc::sigaction,
        page: usize,
    }

    pub(super) fn num_caught() -> u64 {
        BEFORE.get_or_init(install);
        CAUGHT.load(Ordering::SeqCst)
    }

    fn install() -> Before {
        let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = on_bus_error;
        // SAFETY: both structures are plain data that the system fills or reads, and the handler has the signature that
        // SA_SIGINFO asks for
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
            let mut before: libc::sigaction = std::mem::zeroed();
            if libc::sigaction(libc::SIGBUS, &raw const action, &raw mut before) != 0 {
                tracing::warn!("A model file that is cut while in use will end the program");
            }
            let page = usize::try_from(libc::sysconf(libc::_SC_PAGESIZE)).unwrap_or(4096);
            Before { action: before, page }
        }
    }

    /// Only calls the system and touches atomics and its own stack: it interrupts any code, the allocator's too.
    extern "C" fn on_bus_error(signal: c_int, info: *mut libc::siginfo_t, _context: *mut c_void) {
        // SAFETY: the system passes a valid structure, and errno is the thread's own
        unsafe {
            let errno = libc::__errno_location();
            let saved = *errno;
            let (code, address) = ((*info).si_code, (*info).si_addr() as usize);
            if code == PAGE_DOES_NOT_EXIST && put_zeros(address) {
                // the instruction is tried again and finds the zeros
            } else if let Some(before) = BEFORE.get() {
                // the instruction fails again and meets the handler that was there before
                libc::sigaction(signal, &raw const before.action, ptr::null_mut());
            } else {
                libc::signal(signal, libc::SIG_DFL);
            }
            *errno = saved;
        }
    }

    /// Replaces the mapping of a file from the page of `address` to its end by zeros. Returns whether it did.
    fn put_zeros(address: usize) -> bool {
        let Some(before) = BEFORE.get() else { return false };
        let end = match mapping_at(address) {
            Mapping::File { end } => end,
            // two threads met the same page, and the other one was faster
            Mapping::Anonymous => return CAUGHT.load(Ordering::SeqCst) > 0,
            Mapping::Other => return false,
        };
        let from = address & !(before.page - 1);
        // before the mapping: a thread that finds the zeros of another one must know of them
        CAUGHT.fetch_add(1, Ordering::SeqCst);
        // SAFETY: the range is within one private mapping of a file whose pages do not exist, so nothing is lost
        let mapped = unsafe {
            libc::mmap(
                from as *mut c_void,
                end - from,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        mapped != libc::MAP_FAILED
    }

    /// What is mapped at `address`.
    fn mapping_at(address: usize) -> Mapping {
        // SAFETY: the path ends with a zero, and the buffer is as long as said
        unsafe {
            let file = libc::open(c"/proc/self/maps".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
            if file < 0 {
                return Mapping::Other;
            }
            let mut mappings = Mappings::new(address);
            let mut buffer = [0_u8; 1024];
            let found = loop {
                let length = libc::read(file, buffer.as_mut_ptr().cast(), buffer.len());
                let Ok(length @ 1..) = usize::try_from(length) else { break Mapping::Other };
                if let Some(found) = buffer.iter().take(length).find_map(|byte| mappings.next(*byte)) {
                    break found;
                }
            };
            libc::close(file);
            found
        }
    }
}

#[cfg(target_os = "linux")]
mod mappings {
    //! A reader of `/proc/self/maps` without memory of its own, byte by byte.

    /// What is mapped at an address.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) enum Mapping {
        /// Data of a file, private to this process.
        File {
            end: usize,
        },
        /// Private memory without a file.
        Anonymous,
        Other,
    }

    /// What is known of the current line: `start-end perms offset device inode path`.
    pub(super) struct Mappings {
        address: usize,
        field: u8,
        start: usize,
        end: usize,
        /// The flags `rwxp`.
        flags: [u8; 4],
        num_flags: usize,
        has_file: bool,
    }

    impl Mappings {
        pub(super) fn new(address: usize) -> Self {
            Self { address, field: 0, start: 0, end: 0, flags: [0; 4], num_flags: 0, has_file: false }
        }

        /// Takes a byte, and returns the mapping at the end of the line with the address.
        pub(super) fn next(&mut self, byte: u8) -> Option<Mapping> {
            match (byte, self.field) {
                (b'\n', _) => {
                    let is_here = (self.start..self.end).contains(&self.address);
                    let is_private_data = self.flags[2] == b'-' && self.flags[3] == b'p';
                    let mapping = match (is_private_data, self.has_file) {
                        (true, true) => Mapping::File { end: self.end },
                        (true, false) => Mapping::Anonymous,
                        (false, _) => Mapping::Other,
                    };
                    *self = Self::new(self.address);
                    return is_here.then_some(mapping);
                }
                (b'-', 0) | (b' ', 1..=4) => self.field += 1,
                (_, 0) => self.start = self.start << 4 | digit(byte),
                (_, 1) => self.end = self.end << 4 | digit(byte),
                (_, 2) => {
                    if let Some(flag) = self.flags.get_mut(self.num_flags) {
                        *flag = byte;
                    }
                    self.num_flags += 1;
                }
                (b'1'..=b'9', 5) => self.has_file = true,
                // the path
                (b' ', 5) => self.field = 6,
                _ => {}
            }
            None
        }
    }

    fn digit(byte: u8) -> usize {
        (byte as char).to_digit(16).unwrap_or_default() as usize
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn only_a_private_mapping_of_data_is_found() {
            const MAPS: &str = "\
5600000-5601000 r--p 00000000 fe:00 123  /usr/bin/program
5601000-5602000 r-xp 00001000 fe:00 123  /usr/bin/program
7f0000000000-7f0000400000 rw-p 00000000 00:00 0 
7f0000400000-7f0000900000 rw-p 00001000 fe:00 1009999                    /models/a b.safetensors
7f0000900000-7f0000901000 rw-s 00000000 00:01 17                         /memfd:shared
";
            let find = |address| {
                let mut mappings = Mappings::new(address);
                MAPS.bytes().find_map(|byte| mappings.next(byte))
            };
            assert_eq!(find(0x560_0010), Some(Mapping::File { end: 0x560_1000 }));
            assert_eq!(find(0x560_1010), Some(Mapping::Other), "code");
            assert_eq!(find(0x7f00_0000_0010), Some(Mapping::Anonymous));
            assert_eq!(find(0x7f00_0040_0000), Some(Mapping::File { end: 0x7f00_0090_0000 }));
            assert_eq!(find(0x7f00_0090_0000), Some(Mapping::Other), "shared");
            assert_eq!(find(0x10), None);
        }
    }
}
