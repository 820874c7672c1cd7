//! `wandeck runtime`: builds of ONNX Runtime and plugin providers.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::Places;
use super::args::{Common, RuntimeArgs, RuntimeVerb};
use super::report::{note, out, print_document, print_done};
use super::signals::cancel_on_stop;
use crate::core::{CancelToken, FIRST_DEVICE, Result};
use crate::engine;
use crate::engine::runtime::{
    self, Environment, FetchEvent, RuntimePackage, install_package, remove_package,
};

/// Time between two lines about a download.
const PRINT_EVERY: Duration = Duration::from_secs(5);

pub(super) fn run(args: &RuntimeArgs, common: &Common) -> Result<()> {
    let places = Places::new(common)?;
    let environment = Environment::from_process(&places.data_dir);
    let folder = environment.runtime_dir();
    match &args.verb {
        RuntimeVerb::List => list(&places.data_dir, &folder, common)?,
        RuntimeVerb::Install { name } => {
            let package = RuntimePackage::find(name)?;
            let cancel = CancelToken::new();
            cancel_on_stop(&cancel)?;
            note(&format!(
                "Fetching {} {} ({}, licence {}) from the Python package index",
                package.package, package.version, package.size, package.licence
            ));
            let mut printed = Instant::now();
            let installed = install_package(&package, &environment, &cancel, &mut |event| {
                let is_progress = matches!(event, FetchEvent::Downloading { .. });
                if !is_progress || printed.elapsed() >= PRINT_EVERY {
                    printed = Instant::now();
                    note(&event.to_string());
                }
            })?;
            if common.json {
                print_done(json!({"name": package.name, "folder": installed}));
            } else {
                out(&installed.display().to_string());
                note(package.note);
            }
        }
        RuntimeVerb::Remove { name } => {
            let package = RuntimePackage::find(name)?;
            let freed = remove_package(&package, &folder)?;
            if common.json {
                print_done(json!({"name": package.name, "freed_bytes": freed}));
            } else {
                note(&format!("Removed {}, {freed} freed", package.name));
            }
        }
    }
    Ok(())
}

/// Lists what can be installed, and what the providers of this machine are.
fn list(data_dir: &Path, folder: &Path, common: &Common) -> Result<()> {
    let packages = RuntimePackage::for_this_machine();
    let (opened, _) = runtime::open_installed(data_dir)?;
    let providers = opened.map(|opened| engine::providers(&opened, FIRST_DEVICE)).unwrap_or_default();
    if common.json {
        let items = packages.iter().map(|one| {
            json!({"name": one.name, "package": one.package, "package_version": one.version,
                "licence": one.licence, "size_words": one.size, "note": one.note,
                "is_installed": one.is_installed(folder)})
        });
        print_document(json!({"packages": items.collect::<Vec<_>>(), "providers": providers}));
        return Ok(());
    }
    for one in &packages {
        let state = if one.is_installed(folder) { "installed" } else { "not installed" };
        out(&format!(
            "{:<9} {} {}  licence {}, {}, {state}\n          {}",
            one.name, one.package, one.version, one.licence, one.size, one.note
        ));
    }
    out("");
    for status in &providers {
        out(&match (&status.unavailable, &status.plugin) {
            (Some(why), _) => format!("{status}. {}", why.remedy),
            (None, Some(plugin)) => format!("{status}. {} ({})", plugin.library.display(), plugin.origin),
            (None, None) => status.to_string(),
        });
    }
    if providers.is_empty() {
        out("ONNX Runtime is not installed yet, so the providers are not known");
    }
    Ok(())
}
