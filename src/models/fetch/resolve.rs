//! From a name to a complete and checked folder.

use std::path::PathBuf;

use super::super::manifest::{Manifest, ManifestItem, Selection};
use super::fetcher::Fetcher;
use super::plan::FetchPlan;
use super::progress::ModelFetchEvent;
use super::record::FetchRecord;
use crate::core::{Error, Fix, Kind, Result};

impl Fetcher {
    /// The folder of a complete, checked model of the manifest, fetching what is missing; `planned` is called before
    /// anything is fetched. Without a variant, one that is here is taken, else the first.
    ///
    /// Fails with the errors of [`Fetcher::plan`] and [`Fetcher::run`].
    pub fn resolve(
        &self,
        manifest: &Manifest,
        name: &str,
        variant: Option<&str>,
        planned: &dyn Fn(&FetchPlan),
        report: &(dyn Fn(ModelFetchEvent) + Sync),
    ) -> Result<PathBuf> {
        let selection = manifest.select(name, variant)?;
        let is_named = variant.is_some() || name != selection.item.id;
        if let Some(folder) = self.here(manifest, &selection, is_named) {
            return Ok(folder);
        }
        let plan = self.plan(manifest, &selection.item.id, Some(&selection.variant.name))?;
        planned(&plan);
        self.run(&plan, report)
    }

    /// The folder of a selection that is complete and unchanged, or of another variant if none was named.
    fn here(&self, manifest: &Manifest, selection: &Selection<'_>, is_named: bool) -> Option<PathBuf> {
        let is_intact = |selection: &Selection<'_>| {
            let folder = self.folder(selection);
            let record = FetchRecord::read(&folder)?;
            (record.item_version == selection.item.version && record.is_intact(&folder)).then_some(folder)
        };
        let item: &ManifestItem = selection.item;
        is_intact(selection).or_else(|| {
            let mut others = item.variants.iter().filter(|_| !is_named);
            others.find_map(|other| is_intact(&manifest.select(&item.id, Some(&other.name)).ok()?))
        })
    }

    /// The folder of a model of the manifest that is complete and unchanged; nothing is fetched.
    pub fn fetched(&self, manifest: &Manifest, selection: &Selection<'_>) -> Option<PathBuf> {
        self.here(manifest, selection, true)
    }
}

/// The error of a model of the manifest that is not here.
pub(in crate::models) fn missing(selection: &Selection<'_>) -> Error {
    let name = selection.folder_name();
    Error::new(Kind::MissingModel, format!("The model {} is not on this machine", selection.item.id))
        .field("model")
        .remedy(format!("Fetch it with \"wandeck models fetch {name}\", or give the folder of a model"))
        .with_fixes(vec![Fix::Fetch(name)])
}
