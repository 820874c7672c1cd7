//! A table of module names that is read in both directions.

/// Pairs of module names, original first. The rest of the name (`.weight`, `.bias`) is kept.
#[derive(Debug)]
pub struct Table {
    /// Prefix before the number of a block.
    pub(super) blocks: (&'static str, &'static str),
    /// Modules inside a block.
    pub(super) inside: &'static [(&'static str, &'static str)],
    /// All others.
    pub(super) outside: &'static [(&'static str, &'static str)],
}

impl Table {
    /// diffusers' name for an original name; `None` if the model has no such tensor.
    pub fn diffusers(&self, original: &str) -> Option<String> {
        translate(original, self.blocks, self.inside.iter().copied(), self.outside.iter().copied())
    }

    /// The original name for a diffusers name; `None` if the model has no such tensor.
    pub fn original(&self, diffusers: &str) -> Option<String> {
        let turned = |&(original, diffusers): &(&'static str, &'static str)| (diffusers, original);
        let (original, prefix) = self.blocks;
        let (inside, outside) = (self.inside.iter().map(turned), self.outside.iter().map(turned));
        translate(diffusers, (prefix, original), inside, outside)
    }
}

fn translate<'p>(
    name: &str,
    blocks: (&str, &str),
    mut inside: impl Iterator<Item = (&'p str, &'p str)>,
    mut outside: impl Iterator<Item = (&'p str, &'p str)>,
) -> Option<String> {
    if let Some((number, rest)) = name.strip_prefix(blocks.0).and_then(|rest| rest.split_once('.')) {
        number.parse::<u32>().ok()?;
        let rest = inside.find_map(|(from, to)| module(rest, from, to))?;
        return Some(format!("{}{number}.{rest}", blocks.1));
    }
    outside.find_map(|(from, to)| module(name, from, to))
}

/// `name` with the module `from` replaced by `to`, if `name` is that module or a leaf of it.
pub(super) fn module(name: &str, from: &str, to: &str) -> Option<String> {
    match name.strip_prefix(from)? {
        "" => Some(to.to_owned()),
        leaf => leaf.strip_prefix('.').filter(|leaf| !leaf.contains('.')).map(|leaf| format!("{to}.{leaf}")),
    }
}
