//! A model hub: its address, the user's token, and the addresses of its files.

use std::env;
use std::path::{Path, PathBuf};

use super::client::Token;
use crate::core::{Bytes, Error, Kind, Result, percent_encoded, read_text_bounded};

/// The hub that is asked if `HF_ENDPOINT` does not name another.
const DEFAULT_ENDPOINT: &str = "https://huggingface.co";
/// Largest token file that is read.
const MAX_TOKEN: Bytes = Bytes(4096);

/// What the environment says of the hub. The names of the variables are those of Hugging Face's own tools.
#[derive(Clone, Debug, Default)]
pub struct HubEnvironment {
    /// `HF_ENDPOINT`: another hub or a mirror.
    pub endpoint: Option<String>,
    /// `HF_TOKEN`: the access token.
    pub token: Option<String>,
    /// `HF_TOKEN_PATH`: the file of the access token.
    pub token_path: Option<PathBuf>,
    /// `HF_HOME`: the folder of the token and of the cache.
    pub home: Option<PathBuf>,
    /// `HF_HUB_CACHE`: the folder of the cache.
    pub cache: Option<PathBuf>,
    /// `HF_HUB_OFFLINE`: whether nothing may be requested.
    pub offline: bool,
    /// `HF_HUB_DISABLE_IMPLICIT_TOKEN`: whether a token in a file is not sent.
    pub disable_implicit_token: bool,
}

impl HubEnvironment {
    /// The environment of this process.
    pub fn from_process() -> Self {
        let text = |name: &str| env::var(name).ok().filter(|value| !value.trim().is_empty());
        let path = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let is_on = |name: &str| {
            text(name).is_some_and(|value| {
                ["1", "on", "yes", "true"].contains(&value.trim().to_lowercase().as_str())
            })
        };
        let home = path("HF_HOME").or_else(|| Some(user_cache()?.join("huggingface")));
        Self {
            endpoint: text("HF_ENDPOINT"),
            token: text("HF_TOKEN").or_else(|| text("HUGGING_FACE_HUB_TOKEN")),
            token_path: path("HF_TOKEN_PATH").or_else(|| Some(home.clone()?.join("token"))),
            cache: path("HF_HUB_CACHE").or_else(|| Some(home.clone()?.join("hub"))),
            home,
            offline: is_on("HF_HUB_OFFLINE"),
            disable_implicit_token: is_on("HF_HUB_DISABLE_IMPLICIT_TOKEN"),
        }
    }
}

/// The folder of user caches as Hugging Face's tools have it: `XDG_CACHE_HOME`, else `.cache` in the home folder.
fn user_cache() -> Option<PathBuf> {
    let given = env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
    given.or_else(|| Some(directories::BaseDirs::new()?.home_dir().join(".cache")))
}

/// A model hub.
#[derive(Clone, Debug)]
pub struct Hub {
    endpoint: String,
    token: Option<Token>,
    offline: bool,
}

impl Hub {
    /// The hub of an environment.
    pub fn new(environment: &HubEnvironment) -> Self {
        let endpoint = environment.endpoint.as_deref().unwrap_or(DEFAULT_ENDPOINT);
        let from_file = || {
            let path = environment.token_path.as_deref().filter(|_| !environment.disable_implicit_token)?;
            token_in(path)
        };
        let token = environment.token.as_deref().map(|token| token.trim().to_owned()).or_else(from_file);
        Self {
            endpoint: endpoint.trim().trim_end_matches('/').to_owned(),
            token: token.filter(|token| !token.is_empty()).map(Token),
            offline: environment.offline,
        }
    }

    /// Its address without a final slash.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The access token.
    pub(super) fn token(&self) -> Option<Token> {
        self.token.clone()
    }

    /// Fails if the environment forbids requests.
    pub fn check_online(&self) -> Result<()> {
        if !self.offline {
            return Ok(());
        }
        Err(Error::new(Kind::Network, "HF_HUB_OFFLINE is set, so nothing is fetched").remedy(
            "Unset HF_HUB_OFFLINE, or import files that are already here with \"wandeck models import\"",
        ))
    }

    /// The web page of a repository.
    pub fn page(&self, repository: &str) -> String {
        format!("{}/{repository}", self.endpoint)
    }

    /// The address of a file: `revision` is a branch, tag or commit.
    pub fn file_url(&self, repository: &str, revision: &str, path: &str) -> String {
        format!(
            "{}/{repository}/resolve/{}/{}",
            self.endpoint,
            percent_encoded(revision, false),
            percent_encoded(path, true)
        )
    }

    /// The address of the list of all files of a repository.
    pub(super) fn tree_url(&self, repository: &str, revision: &str) -> String {
        let revision = percent_encoded(revision, false);
        format!("{}/api/models/{repository}/tree/{revision}?recursive=true", self.endpoint)
    }
}

fn token_in(path: &Path) -> Option<String> {
    let text = read_text_bounded(path, MAX_TOKEN).ok()?;
    Some(text.trim().to_owned()).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_the_hub() {
        let hub =
            Hub::new(&HubEnvironment { endpoint: Some("http://mirror/ ".into()), ..Default::default() });
        assert_eq!(
            hub.file_url("o/n", "refs/pr/1", "a b/c.json"),
            "http://mirror/o/n/resolve/refs%2Fpr%2F1/a%20b/c.json"
        );
        assert_eq!(hub.tree_url("o/n", "main"), "http://mirror/api/models/o/n/tree/main?recursive=true");
        assert_eq!(Hub::new(&HubEnvironment::default()).endpoint(), DEFAULT_ENDPOINT);
        let offline = Hub::new(&HubEnvironment { offline: true, ..Default::default() });
        assert!(offline.check_online().is_err() && hub.check_online().is_ok());
    }

    #[test]
    fn the_token_comes_from_the_variable_else_from_its_file_unless_that_is_forbidden() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "from-file\n").unwrap();
        let in_file = HubEnvironment { token_path: Some(path), ..Default::default() };
        assert_eq!(Hub::new(&in_file).token(), Some(Token("from-file".into())));
        let both = HubEnvironment { token: Some("given".into()), ..in_file.clone() };
        assert_eq!(Hub::new(&both).token(), Some(Token("given".into())));
        let forbidden = HubEnvironment { disable_implicit_token: true, ..in_file };
        assert_eq!(Hub::new(&forbidden).token(), None);
    }
}
