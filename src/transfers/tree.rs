//! The list of a repository's files, as the hub gives it.

use serde::Deserialize;

use super::client::Client;
use super::hub::Hub;
use super::object_id::ObjectId;
use super::retry::Retries;
use super::status::{self, Trouble};
use crate::core::{Bytes, CancelToken, Error, Kind, Result, is_plain_path};

/// Largest page of a list that is read.
const MAX_PAGE: u64 = 32 << 20;
/// Pages of a list that are read.
const MAX_PAGES: usize = 50;

/// A file of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubFile {
    /// Its path in the repository.
    pub path: String,
    /// Its size.
    pub size: Bytes,
    /// Id of its content, if the hub has one.
    pub object: Option<ObjectId>,
}

/// An entry of the list; other fields are not needed.
#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    oid: String,
    lfs: Option<LargeFile>,
}

/// What the list says of a large file.
#[derive(Deserialize)]
struct LargeFile {
    oid: String,
    size: u64,
}

impl From<Entry> for HubFile {
    fn from(entry: Entry) -> Self {
        match entry.lfs {
            Some(large) => Self {
                path: entry.path,
                size: Bytes(large.size),
                object: ObjectId::parse(large.oid.trim_start_matches("sha256:")),
            },
            None => Self { path: entry.path, size: Bytes(entry.size), object: ObjectId::parse(&entry.oid) },
        }
    }
}

/// What a list is asked for: a repository at a revision.
#[derive(Clone, Copy, Debug)]
pub(super) struct TreeQuery<'a> {
    pub(super) repository: &'a str,
    pub(super) revision: &'a str,
}

/// The files of a repository, in all of its folders.
pub(super) fn files(
    hub: &Hub,
    client: &Client,
    query: TreeQuery<'_>,
    retries: &mut Retries,
    cancel: &CancelToken,
) -> Result<Vec<HubFile>> {
    hub.check_online()?;
    let page = hub.page(query.repository);
    let mut url = hub.tree_url(query.repository, query.revision);
    let mut files = Vec::new();
    for _ in 0..MAX_PAGES {
        let (entries, next) = loop {
            match one_page(client, &url, &page) {
                Ok(found) => break found,
                Err(trouble) => retries.wait(trouble, cancel)?,
            }
        };
        files.extend(entries.into_iter().filter(|entry| entry.kind == "file").map(HubFile::from));
        let Some(next) = next else { break };
        url = next;
    }
    if let Some(odd) = files.iter().find(|file| !is_plain_path(&file.path)) {
        return Err(Error::new(
            Kind::Network,
            format!("The hub lists a file with an unsafe path: {:?}", odd.path),
        )
        .remedy("Check HF_ENDPOINT"));
    }
    Ok(files)
}

fn one_page(client: &Client, url: &str, page: &str) -> Result<(Vec<Entry>, Option<String>), Trouble> {
    let mut answer = client.get(url, None, page)?;
    let text = answer.body.with_config().limit(MAX_PAGE).read_to_vec();
    let text = text.map_err(|error| status::from_transport(&error, url))?;
    let entries = serde_json::from_slice(&text).map_err(|error| {
        Trouble::Lasting(
            Error::new(Kind::Network, format!("{} is not a list of files", status::without_query(url)))
                .because(error)
                .remedy("Check HF_ENDPOINT: it must speak as the Hugging Face Hub does"),
        )
    })?;
    Ok((entries, answer.link.as_deref().and_then(next_link)))
}

/// The address of the next page in a `Link` header.
fn next_link(header: &str) -> Option<String> {
    let next = header.split(',').find(|link| link.contains("rel=\"next\""))?;
    let (address, _) = next.trim().strip_prefix('<')?.split_once('>')?;
    Some(address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_files_have_their_sha_256_and_small_ones_their_git_blob() {
        let text = r#"{"type":"file","oid":"ce013625030ba8dba906f756967f9e9ca394464a","size":134,"path":"a/b",
            "lfs":{"oid":"5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03","size":9,"pointerSize":134}}"#;
        let file = HubFile::from(serde_json::from_str::<Entry>(text).unwrap());
        assert_eq!((file.size, file.path.as_str()), (Bytes(9), "a/b"));
        assert!(matches!(file.object, Some(ObjectId::Sha256(_))));
        let text = r#"{"type":"file","oid":"ce013625030ba8dba906f756967f9e9ca394464a","size":6,"path":"b"}"#;
        let file = HubFile::from(serde_json::from_str::<Entry>(text).unwrap());
        assert!(matches!(file.object, Some(ObjectId::GitBlob(_))));
    }

    #[test]
    fn the_next_page_is_in_the_link() {
        assert_eq!(next_link("<http://h/x?cursor=a>; rel=\"next\"").as_deref(), Some("http://h/x?cursor=a"));
        assert_eq!(next_link("<http://h/x>; rel=\"prev\""), None);
    }
}
