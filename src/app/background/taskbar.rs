//! Progress on the window's icon in the taskbar or dock.
//!
//! Neither egui nor winit has it. On Linux, docks listen on the session bus for the signal `Update` of
//! `com.canonical.Unity.LauncherEntry`: those of KDE Plasma, Ubuntu, Dash to Dock and others. They know the program by
//! its desktop file, which `wandeck desktop install` makes. On Windows and macOS nothing is shown there; the window's
//! title has the percentage everywhere.

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::task::Thread;
use crate::core::Result;

/// What the icon shows while a job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::app) struct TaskbarProgress {
    /// How far the running job is, 0 to 100.
    pub(in crate::app) percent: u8,
    /// Number of jobs that run or wait.
    pub(in crate::app) jobs: usize,
}

/// Number of states that can wait for the bus; only the last one is sent.
const WAITING: usize = 16;

/// The thread that tells the desktop.
pub(in crate::app) struct Taskbar {
    states: Option<Sender<Option<TaskbarProgress>>>,
    shown: Option<TaskbarProgress>,
    // dropped after the channel is closed
    thread: Option<Thread>,
}

impl Taskbar {
    /// Starts the thread. It connects to the session bus when there is something to show.
    pub(in crate::app) fn start() -> Result<Self> {
        Self::start_on(None)
    }

    fn start_on(address: Option<String>) -> Result<Self> {
        let (states, waiting) = bounded(WAITING);
        let thread = Thread::start("taskbar", move || tell(&waiting, address.as_deref()))?;
        Ok(Self { states: Some(states), shown: None, thread: Some(thread) })
    }

    /// Shows the progress, or nothing where no job runs.
    pub(in crate::app) fn show(&mut self, progress: Option<TaskbarProgress>) {
        let Some(states) = self.states.as_ref().filter(|_| self.shown != progress) else { return };
        // where the bus is slow, the next frame tries again
        if !matches!(states.try_send(progress), Err(TrySendError::Full(_))) {
            self.shown = progress;
        }
    }
}

impl Drop for Taskbar {
    fn drop(&mut self) {
        self.states = None;
        self.thread = None;
    }
}

/// Sends each state until the window closes, and that nothing is shown any more then.
fn tell(states: &Receiver<Option<TaskbarProgress>>, address: Option<&str>) {
    let mut bus = bus::Bus::new(address);
    let mut shown = None;
    while let Ok(mut state) = states.recv() {
        while let Ok(newer) = states.try_recv() {
            state = newer;
        }
        bus.send(state);
        shown = state;
    }
    if shown.is_some() {
        bus.send(None);
    }
}

#[cfg(target_os = "linux")]
mod bus {
    use std::collections::HashMap;

    use zbus::blocking::{Connection, connection};
    use zbus::zvariant::Value;

    use super::TaskbarProgress;
    use crate::store::DESKTOP_FILE;

    const PATH: &str = "/com/canonical/unity/launcherentry/wandeck";
    const INTERFACE: &str = "com.canonical.Unity.LauncherEntry";

    /// The session bus.
    pub(super) struct Bus<'a> {
        address: Option<&'a str>,
        connection: Option<Connection>,
        /// Whether the log has the reason why nothing is shown.
        is_reported: bool,
    }

    impl<'a> Bus<'a> {
        /// The bus at an address, else the one of the session.
        pub(super) fn new(address: Option<&'a str>) -> Self {
            Self { address, connection: None, is_reported: false }
        }

        /// Sends what the icon shows. Without a bus nothing happens, and the log says so once.
        pub(super) fn send(&mut self, state: Option<TaskbarProgress>) {
            if let Err(error) = self.try_send(state) {
                self.connection = None;
                if !std::mem::replace(&mut self.is_reported, true) {
                    tracing::info!("The taskbar shows no progress: {error}");
                }
            }
        }

        fn try_send(&mut self, state: Option<TaskbarProgress>) -> zbus::Result<()> {
            let connection = match self.connection.take() {
                Some(connection) => connection,
                None => match self.address {
                    Some(address) => connection::Builder::address(address)?.build()?,
                    None => Connection::session()?,
                },
            };
            let entry = format!("application://{DESKTOP_FILE}");
            connection.emit_signal(None::<&str>, PATH, INTERFACE, "Update", &(entry, properties(state)))?;
            self.connection = Some(connection);
            Ok(())
        }
    }

    fn properties(state: Option<TaskbarProgress>) -> HashMap<&'static str, Value<'static>> {
        let percent = state.map_or(0, |state| state.percent.min(100));
        let jobs = state.map_or(0, |state| i64::try_from(state.jobs).unwrap_or(i64::MAX));
        HashMap::from([
            ("progress", Value::from(f64::from(percent) / 100.0)),
            ("progress-visible", Value::from(state.is_some())),
            ("count", Value::from(jobs)),
            // one job needs no number
            ("count-visible", Value::from(jobs > 1)),
        ])
    }
}

#[cfg(not(target_os = "linux"))]
mod bus {
    use super::TaskbarProgress;

    /// No bus.
    pub(super) struct Bus;

    impl Bus {
        pub(super) fn new(_address: Option<&str>) -> Self {
            Self
        }

        pub(super) fn send(&mut self, _state: Option<TaskbarProgress>) {}
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::collections::HashMap;

    use zbus::blocking::{MessageIterator, connection};
    use zbus::zvariant::OwnedValue;

    use super::*;
    use crate::app::background::session_bus::SessionBus;

    #[test]
    fn a_dock_on_the_session_bus_receives_the_progress() {
        let Some(bus) = SessionBus::start() else { return };
        let address = bus.address().to_owned();
        let dock = connection::Builder::address(address.as_str()).unwrap().build().unwrap();
        let rule = "type='signal',interface='com.canonical.Unity.LauncherEntry',member='Update'";
        let mut received = MessageIterator::for_match_rule(rule, &dock, None).unwrap();
        let mut next = move || {
            let message = received.next().unwrap().unwrap();
            let (entry, shown): (String, HashMap<String, OwnedValue>) = message.body().deserialize().unwrap();
            assert_eq!(entry, "application://wandeck.desktop");
            let progress = f64::try_from(shown["progress"].clone()).unwrap();
            let [is_visible, has_count] = ["progress-visible", "count-visible"]
                .map(|name| bool::try_from(shown[name].clone()).unwrap());
            (progress, is_visible, i64::try_from(shown["count"].clone()).unwrap(), has_count)
        };
        let mut taskbar = Taskbar::start_on(Some(address.clone())).unwrap();
        taskbar.show(Some(TaskbarProgress { percent: 25, jobs: 3 }));
        assert_eq!(next(), (0.25, true, 3, true));
        taskbar.show(Some(TaskbarProgress { percent: 25, jobs: 3 }));
        taskbar.show(Some(TaskbarProgress { percent: 80, jobs: 1 }));
        assert_eq!(next(), (0.8, true, 1, false));
        taskbar.show(None);
        assert_eq!(next(), (0.0, false, 0, false));
        taskbar.show(Some(TaskbarProgress { percent: 1, jobs: 1 }));
        assert_eq!(next(), (0.01, true, 1, false));
        // the window closes
        drop(taskbar);
        assert_eq!(next(), (0.0, false, 0, false));
    }

    #[test]
    fn without_a_bus_nothing_happens() {
        let mut taskbar = Taskbar::start_on(Some("unix:path=/nonexistent/bus".to_owned())).unwrap();
        for percent in 0..100 {
            taskbar.show(Some(TaskbarProgress { percent, jobs: 1 }));
        }
    }
}
