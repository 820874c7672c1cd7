//! Who published a model, as far as its name, its place or the record of its fetch say.

use std::path::Path;

use super::catalog::Installed;
use super::fetch::FetchRecord;
use super::names::repository;

/// The owner of the repository that a model comes from; `None` if nothing says it.
pub fn publisher(model: &Installed) -> Option<String> {
    let owner = |repository: &str| repository.split_once('/').map(|(owner, _)| owner.to_owned());
    let by_files = || {
        let file = model.info.as_ref()?.components.first()?.files.first()?;
        let cached = file.ancestors().find_map(repository);
        owner(&cached.or_else(|| recorded(file, model.folder()))?)
    };
    owner(&model.id).or_else(by_files)
}

/// The repository that the record in `folder` has for `file`.
fn recorded(file: &Path, folder: &Path) -> Option<String> {
    let record = FetchRecord::read(folder)?;
    record.files.into_iter().find(|known| file.ends_with(&known.path)).map(|known| known.repository)
}
