//! Signals that ask the program to end: the system shuts down, the terminal is closed, a person pressed Ctrl+C in it.
//!
//! The window then closes by itself and saves what it has, without a question: nobody may be there to answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::core::{Error, Kind, Result, Waker};

/// Whether such a signal was received.
pub(in crate::app) struct StopSignals {
    received: Arc<AtomicBool>,
    _listening: listening::Listening,
}

impl StopSignals {
    /// Listens from now on; `waker` is called after a signal. A second signal ends the program at once.
    pub(in crate::app) fn listen(waker: Waker) -> Result<Self> {
        let received = Arc::new(AtomicBool::new(false));
        let listening = listening::Listening::start(&received, waker).map_err(|error| {
            Error::new(Kind::Io, "The window cannot listen to the signals that end it")
                .because(error)
                .remedy("Restart the program")
        })?;
        Ok(Self { received, _listening: listening })
    }

    /// Whether the program was asked to end.
    pub(in crate::app) fn is_received(&self) -> bool {
        self.received.load(Ordering::Relaxed)
    }
}

#[cfg(unix)]
mod listening {
    use std::io::{self, Read as _};
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use signal_hook::SigId;
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::{flag, low_level};

    use crate::app::background::task::Thread;
    use crate::core::Waker;

    /// The registered handlers, and the thread that they wake.
    pub(super) struct Listening {
        registered: Vec<SigId>,
        /// Joined after the handlers are gone, which ends it.
        thread: Option<Thread>,
    }

    impl Listening {
        pub(super) fn start(received: &Arc<AtomicBool>, waker: Waker) -> io::Result<Self> {
            let (mut read, write) = UnixStream::pair()?;
            let mut listening = Self { registered: Vec::new(), thread: None };
            let ignored = ignored();
            for signal in [SIGTERM, SIGHUP, SIGINT] {
                // nohup, or a shell that started the program in the background, said so
                if ignored & (1 << (signal - 1)) != 0 {
                    continue;
                }
                let registered = &mut listening.registered;
                // before the flag is set: only the second signal ends the program as without a handler
                registered.push(flag::register_conditional_default(signal, Arc::clone(received))?);
                registered.push(flag::register(signal, Arc::clone(received))?);
                registered.push(low_level::pipe::register(signal, write.try_clone()?)?);
            }
            let wake = move || {
                let mut byte = [0];
                while read.read_exact(&mut byte).is_ok() {
                    waker();
                }
            };
            listening.thread = Some(Thread::start("signals", wake).map_err(io::Error::other)?);
            Ok(listening)
        }
    }

    /// The signals that this process was started to ignore, one bit each from the lowest for signal 1; none where the
    /// system does not say.
    fn ignored() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
    }

    impl Drop for Listening {
        fn drop(&mut self) {
            for id in self.registered.drain(..) {
                low_level::unregister(id);
            }
            self.thread = None;
        }
    }
}

#[cfg(not(unix))]
mod listening {
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use crate::core::Waker;

    /// The handler of Ctrl+C and of a closed terminal.
    pub(super) struct Listening;

    impl Listening {
        pub(super) fn start(received: &Arc<AtomicBool>, waker: Waker) -> io::Result<Self> {
            let received = Arc::clone(received);
            let handle = move || {
                received.store(true, Ordering::Relaxed);
                waker();
            };
            ctrlc::set_handler(handle).map(|()| Self).map_err(io::Error::other)
        }
    }
}
