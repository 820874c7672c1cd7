//! A desktop for the window: a session bus of its own, and a portal whose file dialog answers as a person who chooses.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use zbus::blocking::{Connection, connection};
use zbus::message::Header;
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Value};

const NAME: &str = "org.freedesktop.portal.Desktop";
const PATH: &str = "/org/freedesktop/portal/desktop";
/// How long the person looks at the dialog.
const LOOK: Duration = Duration::from_millis(500);

/// The desktop, until it is dropped.
pub(crate) struct Desktop {
    bus: Child,
    address: String,
    titles: Arc<Mutex<Vec<String>>>,
    _portal: Connection,
}

/// What a person does with the file dialogs.
#[derive(Clone)]
pub(crate) enum Choice {
    /// Chooses this file.
    File(PathBuf),
    /// Closes the dialog.
    Nothing,
    /// Leaves it open.
    Open,
}

struct Dialogs {
    /// What is done with each dialog, the last first.
    choices: Vec<Choice>,
    titles: Arc<Mutex<Vec<String>>>,
}

#[zbus::interface(name = "org.freedesktop.portal.FileChooser")]
impl Dialogs {
    fn open_file(
        &mut self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &zbus::Connection,
        parent: &str,
        title: &str,
        options: HashMap<String, OwnedValue>,
    ) -> OwnedObjectPath {
        // of X11 or Wayland, or empty for a window without a place on the screen
        assert!(parent.is_empty() || parent.contains(':'), "{parent}");
        let sender = header.sender().unwrap().to_string();
        drop(header);
        let token = options.into_iter().find(|(key, _)| key == "handle_token").unwrap().1;
        let token = String::try_from(token).unwrap();
        let caller = sender.trim_start_matches(':').replace('.', "_");
        let request = OwnedObjectPath::try_from(format!("{PATH}/request/{caller}/{token}")).unwrap();
        self.titles.lock().unwrap().push(title.to_owned());
        let uris = match self.choices.pop() {
            Some(Choice::File(path)) => vec![format!("file://{}", path.display())],
            Some(Choice::Nothing) => Vec::new(),
            Some(Choice::Open) | None => return request,
        };
        let (connection, path) = (Connection::from(connection.clone()), request.clone());
        let answer = move || {
            let code = u32::from(uris.is_empty());
            let results = HashMap::from([("uris", Value::from(uris))]);
            // who asks may not listen yet after the first one
            for _ in 0..3 {
                std::thread::park_timeout(LOOK);
                let (name, member) = ("org.freedesktop.portal.Request", "Response");
                let body = (code, &results);
                connection.emit_signal(Some(sender.as_str()), path.as_str(), name, member, &body).unwrap();
            }
        };
        std::thread::Builder::new().name("person".to_owned()).spawn(answer).unwrap();
        request
    }
}

impl Desktop {
    /// A desktop whose person does this with one dialog after the other; nothing where no bus is installed.
    pub(crate) fn start(choices: &[Choice]) -> Option<Self> {
        let mut command = Command::new("dbus-daemon");
        command.args(["--session", "--nofork", "--print-address"]).stdout(Stdio::piped());
        let mut bus = command.spawn().ok()?;
        let mut address = String::new();
        BufReader::new(bus.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let address = address.trim().to_owned();
        let titles = Arc::<Mutex<Vec<String>>>::default();
        let dialogs =
            Dialogs { choices: choices.iter().rev().cloned().collect(), titles: Arc::clone(&titles) };
        let portal = connection::Builder::address(address.as_str()).unwrap();
        let portal = portal.serve_at(PATH, dialogs).unwrap().name(NAME).unwrap().build().unwrap();
        Some(Self { bus, address, titles, _portal: portal })
    }

    /// Runs an ignored test of this program on the desktop; the data folder is in `variable`.
    pub(crate) fn run(&self, test: &str, variable: &str, data_dir: &Path) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", test])
            .env(variable, data_dir)
            .env("DBUS_SESSION_BUS_ADDRESS", &self.address)
            .spawn()
            .unwrap()
    }

    /// The titles of the dialogs that were shown.
    pub(crate) fn titles(&self) -> Vec<String> {
        self.titles.lock().unwrap().clone()
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        drop((self.bus.kill(), self.bus.wait()));
    }
}
