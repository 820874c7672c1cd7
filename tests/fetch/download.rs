//! One file from a hub that misbehaves.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use wandeck::core::{Bytes, CancelToken, Error, Kind};
use wandeck::transfers::{Downloader, FileSource, Hub, Received, TransferEvent, TransferOptions, part_path};

use crate::common::PATIENCE;
use crate::hub::{LoopbackHub, Manners, weights};

const REPOSITORY: &str = "owner/name";
const FILE: &str = "split files/model.safetensors";

fn options() -> TransferOptions {
    TransferOptions {
        block: Bytes(64 << 10),
        blocks_per_request: 4,
        first_pause: Duration::from_millis(5),
        stall: Duration::from_millis(400),
        ..TransferOptions::default()
    }
}

fn fetch_with(
    hub: &LoopbackHub,
    to: &Path,
    cancel: &CancelToken,
    seen: &(dyn Fn(TransferEvent) + Sync),
) -> Result<Received, Error> {
    let client = Hub::new(&hub.environment());
    let downloader = Downloader::new(&client, options(), cancel);
    let files = downloader.list(REPOSITORY, "main")?;
    let file = files.iter().find(|file| file.path == FILE).unwrap();
    downloader.fetch(FileSource { repository: REPOSITORY, revision: "main", file }, to, seen)
}

fn fetch(hub: &LoopbackHub, to: &Path) -> Result<Received, Error> {
    fetch_with(hub, to, &CancelToken::new(), &|_| {})
}

/// A hub with one file of a megabyte and odd size, and the file's content.
fn hub(manners: Manners) -> (LoopbackHub, Vec<u8>) {
    let hub = LoopbackHub::start();
    let content = weights((1 << 20) + 77, 1);
    hub.put(REPOSITORY, FILE, content.clone());
    hub.serve(REPOSITORY, FILE, manners);
    (hub, content)
}

/// Whether the folder holds the file and nothing else.
fn assert_whole(to: &Path, content: &[u8]) {
    assert!(std::fs::read(to).unwrap() == content, "the bytes are right");
    assert_eq!(std::fs::read_dir(to.parent().unwrap()).unwrap().count(), 1, "nothing is left over");
}

#[test]
fn a_file_comes_whole_over_several_connections() {
    let (hub, content) = hub(Manners::default());
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("m.safetensors");
    let received = AtomicU64::new(0);
    let done = fetch_with(&hub, &to, &CancelToken::new(), &|event| {
        if let TransferEvent::Received(bytes) = event {
            received.fetch_add(bytes.0, Ordering::SeqCst);
        }
    });
    assert_eq!(done.unwrap().object, crate::hub::object(&content));
    assert_whole(&to, &content);
    assert_eq!((hub.served(), received.into_inner()), (content.len() as u64, content.len() as u64));
    let asked = hub.asked();
    let ranges: Vec<_> = asked.iter().filter(|asked| asked.is_other_host).map(|asked| &asked.range).collect();
    let different: std::collections::BTreeSet<_> = ranges.iter().collect();
    assert!(ranges.len() > 4 && different.len() == ranges.len(), "each range once: {ranges:?}");
    // nothing is sent but the request
    let allowed = ["accept", "accept-encoding", "authorization", "connection", "host", "range", "user-agent"];
    for asked in &asked {
        assert!(asked.headers.iter().all(|name| allowed.contains(&name.as_str())), "{asked:?}");
    }
}

#[test]
fn the_token_goes_to_the_hub_and_never_to_where_it_redirects() {
    let (hub, content) = hub(Manners::default());
    hub.want_token("secret");
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("m.safetensors");
    let refused = fetch(&hub, &to).unwrap_err();
    assert_eq!(refused.kind, Kind::Input);
    assert!(refused.remedy_text().unwrap().contains("HF_TOKEN"), "{refused:#}");
    let environment =
        wandeck::transfers::HubEnvironment { token: Some("secret".into()), ..hub.environment() };
    let client = Hub::new(&environment);
    let downloader = Downloader::new(&client, options(), &CancelToken::new());
    let files = downloader.list(REPOSITORY, "main").unwrap();
    let source = FileSource { repository: REPOSITORY, revision: "main", file: &files[0] };
    downloader.fetch(source, &to, &|_| {}).unwrap();
    assert_whole(&to, &content);
    let asked = hub.asked();
    assert!(asked.iter().any(|asked| asked.authorization.as_deref() == Some("Bearer secret")));
    assert!(asked.iter().filter(|asked| asked.is_other_host).all(|asked| asked.authorization.is_none()));
}

#[test]
fn cut_connections_lose_nothing() {
    let (hub, content) = hub(Manners { cut_after: Some(50_000), num_cuts: Some(9), ..Manners::default() });
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("m.safetensors");
    fetch(&hub, &to).unwrap();
    assert_whole(&to, &content);
    assert_eq!(hub.served(), content.len() as u64, "no byte comes twice");
}

