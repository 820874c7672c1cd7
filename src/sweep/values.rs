//! The values of an axis as text: a list with commas, or with "||" where values contain commas, and ranges.

use super::field::SweepField;
use crate::core::{Error, Kind, Result};

/// Largest number of values of one axis.
const MAX_VALUES: usize = 1000;
/// The mark of a range: the numbers before it give the step, the number after it the end.
const RANGE: &str = "..";

/// Reads a list of values: "1, 2, 4", "1, 2, .., 10" or "a cat || a dog, wet".
pub(super) fn values(field: &SweepField, text: &str) -> Result<Vec<String>> {
    let parts: Vec<&str> =
        if text.contains("||") { text.split("||").collect() } else { text.split(',').collect() };
    let parts: Vec<String> = parts.into_iter().map(|part| part.trim().to_owned()).collect();
    expanded(field, &parts)
}

/// A list of values with its ranges replaced by their numbers.
pub(super) fn expanded(field: &SweepField, parts: &[String]) -> Result<Vec<String>> {
    let mut values: Vec<String> = Vec::new();
    let mut parts = parts.iter().peekable();
    while let Some(part) = parts.next() {
        if part == RANGE && field.is_number() {
            let end = parts.next().ok_or_else(|| wrong(field, "a range needs a number after \"..\""))?;
            extend(field, &mut values, end)?;
        } else if part.is_empty() && !matches!(field, SweepField::NegativePrompt | SweepField::Replace(_)) {
            return Err(wrong(field, "a value is empty"));
        } else {
            values.push(part.clone());
        }
        if values.len() > MAX_VALUES {
            return Err(wrong(field, &format!("it has more than {MAX_VALUES} values")));
        }
    }
    if values.is_empty() {
        return Err(wrong(field, "it has no values"));
    }
    Ok(values)
}

/// Continues `values` up to `end`, by the difference of the last two, or by 1.
fn extend(field: &SweepField, values: &mut Vec<String>, end: &str) -> Result<()> {
    let number = |text: &str| {
        let value: Option<f64> = text.parse().ok().filter(|value: &f64| value.is_finite());
        value.ok_or_else(|| wrong(field, &format!("\"{text}\" is not a number")))
    };
    let end = number(end)?;
    let last = number(values.last().ok_or_else(|| wrong(field, "a range needs a number before \"..\""))?)?;
    let step = match values.len().checked_sub(2).map(|before| number(&values[before])) {
        Some(before) => last - before?,
        None => 1.0,
    };
    if step == 0.0 || (end - last) * step < 0.0 {
        return Err(wrong(field, "the range does not reach its end"));
    }
    // the end counts also if rounding misses it by a little
    let count = ((end - last) / step + 1e-6).floor();
    if count > MAX_VALUES as f64 {
        return Err(wrong(field, &format!("it has more than {MAX_VALUES} values")));
    }
    values.extend((1..=count as usize).map(|index| in_words(last + step * index as f64)));
    Ok(())
}

/// A number without the digits that only binary fractions have.
fn in_words(number: f64) -> String {
    let rounded = (number * 1e6).round() / 1e6;
    rounded.to_string()
}

fn wrong(field: &SweepField, why: &str) -> Error {
    Error::new(Kind::Input, format!("The axis {field} cannot be used: {why}"))
        .field("axis")
        .remedy("Write values like \"1, 2, 4\" or \"1, 2, .., 10\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_ranges_are_read() {
        let read = |field: &SweepField, text: &str| values(field, text).map(|values| values.join(" ")).ok();
        for (text, expected) in [
            ("1,2 , 4", Some("1 2 4")),
            ("1, 2, .., 5", Some("1 2 3 4 5")),
            ("1, .., 3", Some("1 2 3")),
            ("10, 8, .., 5", Some("10 8 6")),
            ("0.1, 0.2, .., 0.5", Some("0.1 0.2 0.3 0.4 0.5")),
            ("7, 1, 2, .., 4, 9", Some("7 1 2 3 4 9")),
            ("1, 2, ..", None),
            ("1, 2, .., 0", None),
            ("1, 1, .., 3", None),
            (".., 3", None),
            ("1, .., 100000", None),
            ("1,,2", None),
            ("", None),
        ] {
            assert_eq!(read(&SweepField::Steps, text).as_deref(), expected, "{text}");
        }
        assert_eq!(values(&SweepField::Prompt, "a cat, wet || a dog").unwrap(), ["a cat, wet", "a dog"]);
    }
}
