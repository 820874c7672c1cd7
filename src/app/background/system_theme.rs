//! Whether the desktop is dark or light, where the window's own backend does not know it.
//!
//! Neither X11 nor Wayland tells. Desktops on Linux do on the session bus, through the settings portal: the key
//! `color-scheme` of `org.freedesktop.appearance`, with a signal when a person changes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use eframe::egui::Theme;

use crate::core::{Result, Waker};

/// The portal's word for a dark desktop.
const DARK: u32 = 1;
/// The portal's word for a light desktop; all others mean no preference.
const LIGHT: u32 = 2;

/// The desktop's theme as last received.
pub(in crate::app) struct SystemTheme {
    scheme: Arc<AtomicU32>,
    _watch: watch::Watch,
}

impl SystemTheme {
    /// Asks the desktop and listens for changes; `waker` is called for each.
    pub(in crate::app) fn start(waker: Waker) -> Result<Self> {
        Self::start_on(None, waker)
    }

    /// The same on the bus at an address, else on that of the session.
    fn start_on(address: Option<String>, waker: Waker) -> Result<Self> {
        let scheme = Arc::new(AtomicU32::new(0));
        let watch = watch::Watch::start(address, Arc::clone(&scheme), waker)?;
        Ok(Self { scheme, _watch: watch })
    }

    /// The desktop's theme, if it has said so.
    pub(in crate::app) fn get(&self) -> Option<Theme> {
        match self.scheme.load(Ordering::Relaxed) {
            DARK => Some(Theme::Dark),
            LIGHT => Some(Theme::Light),
            _ => None,
        }
    }
}