#[test]
fn a_stalled_connection_is_given_up_and_asked_again() {
    let (hub, content) = hub(Manners { stall_after: Some(10_000), num_stalls: 2, ..Manners::default() });
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("m.safetensors");
    fetch(&hub, &to).unwrap();
    assert_whole(&to, &content);
    let began = Instant::now();
    while hub.given_up() < 2 && began.elapsed() < PATIENCE {
        std::thread::park_timeout(Duration::from_millis(5));
    }
    assert_eq!(hub.given_up(), 2, "the client closed both connections, not the hub");
}

#[test]
fn a_hub_that_only_cuts_is_given_up_with_what_came_kept() {
    let (hub, content) = hub(Manners { cut_after: Some(0), ..Manners::default() });
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("m.safetensors");
    let error = fetch(&hub, &to).unwrap_err();
    assert_eq!(error.kind, Kind::Network);
    assert!(error.remedy_text().unwrap().contains("What was received is kept"), "{error:#}");
    assert!(!to.exists() && part_path(&to).exists());
    hub.serve(REPOSITORY, FILE, Manners::default());
    fetch(&hub, &to).unwrap();
    assert_whole(&to, &content);
}

#[test]
fn wrong_bytes_never_become_the_file() {
    let (hub, content) = hub(Manners { wrong_byte: Some(700_000), ..Manners::default() });
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("m.safetensors");
    let error = fetch(&hub, &to).unwrap_err();
    assert_eq!(error.kind, Kind::CorruptModel);
    assert!(error.message.contains("checksum") && error.message.contains("expected"), "{error:#}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing wrong is kept");
    hub.serve(REPOSITORY, FILE, Manners::default());
    fetch(&hub, &to).unwrap();
    assert_whole(&to, &content);
}

#[test]
fn without_ranges_one_connection_brings_it() {
    let (hub, content) =
        hub(Manners { no_ranges: true, cut_after: Some(300_000), num_cuts: Some(1), ..Manners::default() });
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("m.safetensors");
    let lost = AtomicU64::new(0);
    fetch_with(&hub, &to, &CancelToken::new(), &|event| {
        if let TransferEvent::Lost(bytes) = event {
            lost.fetch_add(bytes.0, Ordering::SeqCst);
        }
    })
    .unwrap();
    assert_whole(&to, &content);
    assert_eq!(lost.into_inner(), 300_000, "what comes twice is said");
}

#[test]
fn busy_servers_are_asked_again() {
    let statuses = VecDeque::from([(429, "Retry-After: 1\r\n"), (503, ""), (500, "")]);
    let (hub, content) = hub(Manners { statuses, ..Manners::default() });
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("m.safetensors");
    fetch(&hub, &to).unwrap();
    assert_whole(&to, &content);
}

#[test]
fn a_server_that_asks_for_a_long_pause_is_not_waited_for() {
    let statuses = VecDeque::from([(429, "Retry-After: 301\r\n"); 4]);
    let (hub, content) = hub(Manners { statuses, ..Manners::default() });
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("m.safetensors");
    let error = fetch(&hub, &to).unwrap_err();
    assert_eq!(error.kind, Kind::Network);
    assert!(error.remedy_text().unwrap().contains("Wait 301 s"), "{error:#}");
    hub.serve(REPOSITORY, FILE, Manners::default());
    fetch(&hub, &to).unwrap();
    assert_whole(&to, &content);
}

#[test]
fn refusals_say_what_to_do() {
    for (status, kind, words) in
        [(403, Kind::Input, "Accept the terms"), (404, Kind::MissingModel, "models-manifest.ron")]
    {
        let statuses = VecDeque::from([(status, ""); 3]);
        let (hub, _) = hub(Manners { statuses, ..Manners::default() });
        let dir = tempfile::tempdir().unwrap();
        let error = fetch(&hub, &dir.path().join("m.safetensors")).unwrap_err();
        assert_eq!(error.kind, kind);
        assert!(error.remedy_text().unwrap().contains(words), "{error:#}");
        assert!(!format!("{error:#}").contains("signature"), "{error:#}");
    }
}

#[test]
fn a_pause_keeps_what_came_and_the_next_fetch_goes_on() {
    let (hub, content) = hub(Manners { rate: Some(400_000), ..Manners::default() });
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("m.safetensors");
    let cancel = CancelToken::new();
    let received = AtomicU64::new(0);
    let error = fetch_with(&hub, &to, &cancel, &|event| {
        if let TransferEvent::Received(bytes) = event
            && received.fetch_add(bytes.0, Ordering::SeqCst) > 600_000
        {
            cancel.cancel();
        }
    })
    .unwrap_err();
    assert_eq!(error.kind, Kind::Cancelled);
    hub.serve(REPOSITORY, FILE, Manners::default());
    let again = AtomicU64::new(0);
    let done = fetch_with(&hub, &to, &CancelToken::new(), &|event| {
        if let TransferEvent::Received(bytes) = event {
            again.fetch_add(bytes.0, Ordering::SeqCst);
        }
    });
    let done = done.unwrap();
    assert_whole(&to, &content);
    // at most the last block of each connection comes again
    assert!(done.resumed.0 + 4 * (64 << 10) >= 600_000, "{done:?}");
    assert_eq!(again.into_inner() + done.resumed.0, content.len() as u64);
}

