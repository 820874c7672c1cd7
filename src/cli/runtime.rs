//! `wandeck runtime`: builds of ONNX Runtime and plugin providers.

use std::time::{Duration, Instant};

use serde_json::json;

use super::Places;
use super::args::{Common, RuntimeArgs, RuntimeVerb};
use super::report::{note, out, print_document, print_done};
use super::signals::cancel_on_stop;
use crate::core::{CancelToken, Result};
use crate::engine::runtime::{Environment, FetchEvent, RuntimePackage, install_package, remove_package};

/// Time between two lines about a download.
const PRINT_EVERY: Duration = Duration::from_secs(5);

pub(super) fn run(args: &RuntimeArgs, common: &Common) -> Result<()> {
    let places = Places::new(common)?;
    let environment = Environment::from_process(&places.data_dir);
    let runtime = environment.runtime_dir();
    match &args.verb {
        RuntimeVerb::List => {
            let packages = RuntimePackage::for_this_machine();
            if common.json {
                let items = packages.iter().map(|one| {
                    json!({"name": one.name, "package": one.package, "package_version": one.version,
                        "licence": one.licence, "size_words": one.size, "note": one.note,
                        "is_installed": one.is_installed(&runtime)})
                });
                print_document(json!({"packages": items.collect::<Vec<_>>()}));
                return Ok(());
            }
            for one in &packages {
                let state = if one.is_installed(&runtime) { "installed" } else { "not installed" };
                out(&format!(
                    "{:<9} {} {}  licence {}, {}, {state}\n          {}",
                    one.name, one.package, one.version, one.licence, one.size, one.note
                ));
            }
        }
        RuntimeVerb::Install { name } => {
            let package = RuntimePackage::find(name)?;
            let cancel = CancelToken::new();
            cancel_on_stop(&cancel)?;
            note(&format!(
                "Fetching {} {} ({}, licence {}) from the Python package index",
                package.package, package.version, package.size, package.licence
            ));
            let mut printed = Instant::now();
            let folder = install_package(&package, &environment, &cancel, &mut |event| {
                let is_progress = matches!(event, FetchEvent::Downloading { .. });
                if !is_progress || printed.elapsed() >= PRINT_EVERY {
                    printed = Instant::now();
                    note(&event.to_string());
                }
            })?;
            if common.json {
                print_done(json!({"name": package.name, "folder": folder}));
            } else {
                out(&folder.display().to_string());
                note(package.note);
            }
        }
        RuntimeVerb::Remove { name } => {
            let package = RuntimePackage::find(name)?;
            let freed = remove_package(&package, &runtime)?;
            if common.json {
                print_done(json!({"name": package.name, "freed_bytes": freed}));
            } else {
                note(&format!("Removed {}, {freed} freed", package.name));
            }
        }
    }
    Ok(())
}
