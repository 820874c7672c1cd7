//! A session bus of its own for a test.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// The bus, which ends when it is dropped.
pub(super) struct SessionBus {
    daemon: Child,
    address: String,
}

impl SessionBus {
    /// Starts it; nothing where `dbus-daemon` is not installed.
    #[expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
    pub(super) fn start() -> Option<Self> {
        let mut command = Command::new("dbus-daemon");
        command.args(["--session", "--nofork", "--print-address"]).stdout(Stdio::piped());
        let mut daemon = command.spawn().ok()?;
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Some(Self { daemon, address: address.trim().to_owned() })
    }

    /// Where programs reach it.
    pub(super) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for SessionBus {
    fn drop(&mut self) {
        drop((self.daemon.kill(), self.daemon.wait()));
    }
}
