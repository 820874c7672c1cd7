//! Weights against the list of what should be there.

use super::list::Parameter;
use crate::core::{Error, Kind, Result};
use crate::onnx::Weights;

/// How many of many differences are written out.
const SHOWN: usize = 3;

/// Fails if `weights` lack one of `parameters` or hold it in another shape; one error names the first few.
pub fn check(what: &str, weights: &Weights, parameters: &[Parameter]) -> Result<()> {
    let wrong = |parameter: &Parameter| match weights.get(&parameter.name) {
        Err(_) => Some(format!("{} is missing", parameter.name)),
        Ok(info) if info.shape != parameter.shape => Some(format!(
            "{} has the shape {:?} where {:?} is expected",
            parameter.name, info.shape, parameter.shape
        )),
        Ok(_) => None,
    };
    let wrong: Vec<_> = parameters.iter().filter_map(wrong).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let more = wrong.len().saturating_sub(SHOWN);
    let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
    let shown = wrong.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
    Err(Error::new(
        Kind::CorruptModel,
        format!("The {what} in {} is not whole: {shown}{rest}", weights.root().display()),
    )
    .remedy("Fetch it again; if it came in several files, all of them"))
}
