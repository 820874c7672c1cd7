//! The desktop file: makes the program an entry of the applications menu and lets a dock show its progress.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::write_whole;
use crate::core::{Error, Kind, Result};

/// Name of the desktop file, by which docks know the program.
pub const DESKTOP_FILE: &str = "wandeck.desktop";
const ICON: &[u8] = include_bytes!("../../assets/icon.svg");

/// Where the desktop file is, or was.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct DesktopEntryDocument<'a> {
    /// The desktop file; none if there was none to remove.
    pub entry: Option<&'a Path>,
}

/// Writes the desktop file and the icon for this user; returns the path of the desktop file.
pub fn install_desktop_entry() -> Result<PathBuf> {
    let program = std::env::current_exe().map_err(|error| {
        Error::new(Kind::Io, "Cannot find the program's own file")
            .because(error)
            .remedy("Start it by its whole path")
    })?;
    install(&share()?, &program)
}

/// Removes both; returns the path of the desktop file, or none if there was none.
pub fn remove_desktop_entry() -> Result<Option<PathBuf>> {
    remove(&share()?)
}

/// The folder of this user's programs: `XDG_DATA_HOME`, else `~/.local/share`.
fn share() -> Result<PathBuf> {
    let dirs = directories::BaseDirs::new().filter(|_| cfg!(target_os = "linux"));
    dirs.map(|dirs| dirs.data_dir().to_path_buf()).ok_or_else(|| {
        Error::new(Kind::Unsupported, "Desktop files are for Linux with a home folder")
            .remedy("Make a link to the program by hand")
    })
}

fn install(share: &Path, program: &Path) -> Result<PathBuf> {
    let icon = icon_in(share);
    write_whole(&icon, ICON)?;
    let entry = entry_in(share);
    write_whole(&entry, text(program, &icon).as_bytes())?;
    Ok(entry)
}

fn remove(share: &Path) -> Result<Option<PathBuf>> {
    let entry = entry_in(share);
    let mut existed = false;
    for path in [&icon_in(share), &entry] {
        existed = match fs::remove_file(path) {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => {
                return Err(Error::new(Kind::Io, format!("Cannot remove {}", path.display()))
                    .because(error)
                    .remedy("Remove it by hand"));
            }
        };
    }
    Ok(existed.then_some(entry))
}

fn entry_in(share: &Path) -> PathBuf {
    share.join("applications").join(DESKTOP_FILE)
}

fn icon_in(share: &Path) -> PathBuf {
    share.join("icons/hicolor/scalable/apps/wandeck.svg")
}

fn text(program: &Path, icon: &Path) -> String {
    let program = quoted(&program.to_string_lossy());
    format!(
        "[Desktop Entry]\nType=Application\nName=Wandeck\nComment=Make videos with the Wan 2.2 models\n\
         Exec={program}\nIcon={}\nTerminal=false\nCategories=AudioVideo;Video;\nStartupWMClass=wandeck\n",
        icon.display()
    )
}

/// A path as an argument of `Exec`: in quotation marks, with a backslash before what a shell would read and the percent
/// sign doubled; each backslash is written twice, because the value is a string of its own.
fn quoted(path: &str) -> String {
    let mut text = String::from("\"");
    for letter in path.chars() {
        match letter {
            '"' | '`' | '$' | '\\' => {
                text.push_str("\\\\");
                text.push_str(if letter == '\\' { "\\\\" } else { "" });
                if letter != '\\' {
                    text.push(letter);
                }
            }
            '%' => text.push_str("%%"),
            other => text.push(other),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_starts_this_program_and_is_removed_again() {
        let share = tempfile::tempdir().unwrap();
        let entry = install(share.path(), Path::new("/opt/my programs/wandeck")).unwrap();
        let text = fs::read_to_string(&entry).unwrap();
        assert!(entry.ends_with("applications/wandeck.desktop"));
        assert!(text.contains("\nExec=\"/opt/my programs/wandeck\"\n"), "{text}");
        // the class of the window, so that a dock finds the entry
        assert!(text.contains("\nStartupWMClass=wandeck\n"), "{text}");
        let icon = text.lines().find_map(|line| line.strip_prefix("Icon=")).unwrap();
        assert!(fs::read_to_string(icon).unwrap().contains("<svg"));
        assert_eq!(install(share.path(), Path::new("/opt/wandeck")).unwrap(), entry);
        assert_eq!(remove(share.path()).unwrap(), Some(entry.clone()));
        assert!(!entry.exists() && !Path::new(icon).exists());
        assert_eq!(remove(share.path()).unwrap(), None);
    }

    #[test]
    fn a_path_with_special_letters_is_quoted() {
        assert_eq!(quoted("/a b/50%/w"), "\"/a b/50%%/w\"");
        assert_eq!(quoted("/$x/`y`"), "\"/\\\\$x/\\\\`y\\\\`\"");
        assert_eq!(quoted("/a\\b"), "\"/a\\\\\\\\b\"");
    }
}
