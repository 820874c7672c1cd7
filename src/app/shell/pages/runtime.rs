//! ONNX Runtime and its packages: what is there, and installing what is missing.

use std::path::Path;

use super::state::{PageAnswer, TaskProgress};
use crate::app::panels::models::{PackageRow, RuntimeStatus};
use crate::app::shell::app::State;
use crate::app::shell::notifications::Tone;
use crate::core::{Error, FIRST_DEVICE, Kind, Result};
use crate::engine::runtime::{
    self, Build, Environment, FetchEvent, RuntimePackage, install_package, remove_package,
};
use crate::engine::{self, ProviderStatus};

/// Licence of ONNX Runtime itself.
const LICENCE: &str = "MIT";

impl State {
    /// Has a thread look for ONNX Runtime, and check its providers if `may_open`, which loads it.
    pub(super) fn look_at_runtime(&self, may_open: bool) -> Result<()> {
        let data_dir = self.data_dir.clone();
        self.page_work(move || PageAnswer::Runtime(runtime_status(&data_dir, may_open)))
    }

    /// Fetches the build of ONNX Runtime for this machine.
    pub(super) fn install_runtime(&mut self) -> Result<()> {
        let build = Build::for_this_machine()?;
        let data_dir = self.data_dir.clone();
        let what = format!("Fetching ONNX Runtime {}", runtime::VERSION);
        self.start_task(what, Some(build.wheel_size.0), move |cancel, progress| {
            let environment = Environment::from_process(&data_dir);
            let (folder, python) = (environment.runtime_dir(), environment.python.as_deref());
            let fetched =
                runtime::fetch(build, &folder, python, cancel, &mut |event| follow(progress, &event));
            PageAnswer::Installed(fetched.map(|found| {
                let text = format!("ONNX Runtime {} is in {}", runtime::VERSION, found.path.display());
                (text, runtime_status(&data_dir, false))
            }))
        })
    }

    /// Installs a runtime package.
    pub(super) fn install_runtime_package(&mut self, name: &str) -> Result<()> {
        let package = RuntimePackage::find(name)?;
        let data_dir = self.data_dir.clone();
        let what = format!("Fetching {} {}", package.package, package.version);
        self.start_task(what, None, move |cancel, progress| {
            let environment = Environment::from_process(&data_dir);
            let mut follow = |event: FetchEvent| follow(progress, &event);
            let installed = install_package(&package, &environment, cancel, &mut follow);
            PageAnswer::Installed(installed.map(|folder| {
                let text = format!(
                    "{} {} is in {}; restart Wandeck to use it",
                    package.package,
                    package.version,
                    folder.display()
                );
                (text, runtime_status(&data_dir, false))
            }))
        })
    }

    /// Removes a runtime package.
    pub(super) fn remove_runtime_package(&self, name: &str) -> Result<()> {
        let package = RuntimePackage::find(name)?;
        let data_dir = self.data_dir.clone();
        self.page_work(move || {
            let folder = Environment::from_process(&data_dir).runtime_dir();
            PageAnswer::Installed(remove_package(&package, &folder).map(|freed| {
                (format!("Removed {}, {freed} freed", package.name), runtime_status(&data_dir, false))
            }))
        })
    }

    /// Takes in what became of an installation.
    pub(super) fn take_installed(&mut self, installed: Result<(String, RuntimeStatus)>) -> Result<()> {
        let (text, status) = match installed {
            Err(error) if error.kind == Kind::Cancelled => return Ok(()),
            installed => installed?,
        };
        self.pages.runtime = Some(status);
        self.notifications.add(Tone::Good, text, None);
        Ok(())
    }
}

/// Notes how far a download is.
fn follow(progress: &TaskProgress, event: &FetchEvent) {
    if let FetchEvent::Downloading { done, of } = event {
        progress.downloaded(*done, *of);
    }
}

/// What is there and what can be installed. Checks the providers if `may_open`, which loads ONNX Runtime.
fn runtime_status(data_dir: &Path, may_open: bool) -> RuntimeStatus {
    let environment = Environment::from_process(data_dir);
    let folder = environment.runtime_dir();
    let row = |one: RuntimePackage| PackageRow {
        name: one.name.to_owned(),
        package: format!("{} {}", one.package, one.version),
        licence: one.licence.to_owned(),
        size: one.size.to_owned(),
        note: one.note.to_owned(),
        is_installed: one.is_installed(&folder),
    };
    let packages = RuntimePackage::for_this_machine().into_iter().map(row).collect();
    let status = RuntimeStatus { packages, ..RuntimeStatus::default() };
    let found = if may_open { opened(data_dir) } else { searched(&environment) };
    match found {
        Ok((lines, providers)) if !lines.is_empty() => RuntimeStatus { lines, providers, ..status },
        Ok(_) => missing(status),
        Err(error) => RuntimeStatus { lines: vec![format!("{error:#}")], ..status },
    }
}

/// Lines about the runtime, none if it is missing, and its providers.
type Found = (Vec<String>, Vec<(bool, String)>);

fn searched(environment: &Environment) -> Result<Found> {
    let found = runtime::search(environment)?.found;
    let line = found.first().map(|found| format!("{} ({})", found.path.display(), found.origin));
    Ok((line.into_iter().collect(), Vec::new()))
}

fn opened(data_dir: &Path) -> Result<Found> {
    let (Some(opened), _) = runtime::open_installed(data_dir)? else { return Ok(Found::default()) };
    let info = opened.info();
    let lines = vec![
        format!("Version {}, {} ({})", info.version, info.path.display(), info.origin),
        info.build.clone(),
        format!("Built with {}", info.providers.join(", ")),
    ];
    let providers = engine::providers(&opened, FIRST_DEVICE);
    Ok((lines, providers.iter().map(provider_line).collect()))
}

fn provider_line(status: &ProviderStatus) -> (bool, String) {
    match &status.unavailable {
        None => (true, status.to_string()),
        Some(why) => (false, format!("{status}. {}", why.remedy)),
    }
}

/// The status of a machine without ONNX Runtime.
fn missing(status: RuntimeStatus) -> RuntimeStatus {
    let build = Build::for_this_machine();
    let line = match &build {
        Ok(_) => {
            format!("Version {} is not installed; it is downloaded before the first video", runtime::VERSION)
        }
        Err(error) => Error::clone(error).to_string(),
    };
    let row = |build: &Build| PackageRow {
        name: "onnxruntime".to_owned(),
        package: format!("ONNX Runtime {}", runtime::VERSION),
        licence: LICENCE.to_owned(),
        size: build.wheel_size.to_string(),
        note: String::new(),
        is_installed: false,
    };
    RuntimeStatus { lines: vec![line], missing: build.ok().map(row), ..status }
}
