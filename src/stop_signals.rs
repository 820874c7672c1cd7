//! Signals that ask the program to stop: a person pressed Ctrl+C, the system shuts down, the terminal was closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::core::{Error, Kind, Result};

/// Why the program is asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A person pressed Ctrl+C.
    Interrupt,
    /// The system or another program ends this one, or its terminal was closed.
    Terminate,
}

/// Signals within this time are one request. `timeout` and shells signal the program and then its process group, systemd
/// sends SIGTERM with SIGHUP, and a terminal that is closed has the kernel and the shell send SIGHUP.
const ONE_REQUEST: Duration = Duration::from_secs(1);

/// Listens to the signals until it is dropped.
pub struct StopSignals {
    is_received: Arc<AtomicBool>,
    /// Closed on drop.
    source: Option<source::Source>,
    /// Ends when the source is closed.
    thread: Option<JoinHandle<()>>,
}

impl StopSignals {
    /// Calls `on_stop` on a thread of its own at the first request. Another one ends the program at once, with nothing
    /// saved.
    ///
    /// Fails if the system refuses the handlers or the thread.
    pub fn listen(on_stop: impl FnMut(Stop) + Send + 'static) -> Result<Self> {
        let is_received = Arc::new(AtomicBool::new(false));
        let mut requests = Requests { first: None, is_received: Arc::clone(&is_received), on_stop };
        source::listen(move |stop| requests.take(stop, Instant::now()))
            .map(|(source, thread)| Self { is_received, source: Some(source), thread })
            .map_err(|error| {
                Error::new(Kind::Io, "The program cannot listen to the signals that end it")
                    .because(error)
                    .remedy("Restart the program")
            })
    }

    /// Whether the program was asked to stop.
    pub fn is_received(&self) -> bool {
        self.is_received.load(Ordering::Relaxed)
    }

    /// Listens until the program ends.
    pub fn keep(mut self) {
        (self.source, self.thread) = (None, None);
    }
}

impl Drop for StopSignals {
    fn drop(&mut self) {
        if let Some(source) = &self.source {
            source.close();
        }
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("The thread of the signals ended by a panic");
        }
    }
}

/// What becomes of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// The program goes on, to its end in good order if it was the first.
    GoOn,
    /// The program is ended as without a handler.
    End,
}

/// The requests so far.
struct Requests<F> {
    first: Option<Instant>,
    is_received: Arc<AtomicBool>,
    on_stop: F,
}

impl<F: FnMut(Stop)> Requests<F> {
    fn take(&mut self, stop: Stop, now: Instant) -> Answer {
        match self.first {
            None => {
                self.first = Some(now);
                self.is_received.store(true, Ordering::Relaxed);
                (self.on_stop)(stop);
                Answer::GoOn
            }
            Some(first) if now.duration_since(first) < ONE_REQUEST => Answer::GoOn,
            Some(_) => Answer::End,
        }
    }
}

#[cfg(unix)]
mod source {
    use std::io;
    use std::thread::{Builder, JoinHandle};

    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::{Handle, Signals};
    use signal_hook::low_level::emulate_default_handler;

    use super::{Answer, Stop};

    /// The registered handlers.
    pub(super) struct Source(Handle);

    impl Source {
        pub(super) fn close(&self) {
            self.0.close();
        }
    }

    pub(super) fn listen(
        mut take: impl FnMut(Stop) -> Answer + Send + 'static,
    ) -> io::Result<(Source, Option<JoinHandle<()>>)> {
        let ignored = ignored();
        // nohup, or a shell that started the program in the background, said so
        let heeded =
            [SIGTERM, SIGHUP, SIGINT].into_iter().filter(|signal| ignored & (1 << (signal - 1)) == 0);
        let mut signals = Signals::new(heeded)?;
        let source = Source(signals.handle());
        let listen = move || {
            for signal in signals.forever() {
                let stop = if signal == SIGINT { Stop::Interrupt } else { Stop::Terminate };
                if take(stop) == Answer::End
                    && let Err(error) = emulate_default_handler(signal)
                {
                    tracing::error!("Signal {signal} cannot end the program: {error}");
                }
            }
        };
        let thread = Builder::new().name("signals".to_owned()).spawn(listen)?;
        Ok((source, Some(thread)))
    }

    /// The signals that this process was started to ignore, one bit each from the lowest for signal 1; none where the
    /// system does not say.
    fn ignored() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
    }
}

#[cfg(not(unix))]
mod source {
    use std::io;
    use std::thread::JoinHandle;

    use super::{Answer, Stop};

    /// The handler of Ctrl+C and of a closed terminal, which stays and has a thread of its own.
    pub(super) struct Source;

    impl Source {
        pub(super) fn close(&self) {}
    }

    pub(super) fn listen(
        mut take: impl FnMut(Stop) -> Answer + Send + 'static,
    ) -> io::Result<(Source, Option<JoinHandle<()>>)> {
        let handle = move || {
            if take(Stop::Interrupt) == Answer::End {
                std::process::exit(130);
            }
        };
        ctrlc::set_handler(handle).map(|()| (Source, None)).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    use std::io::{self, BufRead as _, Write as _};

    use super::*;

    #[test]
    fn signals_of_one_moment_are_one_request_and_a_later_one_ends_the_program() {
        let mut seen = Vec::new();
        let mut requests =
            Requests { first: None, is_received: Arc::default(), on_stop: |stop| seen.push(stop) };
        let start = Instant::now();
        let answers =
            [(Stop::Terminate, 0), (Stop::Terminate, 0), (Stop::Interrupt, 999), (Stop::Terminate, 1000)]
                .map(|(stop, after_ms)| requests.take(stop, start + Duration::from_millis(after_ms)));
        assert_eq!(answers, [Answer::GoOn, Answer::GoOn, Answer::GoOn, Answer::End]);
        assert_eq!(seen, [Stop::Terminate]);
    }

    /// Not a test of its own: the program that [`a_program_that_does_not_stop_is_ended_by_a_later_signal`] ends.
    #[cfg(unix)]
    #[test]
    #[ignore = "runs as the process that another test ends"]
    fn program_that_does_not_stop() {
        StopSignals::listen(|_| {}).unwrap().keep();
        writeln!(io::stdout(), "listening").unwrap();
        std::thread::park_timeout(Duration::from_hours(1));
    }

    #[cfg(unix)]
    #[test]
    fn a_program_that_does_not_stop_is_ended_by_a_later_signal() {
        use std::os::unix::process::ExitStatusExt as _;
        use std::process::{Command, Stdio};

        let mut program = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "stop_signals::tests::program_that_does_not_stop"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = io::BufReader::new(program.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("listening")));
        let (id, started) = (program.id().to_string(), Instant::now());
        let status = loop {
            if let Some(status) = program.try_wait().unwrap() {
                break status;
            }
            assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
            std::thread::park_timeout(Duration::from_millis(100));
        };
        assert_eq!(status.signal(), Some(signal_hook::consts::SIGTERM));
        assert!(started.elapsed() >= ONE_REQUEST, "the first signals are one request");
    }
}
