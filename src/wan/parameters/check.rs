//! Checks that weights have the parameters they should have.

use super::list::Parameter;
use crate::core::{Error, Kind, Result};
use crate::onnx::Weights;

/// Maximum number of differences in the error's message.
const SHOWN: usize = 3;

/// Fails with `CorruptModel` if a parameter is missing in `weights` or has another shape, and with `Unsupported` if it has
/// a type that is not used here.
pub fn check(what: &str, weights: &Weights, parameters: &[Parameter]) -> Result<()> {
    let wrong = |parameter: &Parameter| match weights.get(&parameter.name) {
        Err(_) => Some(format!("{} is missing", parameter.name)),
        Ok(info) if info.shape != parameter.shape => {
            Some(format!("{} has shape {:?}, expected {:?}", parameter.name, info.shape, parameter.shape))
        }
        Ok(_) => None,
    };
    let unsupported = |parameter: &Parameter| {
        weights.get(&parameter.name).err().filter(|error| error.kind == Kind::Unsupported)
    };
    if let Some(error) = parameters.iter().find_map(unsupported) {
        return Err(error);
    }
    let wrong: Vec<_> = parameters.iter().filter_map(wrong).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let more = wrong.len().saturating_sub(SHOWN);
    let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
    let shown = wrong.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
    Err(Error::new(
        Kind::CorruptModel,
        format!("The {what} in {} is incomplete or invalid: {shown}{rest}", weights.root().display()),
    )
    .remedy("Download it again; if it has several shards, all of them"))
}