/// Fetches from a slow hub until the journal has a block; then the fetch is cancelled.
fn fetch_a_block(hub: &LoopbackHub, to: &Path) {
    let cancel = CancelToken::new();
    let stop = |event| {
        if matches!(event, TransferEvent::Received(_)) && part_path(to).exists() {
            let journal = std::fs::read_to_string(to.with_file_name("m.safetensors.part.journal"));
            if journal.is_ok_and(|text| text.contains("done")) {
                cancel.cancel();
            }
        }
    };
    fetch_with(hub, to, &cancel, &stop).unwrap_err();
}

#[test]
fn another_etag_of_a_content_with_an_id_changes_nothing() {
    let mirror =
        |etag: &str, rate| Manners { no_link: true, etag: Some(etag.into()), rate, ..Manners::default() };
    let (hub, content) = hub(mirror("\"one\"", Some(400_000)));
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("m.safetensors");
    fetch_a_block(&hub, &to);
    hub.serve(REPOSITORY, FILE, mirror("\"two\"", Some(400_000)));
    fetch_a_block(&hub, &to);
    hub.serve(REPOSITORY, FILE, mirror("\"three\"", None));
    let done = fetch(&hub, &to).unwrap();
    assert!(done.resumed > Bytes(0), "{done:?}");
    assert_whole(&to, &content);
    // while it is fetched, another ETag is still another content
    std::fs::remove_file(&to).unwrap();
    hub.serve(REPOSITORY, FILE, mirror("\"three\"", Some(400_000)));
    fetch_a_block(&hub, &to);
    let changed = std::sync::Once::new();
    let change = |event| {
        if matches!(event, TransferEvent::Received(_)) {
            changed.call_once(|| hub.serve(REPOSITORY, FILE, mirror("\"four\"", None)));
        }
    };
    let error = fetch_with(&hub, &to, &CancelToken::new(), &change).unwrap_err();
    assert!(error.message.contains("changed on the server"), "{error:#}");
}

#[test]
fn another_file_of_its_name_is_replaced() {
    let (hub, content) = hub(Manners::default());
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("m.safetensors");
    for other in [weights(100_000, 3), weights(content.len(), 3)] {
        std::fs::write(&to, other).unwrap();
        let done = fetch(&hub, &to).unwrap();
        assert_eq!(done.resumed, Bytes(0));
        assert_whole(&to, &content);
    }
    assert_eq!(fetch(&hub, &to).unwrap().resumed, Bytes(content.len() as u64), "the whole file stays");
}

#[test]
fn a_file_that_changed_since_starts_anew() {
    for no_object in [false, true] {
        let (hub, _) = hub(Manners { rate: Some(400_000), no_object, ..Manners::default() });
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("m.safetensors");
        fetch_a_block(&hub, &to);
        // the same size, so that only the id or the ETag shows it
        let other = weights((1 << 20) + 77, 2);
        hub.put(REPOSITORY, FILE, other.clone());
        hub.serve(REPOSITORY, FILE, Manners { no_object, ..Manners::default() });
        let done = fetch(&hub, &to).unwrap();
        assert_eq!(done.resumed, Bytes(0), "nothing of the old file is used");
        assert_whole(&to, &other);
    }
}

#[test]
fn a_change_while_it_is_fetched_is_no_mixture() {
    let (hub, _) = hub(Manners { rate: Some(200_000), no_object: true, ..Manners::default() });
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("m.safetensors");
    let changed = std::sync::Once::new();
    let change = |event| {
        if matches!(event, TransferEvent::Received(_)) {
            changed.call_once(|| {
                hub.put(REPOSITORY, FILE, weights((1 << 20) + 77, 2));
                hub.serve(REPOSITORY, FILE, Manners { no_object: true, ..Manners::default() });
            });
        }
    };
    let error = fetch_with(&hub, &to, &CancelToken::new(), &change).unwrap_err();
    assert!(error.message.contains("changed on the server"), "{error:#}");
    assert!(!to.exists());
    fetch(&hub, &to).unwrap();
    assert_whole(&to, &weights((1 << 20) + 77, 2));
}

#[test]
fn offline_nothing_is_asked() {
    let (hub, _) = hub(Manners::default());
    let environment = wandeck::transfers::HubEnvironment { offline: true, ..hub.environment() };
    let client = Hub::new(&environment);
    let error =
        Downloader::new(&client, options(), &CancelToken::new()).list(REPOSITORY, "main").unwrap_err();
    assert!(error.message.contains("HF_HUB_OFFLINE"), "{error:#}");
    assert_eq!(hub.asked(), []);
}
