//! The manifest: which models can be fetched, in which variants, from which files of which repositories.

mod check;
mod item;
mod load;
mod selection;

pub use item::{FileComponent, ItemKind, Manifest, ManifestFile, ManifestItem, ManifestVariant};
pub use load::{MANIFEST_FILE, MANIFEST_VARIABLE, load_manifest};
pub use selection::Selection;
