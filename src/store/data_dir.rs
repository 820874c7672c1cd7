//! The default data folder: where the program keeps its own files.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::core::{Error, Kind, Result};

/// Environment variable with the data folder to use instead of the platform's.
pub const DATA_DIR_VARIABLE: &str = "WANDECK_DATA_DIR";

/// The data folder: `WANDECK_DATA_DIR` if set, else the platform's folder for this program. It may not exist yet.
pub fn default_data_dir() -> Result<PathBuf> {
    chosen(env::var_os(DATA_DIR_VARIABLE), directories::ProjectDirs::from("", "", "wandeck"))
}

fn chosen(variable: Option<OsString>, platform: Option<directories::ProjectDirs>) -> Result<PathBuf> {
    let remedy = format!("Set {DATA_DIR_VARIABLE}, or pass --data-dir");
    if let Some(dir) = variable.filter(|dir| !dir.is_empty()) {
        // Absolute, because a library is loaded from it and the working folder may change.
        return std::path::absolute(&dir).map_err(|error| {
            Error::new(Kind::Io, format!("Cannot use the data folder {}", dir.display()))
                .because(error)
                .remedy(remedy)
        });
    }
    let platform = platform.ok_or_else(|| {
        Error::new(Kind::Io, "Cannot choose a data folder: this user has no home folder").remedy(remedy)
    })?;
    Ok(platform.data_dir().to_path_buf())
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
}
