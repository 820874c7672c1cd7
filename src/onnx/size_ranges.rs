//! How large the inputs of a graph become, for providers that compile a graph for ranges of sizes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::spec::{Dim, ValueSpec};

/// Smallest, usual and largest number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeRange {
    /// The smallest.
    pub min: usize,
    /// The one that most of the work is done with.
    pub usual: usize,
    /// The largest.
    pub max: usize,
}

impl From<usize> for SizeRange {
    fn from(size: usize) -> Self {
        Self { min: size, usual: size, max: size }
    }
}

/// The ranges of the named dimensions of a graph's inputs, and of inputs of one number that decides sizes within the graph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SizeRanges {
    dims: BTreeMap<Cow<'static, str>, SizeRange>,
    numbers: BTreeMap<Cow<'static, str>, SizeRange>,
}

impl SizeRanges {
    /// Adds the range of the dimensions called `name`.
    #[must_use]
    pub fn dim(mut self, name: impl Into<Cow<'static, str>>, range: impl Into<SizeRange>) -> Self {
        self.dims.insert(name.into(), range.into());
        self
    }

    /// Adds the range of the number in the input called `name`, of shape `[1]`.
    #[must_use]
    pub fn number(mut self, name: impl Into<Cow<'static, str>>, range: impl Into<SizeRange>) -> Self {
        self.numbers.insert(name.into(), range.into());
        self
    }

    /// The smallest, usual and largest shapes of those `inputs` whose shape is not fixed, and the numbers, in `TensorRT`'s
    /// notation: `latent:1x16x1x60x104,frames_from_1:1`. `None` if there are no such inputs, or no ranges.
    ///
    /// # Errors
    ///
    /// Returns the name of a dimension without a range.
    pub fn profile(&self, inputs: &[ValueSpec]) -> Result<Option<[String; 3]>, String> {
        if *self == Self::default() {
            return Ok(None);
        }
        let mut profile = [const { Vec::new() }; 3];
        for input in inputs {
            let Some(ranges) = self.of(input)? else { continue };
            let numbers = [
                ranges.iter().map(|range| range.min.to_string()).collect::<Vec<_>>(),
                ranges.iter().map(|range| range.usual.to_string()).collect(),
                ranges.iter().map(|range| range.max.to_string()).collect(),
            ];
            for (shapes, numbers) in profile.iter_mut().zip(numbers) {
                shapes.push(format!("{}:{}", input.name, numbers.join("x")));
            }
        }
        Ok(Some(profile.map(|shapes| shapes.join(","))).filter(|[smallest, ..]| !smallest.is_empty()))
    }

    /// The ranges of an input: of its number, or of its dimensions if not all are fixed.
    fn of(&self, input: &ValueSpec) -> Result<Option<Vec<SizeRange>>, String> {
        if let Some(number) = self.numbers.get(input.name.as_str()) {
            return Ok(Some(vec![*number]));
        }
        if input.dims.iter().all(|dim| matches!(dim, Dim::Fixed(_))) {
            return Ok(None);
        }
        let range = |dim: &Dim| match dim {
            Dim::Fixed(size) => Ok(SizeRange::from(*size)),
            Dim::Named(name) => self.dims.get(name).copied().ok_or_else(|| name.clone().into_owned()),
        };
        input.dims.iter().map(range).collect::<Result<_, _>>().map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::Dtype;

    fn inputs() -> [ValueSpec; 3] {
        [
            ValueSpec::new("latent", Dtype::F32, [1.into(), "height".into(), "width".into()]),
            ValueSpec::new("text_index", Dtype::I64, [512.into()]),
            ValueSpec::new("from", Dtype::I64, [1.into()]),
        ]
    }

    #[test]
    fn what_is_not_fixed_is_in_the_profile() {
        let rows = SizeRange { min: 1, usual: 4, max: 8 };
        let from = SizeRange { min: 0, usual: 2, max: 2 };
        let sizes = SizeRanges::default().dim("height", rows).dim("width", 6).number("from", from);
        let profile = sizes.profile(&inputs()).expect("all ranges are known").expect("sizes vary");
        assert_eq!(profile, ["latent:1x1x6,from:0", "latent:1x4x6,from:2", "latent:1x8x6,from:2"]);
    }

    #[test]
    fn a_graph_of_fixed_sizes_has_no_profile() {
        assert_eq!(SizeRanges::default().dim("height", 4).profile(&inputs()[1..]), Ok(None));
    }

    #[test]
    fn a_dimension_without_a_range_is_named() {
        let sizes = SizeRanges::default().dim("height", 4);
        assert_eq!(sizes.profile(&inputs()), Err("width".to_owned()));
    }
}
