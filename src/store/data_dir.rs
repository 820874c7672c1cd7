//! The default data folder: where the program keeps its own files.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::core::{Error, Kind, Result};

/// Environment variable with the data folder to use instead of the platform's.
pub const DATA_DIR_VARIABLE: &str = "WANDECK_DATA_DIR";

/// File in the platform's folder that names the data folder, if a person chose another one.
const CHOICE: &str = "data-folder.txt";

/// The data folder: `WANDECK_DATA_DIR` if set, else the one chosen with [`choose_data_dir`], else the platform's folder
/// for this program. It may not exist yet.
pub fn default_data_dir() -> Result<PathBuf> {
    chosen(env::var_os(DATA_DIR_VARIABLE), platform_dir())
}

/// Makes `folder` the data folder from the next start on, and creates it; none for the platform's.
pub fn choose_data_dir(folder: Option<&Path>) -> Result<()> {
    choose(folder, platform_dir())
}

fn platform_dir() -> Option<PathBuf> {
    Some(directories::ProjectDirs::from("", "", "wandeck")?.data_dir().to_path_buf())
}

fn choose(folder: Option<&Path>, platform: Option<PathBuf>) -> Result<()> {
    let platform = platform.ok_or_else(no_home)?;
    let choice = platform.join(CHOICE);
    let written = match folder {
        None => match fs::remove_file(&choice) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        },
        Some(folder) => std::path::absolute(folder).and_then(|folder| {
            if folder.is_file() {
                return Err(ErrorKind::NotADirectory.into());
            }
            fs::create_dir_all(&folder)?;
            fs::create_dir_all(&platform)?;
            let text = folder.to_str().ok_or(ErrorKind::InvalidFilename)?;
            fs::write(&choice, text)
        }),
    };
    written.map_err(|error| {
        let name = folder.unwrap_or(&platform).display();
        Error::new(Kind::Io, format!("Cannot use {name} as the data folder"))
            .because(error)
            .remedy("Choose a folder that can be written to")
    })
}

fn chosen(variable: Option<OsString>, platform: Option<PathBuf>) -> Result<PathBuf> {
    if let Some(dir) = variable.filter(|dir| !dir.is_empty()) {
        // Absolute, because a library is loaded from it and the working folder may change.
        return std::path::absolute(&dir).map_err(|error| {
            Error::new(Kind::Io, format!("Cannot use the data folder {}", dir.display()))
                .because(error)
                .remedy(format!("Set {DATA_DIR_VARIABLE}, or pass --data-dir"))
        });
    }
    let platform = platform.ok_or_else(no_home)?;
    let choice = fs::read_to_string(platform.join(CHOICE)).ok();
    let choice = choice.map(|text| PathBuf::from(text.trim_end())).filter(|path| path.is_absolute());
    Ok(choice.unwrap_or(platform))
}

fn no_home() -> Error {
    Error::new(Kind::Io, "Cannot choose a data folder: this user has no home folder")
        .remedy(format!("Set {DATA_DIR_VARIABLE}, or pass --data-dir"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_wins_and_becomes_absolute() {
        let here = env::current_dir().unwrap();
        assert_eq!(chosen(Some("some/where".into()), None).unwrap(), here.join("some/where"));
    }

    #[test]
    fn without_a_home_the_variable_is_named() {
        let error = chosen(Some(OsString::new()), None).unwrap_err();
        assert!(format!("{error:#}").contains(DATA_DIR_VARIABLE), "{error:#}");
    }

    #[test]
    fn a_chosen_folder_counts_until_it_is_reset() {
        let home = tempfile::tempdir().unwrap();
        let platform = || Some(home.path().join("wandeck"));
        let other = home.path().join("other disk");
        assert_eq!(chosen(None, platform()).unwrap(), platform().unwrap());
        choose(Some(&other), platform()).unwrap();
        assert_eq!(chosen(None, platform()).unwrap(), other);
        assert_eq!(chosen(Some("/variable".into()), platform()).unwrap(), Path::new("/variable"));
        choose(None, platform()).unwrap();
        choose(None, platform()).unwrap();
        assert_eq!(chosen(None, platform()).unwrap(), platform().unwrap());
        std::fs::write(home.path().join("file"), "").unwrap();
        let error = choose(Some(&home.path().join("file/below")), platform()).unwrap_err();
        assert!(error.message.contains("file/below"), "{error}");
        let error = choose(Some(&home.path().join("file")), platform()).unwrap_err();
        assert!(format!("{error:#}").contains("not a directory"), "{error:#}");
    }
}