#[cfg(target_os = "linux")]
mod watch {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, Mutex, PoisonError};

    use zbus::blocking::{Connection, MessageIterator, connection};
    use zbus::zvariant::{OwnedValue, Value};

    use crate::app::background::task::Thread;
    use crate::core::{Result, Waker};

    const PORTAL: &str = "org.freedesktop.portal.Desktop";
    const PATH: &str = "/org/freedesktop/portal/desktop";
    const INTERFACE: &str = "org.freedesktop.portal.Settings";
    const NAMESPACE: &str = "org.freedesktop.appearance";
    const KEY: &str = "color-scheme";
    const CHANGES: &str = "type='signal',interface='org.freedesktop.portal.Settings',member='SettingChanged',\
                           arg0='org.freedesktop.appearance'";

    /// The connection, which ends the thread when it is closed.
    #[derive(Default)]
    struct Line {
        connection: Option<Connection>,
        is_closed: bool,
    }

    /// The thread that listens.
    pub(super) struct Watch {
        line: Arc<Mutex<Line>>,
        thread: Option<Thread>,
    }

    impl Watch {
        pub(super) fn start(address: Option<String>, scheme: Arc<AtomicU32>, waker: Waker) -> Result<Self> {
            let line = Arc::new(Mutex::new(Line::default()));
            let own = Arc::clone(&line);
            let listen = move || {
                if let Err(error) = listen(address.as_deref(), &own, &scheme, &waker) {
                    tracing::info!("The desktop does not say whether it is dark or light: {error}");
                }
            };
            Ok(Self { line, thread: Some(Thread::start("system theme", listen)?) })
        }
    }

    impl Drop for Watch {
        fn drop(&mut self) {
            let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
            line.is_closed = true;
            if let Some(Err(error)) = line.connection.take().map(Connection::close) {
                tracing::debug!("The connection to the desktop was closed before: {error}");
            }
            drop(line);
            self.thread = None;
        }
    }

    fn listen(
        address: Option<&str>,
        line: &Mutex<Line>,
        scheme: &AtomicU32,
        waker: &Waker,
    ) -> zbus::Result<()> {
        let connection = match address {
            Some(address) => connection::Builder::address(address)?.build()?,
            None => Connection::session()?,
        };
        {
            let mut line = line.lock().unwrap_or_else(PoisonError::into_inner);
            if line.is_closed {
                return Ok(());
            }
            line.connection = Some(connection.clone());
        }
        let received = |value: &Value<'_>| {
            if let Some(value) = number(value) {
                scheme.store(value, Ordering::Relaxed);
                waker();
            }
        };
        // before the question, so that no change is missed
        let changes = MessageIterator::for_match_rule(CHANGES, &connection, None)?;
        let answer = connection.call_method(Some(PORTAL), PATH, Some(INTERFACE), "Read", &(NAMESPACE, KEY));
        match answer {
            Ok(answer) => {
                let value: OwnedValue = answer.body().deserialize()?;
                received(&value);
            }
            // a portal may start later, and says then what it has
            Err(error) => tracing::debug!("No settings portal: {error}"),
        }
        for message in changes {
            let message = message?;
            let (_, key, value): (String, String, OwnedValue) = message.body().deserialize()?;
            if key == KEY {
                received(&value);
            }
        }
        Ok(())
    }

    /// The number in a value; portals wrap it once or twice.
    fn number(value: &Value<'_>) -> Option<u32> {
        match value {
            Value::U32(value) => Some(*value),
            Value::Value(inner) => number(inner),
            _ => None,
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod watch {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;

    use crate::core::{Result, Waker};

    /// Nothing to listen to: the window's backend knows the theme.
    pub(super) struct Watch;

    impl Watch {
        pub(super) fn start(
            _address: Option<String>,
            _scheme: Arc<AtomicU32>,
            _waker: Waker,
        ) -> Result<Self> {
            Ok(Self)
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::{Duration, Instant};

    use zbus::blocking::connection;
    use zbus::interface;
    use zbus::zvariant::Value;

    use super::*;
    use crate::app::background::session_bus::SessionBus;

    /// The settings portal of a desktop.
    struct Portal(u32);

    #[interface(name = "org.freedesktop.portal.Settings")]
    impl Portal {
        fn read(&self, namespace: &str, key: &str) -> zbus::fdo::Result<Value<'static>> {
            match (namespace, key) {
                ("org.freedesktop.appearance", "color-scheme") => Ok(Value::new(Value::U32(self.0))),
                _ => Err(zbus::fdo::Error::Failed(format!("no {namespace} {key}"))),
            }
        }
    }

    #[test]
    fn the_theme_of_the_desktop_is_known_and_its_changes_too() {
        let Some(bus) = SessionBus::start() else { return };
        let path = "/org/freedesktop/portal/desktop";
        let desktop = connection::Builder::address(bus.address()).unwrap();
        let desktop = desktop.serve_at(path, Portal(LIGHT)).unwrap();
        let desktop = desktop.name("org.freedesktop.portal.Desktop").unwrap().build().unwrap();
        let (sender, woken) = crossbeam_channel::bounded(9);
        let theme =
            SystemTheme::start_on(Some(bus.address().to_owned()), Arc::new(move || sender.send(()).unwrap()))
                .unwrap();
        let wait = |wanted: Theme| {
            let began = Instant::now();
            while theme.get() != Some(wanted) {
                assert!(began.elapsed() < Duration::from_secs(20), "{:?}", theme.get());
                woken.recv_timeout(Duration::from_millis(50)).ok();
            }
        };
        wait(Theme::Light);
        let change = |key: &str, value: u32| {
            let body = ("org.freedesktop.appearance", key, Value::U32(value));
            let name = "org.freedesktop.portal.Settings";
            desktop.emit_signal(None::<&str>, path, name, "SettingChanged", &body).unwrap();
        };
        change("contrast", 0);
        change("color-scheme", DARK);
        wait(Theme::Dark);
        // the thread ends with it
        drop(theme);
    }

    #[test]
    fn without_a_bus_no_theme_is_known() {
        let nowhere = Some("unix:path=/nonexistent/bus".to_owned());
        let theme = SystemTheme::start_on(nowhere, Arc::new(|| {})).unwrap();
        assert_eq!(theme.get(), None);
    }
}
