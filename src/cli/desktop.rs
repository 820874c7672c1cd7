//! `wandeck desktop`: the program's entry in the applications menu.

use std::path::Path;

use super::args::{Common, DesktopArgs as Args, DesktopVerb};
use super::report::{out, print_document};
use crate::core::Result;
use crate::store::{DesktopEntryDocument, install_desktop_entry, remove_desktop_entry};

pub(super) fn run(args: &Args, common: &Common) -> Result<()> {
    match args.verb {
        DesktopVerb::Install => {
            let entry = install_desktop_entry()?;
            report(
                Some(&entry),
                &format!("Wandeck is in the applications menu: {}", entry.display()),
                common,
            );
        }
        DesktopVerb::Remove => {
            let entry = remove_desktop_entry()?;
            let text = entry.as_ref().map_or_else(
                || "There was no entry".to_owned(),
                |entry| format!("Removed from the applications menu: {}", entry.display()),
            );
            report(entry.as_deref(), &text, common);
        }
    }
    Ok(())
}

fn report(entry: Option<&Path>, text: &str, common: &Common) {
    if common.json {
        return print_document(DesktopEntryDocument { entry });
    }
    out(text);
}
