//! The system's file dialogs, and what to say where there are none.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::core::{Error, Kind, Result};

/// A person needs longer than this to close a dialog without a choice.
const QUICKEST_PERSON: Duration = Duration::from_millis(150);

/// Shows a dialog and waits for the chosen path; `None` if the person chose nothing. Blocks, so not for the window's thread.
///
/// A system without dialogs answers as if nothing had been chosen, only faster than a person can; that is an error.
pub(in crate::app) fn ask(show: impl FnOnce() -> Option<PathBuf>) -> Result<Option<PathBuf>> {
    let began = Instant::now();
    let chosen = show();
    if chosen.is_none() && began.elapsed() < QUICKEST_PERSON {
        return Err(Error::new(Kind::Unsupported, "This system has no file dialog")
            .remedy("Type the path, or drop the file onto the window"));
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialog_that_never_showed_is_an_error_and_a_closed_one_is_not() {
        let refused = ask(|| None).unwrap_err();
        assert!(refused.to_string().contains("no file dialog"), "{refused}");
        let closed = ask(|| {
            std::thread::park_timeout(QUICKEST_PERSON * 2);
            None
        });
        assert_eq!(closed.unwrap(), None);
        assert_eq!(ask(|| Some("a.png".into())).unwrap(), Some("a.png".into()));
    }
}
