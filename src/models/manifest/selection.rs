//! Which item and variant a person means.

use super::super::names::{has_version, split_version};
use super::item::{ItemKind, Manifest, ManifestFile, ManifestItem, ManifestVariant};
use crate::core::{Bytes, Error, Kind, Result};

/// A variant of an item, with its files.
#[derive(Clone, Debug)]
pub struct Selection<'a> {
    /// The item.
    pub item: &'a ManifestItem,
    /// The variant.
    pub variant: &'a ManifestVariant,
    /// Its files.
    pub files: Vec<&'a ManifestFile>,
}

impl Manifest {
    /// The variant of the item `ID` or `ID@VERSION`; without a name the first. `ID-VARIANT` and `ID@VERSION-VARIANT` also
    /// name both. A version may be given in part: `2.2` for `2.2.0`. Capitals do not matter.
    ///
    /// # Errors
    ///
    /// [`Kind::MissingModel`] with the names there are.
    pub fn select(&self, name: &str, variant: Option<&str>) -> Result<Selection<'_>> {
        let plain = name.split_once('@').map_or((name, None), |(id, version)| (id, Some(version)));
        let (id, version) = split_version(name);
        let found = self.item_and_variant(plain.0, plain.1).or_else(|| self.item_and_variant(&id, version));
        if let Some((item, named)) = found {
            return self.variant_of(item, variant.or(named));
        }
        let names: Vec<_> = self.items.iter().map(|item| format!("{}@{}", item.id, item.version)).collect();
        Err(Error::new(Kind::MissingModel, format!("\"{name}\" is not in the model list"))
            .field("model")
            .remedy(format!("Available: {}", names.join(", "))))
    }

    /// The item that `id` names, and the variant if it names that, too.
    fn item_and_variant(&self, id: &str, version: Option<&str>) -> Option<(&ManifestItem, Option<&str>)> {
        let of_version = |item: &&ManifestItem| version.is_none_or(|asked| has_version(&item.version, asked));
        let mut items = self.items.iter().filter(of_version);
        if let Some(item) = items.clone().find(|item| item.id.eq_ignore_ascii_case(id)) {
            return Some((item, None));
        }
        items.find_map(|item| {
            let (start, rest) = id.split_at_checked(item.id.len())?;
            let name = rest.strip_prefix('-').filter(|_| start.eq_ignore_ascii_case(&item.id))?;
            let variant = item.variants.iter().find(|one| one.name.eq_ignore_ascii_case(name))?;
            Some((item, Some(variant.name.as_str())))
        })
    }

    fn variant_of<'a>(&'a self, item: &'a ManifestItem, variant: Option<&str>) -> Result<Selection<'a>> {
        let found = match variant {
            Some(name) => item.variants.iter().find(|one| one.name.eq_ignore_ascii_case(name)),
            None => item.variants.first(),
        };
        let Some(variant) = found else {
            let names: Vec<_> = item.variants.iter().map(|one| one.name.as_str()).collect();
            return Err(Error::new(
                Kind::MissingModel,
                format!("{} has no variant \"{}\"", item.id, variant.unwrap_or_default()),
            )
            .field("variant")
            .remedy(format!("Available: {}", names.join(", "))));
        };
        let files = variant.files.iter().filter_map(|name| self.files.get(name)).collect();
        Ok(Selection { item, variant, files })
    }

    /// The id of the item with a file of this SHA-256; where the manifest knows none, with a file of this name.
    pub fn item_of(&self, file_name: &str, sha256: Option<&str>) -> Option<&str> {
        let is_it = |file: &ManifestFile| match (&file.sha256, sha256) {
            (Some(known), Some(wanted)) => known == wanted,
            _ => file.path.rsplit('/').next() == Some(file_name),
        };
        let found =
            self.selections().into_iter().find(|selection| selection.files.iter().any(|file| is_it(file)));
        found.map(|selection| selection.item.id.as_str())
    }

    /// Every variant of every item.
    pub fn selections(&self) -> Vec<Selection<'_>> {
        let pairs = self.items.iter().flat_map(|item| item.variants.iter().map(move |one| (item, one)));
        pairs.filter_map(|(item, one)| self.variant_of(item, Some(&one.name)).ok()).collect()
    }
}

impl Selection<'_> {
    /// Name of the item's folder: `t2v-A14B-fp8_scaled`.
    pub fn folder_name(&self) -> String {
        format!("{}-{}", self.item.id, self.variant.name)
    }

    /// The folder of the data folder that it goes to: `models` or `loras`.
    pub fn parent_name(&self) -> &'static str {
        match self.item.kind {
            ItemKind::Model => "models",
            ItemKind::Lora => "loras",
        }
    }

    /// Size as far as the manifest knows it, and whether that is all of it.
    pub fn known_size(&self) -> (Bytes, bool) {
        let sizes: Vec<_> = self.files.iter().map(|file| file.known_size()).collect();
        (Bytes(sizes.iter().flatten().map(|size| size.0).sum()), sizes.iter().all(Option::is_some))
    }

    /// Size as far as the manifest knows it, in words; `None` if it knows nothing.
    pub fn size_words(&self) -> Option<String> {
        match self.known_size() {
            (Bytes(0), _) => None,
            (size, true) => Some(format!("about {size}")),
            (size, false) => Some(format!("more than {size}")),
        }
    }

    /// Size of the largest file as far as the manifest knows it, which has to fit into memory at once.
    pub fn largest_file(&self) -> Option<Bytes> {
        self.files.iter().filter_map(|file| file.known_size()).max()
    }
}
