//! A model hub on the loopback interface, which misbehaves where a test asks it to.
//!
//! It speaks what the fetch uses of the real one: `/api/models/REPOSITORY/tree/REVISION` and
//! `/REPOSITORY/resolve/REVISION/PATH`. A second port plays the other host that large files are redirected to.

#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses a part of it")]

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use wandeck::core::sha256_hex;
use wandeck::transfers::{HubEnvironment, ObjectHasher, ObjectId};

/// Files of at least this size are large: they have a SHA-256 and are redirected.
const LARGE: usize = 64 << 10;

/// How the hub answers requests for one file. The default is as it should be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Manners {
    /// Cut each answer after so many bytes.
    pub(crate) cut_after: Option<usize>,
    /// How many answers are cut; none for all.
    pub(crate) num_cuts: Option<u64>,
    /// Say nothing more after so many bytes, but keep the connection.
    pub(crate) stall_after: Option<usize>,
    /// How many answers stall.
    pub(crate) num_stalls: u64,
    /// Flip a bit of the byte at this place.
    pub(crate) wrong_byte: Option<usize>,
    /// Ignore `Range` and send everything.
    pub(crate) no_ranges: bool,
    /// Answer the next requests with these statuses and headers.
    pub(crate) statuses: VecDeque<(u16, &'static str)>,
    /// Send this `ETag`.
    pub(crate) etag: Option<String>,
    /// Hide the content's id, in the list and in the answers.
    pub(crate) no_object: bool,
    /// Hide the content's id in the answers only, as a mirror does.
    pub(crate) no_link: bool,
    /// Bytes per second of each connection.
    pub(crate) rate: Option<u64>,
}

/// A request that the hub got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Whether it came to the other host.
    pub(crate) is_other_host: bool,
    pub(crate) path: String,
    pub(crate) range: Option<String>,
    pub(crate) authorization: Option<String>,
    /// All names of headers, in lower case.
    pub(crate) headers: Vec<String>,
}

#[derive(Default)]
struct State {
    /// Contents by `REPOSITORY/PATH`.
    files: Mutex<BTreeMap<String, Arc<Vec<u8>>>>,
    manners: Mutex<BTreeMap<String, Manners>>,
    asked: Mutex<Vec<Asked>>,
    served: AtomicU64,
    /// Stalled answers whose connection the client closed.
    given_up: AtomicU64,
    token: Mutex<Option<String>>,
    over: AtomicBool,
    other: Mutex<String>,
    digests: Mutex<BTreeMap<String, ObjectId>>,
}

/// The hub; it ends with the test.
pub(crate) struct LoopbackHub {
    address: String,
    state: Arc<State>,
}

impl LoopbackHub {
    pub(crate) fn start() -> Self {
        let state = Arc::new(State::default());
        let other = listen(&state, true);
        *state.other.lock().unwrap() = other;
        let address = listen(&state, false);
        Self { address, state }
    }

    /// The address for `HF_ENDPOINT`.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// An environment that names this hub and nothing of this machine.
    pub(crate) fn environment(&self) -> HubEnvironment {
        HubEnvironment { endpoint: Some(self.endpoint()), ..HubEnvironment::default() }
    }

    /// Puts a file into a repository, or replaces it.
    pub(crate) fn put(&self, repository: &str, path: &str, content: Vec<u8>) {
        let key = format!("{repository}/{path}");
        self.state.digests.lock().unwrap().insert(key.clone(), object(&content));
        self.state.files.lock().unwrap().insert(key, Arc::new(content));
    }

    /// Puts all files of a folder into a repository.
    pub(crate) fn put_folder(&self, repository: &str, folder: &Path) {
        for (path, content) in files_in(folder, "") {
            self.put(repository, &path, content);
        }
    }

    /// Sets how a file is served.
    pub(crate) fn serve(&self, repository: &str, path: &str, manners: Manners) {
        self.state.manners.lock().unwrap().insert(format!("{repository}/{path}"), manners);
    }

    /// Wants this token for every request to the hub itself.
    pub(crate) fn want_token(&self, token: &str) {
        *self.state.token.lock().unwrap() = Some(token.to_owned());
    }

    /// The requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap().clone()
    }

    /// Bytes of files that were sent so far.
    pub(crate) fn served(&self) -> u64 {
        self.state.served.load(Ordering::SeqCst)
    }

    /// Stalled answers that the client gave up so far.
    pub(crate) fn given_up(&self) -> u64 {
        self.state.given_up.load(Ordering::SeqCst)
    }

    pub(crate) fn reset_served(&self) {
        self.state.served.store(0, Ordering::SeqCst);
    }
}

impl Drop for LoopbackHub {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::SeqCst);
    }
}

/// The id that the hub has for a content.
pub(crate) fn object(content: &[u8]) -> ObjectId {
    if content.len() >= LARGE {
        return ObjectId::Sha256(sha256_hex(content));
    }
    let small = ObjectId::GitBlob(String::new());
    let mut hasher = ObjectHasher::new(Some(&small), content.len() as u64);
    hasher.update(content);
    hasher.finish()
}

fn files_in(folder: &Path, prefix: &str) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            files.extend(files_in(&entry.path(), &format!("{name}/")));
        } else {
            files.push((name, std::fs::read(entry.path()).unwrap()));
        }
    }
    files
}

/// Random bytes that look like a safetensors file with one tensor.
pub(crate) fn weights(size: usize, seed: u32) -> Vec<u8> {
    let header = |length: usize| {
        let mut text =
            format!("{{\"x\":{{\"dtype\":\"U8\",\"shape\":[{length}],\"data_offsets\":[0,{length}]}}}}");
        while text.len() % 8 != 0 {
            text.push(' ');
        }
        text
    };
    let guess = header(size).len();
    let text = header(size - guess - 8);
    let length = size - text.len() - 8;
    let text = header(length);
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text.as_bytes());
    let mut random = rand_mt::Mt::new(seed);
    while bytes.len() + 4 <= text.len() + 8 + length {
        bytes.extend(random.next_u32().to_le_bytes());
    }
    bytes.resize(text.len() + 8 + length, 7);
    bytes
}

/// Accepts connections on a free port until the hub is gone; returns its address.
fn listen(state: &Arc<State>, is_other_host: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let state = Arc::clone(state);
    let accept = move || {
        for stream in listener.incoming() {
            if state.over.load(Ordering::SeqCst) {
                return;
            }
            let (Ok(stream), state) = (stream, Arc::clone(&state)) else { continue };
            let serve = move || {
                // a client that went away is none of our business
                serve_connection(&stream, &state, is_other_host).ok();
            };
            std::thread::Builder::new().name("hub connection".into()).spawn(serve).unwrap();
        }
    };
    std::thread::Builder::new().name("hub".into()).spawn(accept).unwrap();
    address
}

fn serve_connection(stream: &TcpStream, state: &State, is_other_host: bool) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split_whitespace().nth(1).unwrap_or_default().to_owned();
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim().split_once(':') else { break };
            headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
        let asked = Asked {
            is_other_host,
            path,
            range: headers.get("range").cloned(),
            authorization: headers.get("authorization").cloned(),
            headers: headers.into_keys().collect(),
        };
        state.asked.lock().unwrap().push(asked.clone());
        if !answer(stream, state, &asked)? {
            return Ok(());
        }
    }
}

fn head(mut stream: &TcpStream, status: u16, headers: &str, length: usize) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {status} Status\r\nContent-Length: {length}\r\n{headers}\r\n")
}

/// Answers one request; returns whether the connection stays.
fn answer(stream: &TcpStream, state: &State, asked: &Asked) -> std::io::Result<bool> {
    let path = asked.path.split('?').next().unwrap_or_default().to_owned();
    if !asked.is_other_host
        && let Some(token) = &*state.token.lock().unwrap()
        && asked.authorization.as_deref() != Some(&format!("Bearer {token}"))
    {
        return head(stream, 401, "", 0).map(|()| true);
    }
    if let Some(rest) = path.strip_prefix("/api/models/") {
        let Some((repository, _)) = rest.split_once("/tree/") else {
            return head(stream, 404, "", 0).map(|()| true);
        };
        let text = list(state, repository);
        if text == "[]" {
            return head(stream, 404, "", 0).map(|()| true);
        }
        head(stream, 200, "Content-Type: application/json\r\n", text.len())?;
        let mut stream = stream;
        return stream.write_all(text.as_bytes()).map(|()| true);
    }
    // `/REPOSITORY/resolve/main/PATH` on the hub, `/cdn/REPOSITORY/PATH` on the other host
    let key = match (path.trim_start_matches('/').split_once("/resolve/"), path.strip_prefix("/cdn/")) {
        (Some((repository, rest)), _) => {
            let (_, file) = rest.split_once('/').unwrap_or_default();
            format!("{repository}/{}", file.replace("%20", " "))
        }
        (None, Some(key)) => key.replace("%20", " "),
        _ => String::new(),
    };
    let Some(content) = state.files.lock().unwrap().get(&key).cloned() else {
        return head(stream, 404, "", 0).map(|()| true);
    };
    file(stream, state, asked, &key, &content)
}

fn list(state: &State, repository: &str) -> String {
    let (files, digests) = (state.files.lock().unwrap(), state.digests.lock().unwrap());
    let manners = state.manners.lock().unwrap();
    let mut entries = Vec::new();
    for (key, content) in files.iter() {
        let Some(path) = key.strip_prefix(&format!("{repository}/")) else { continue };
        let size = content.len();
        let hidden = manners.get(key).is_some_and(|manners| manners.no_object);
        let entry = match &digests[key] {
            _ if hidden => serde_json::json!({"type": "file", "path": path, "size": size}),
            ObjectId::Sha256(oid) => {
                serde_json::json!({"type": "file", "path": path, "size": size, "oid": "0",
                "lfs": {"oid": oid, "size": size, "pointerSize": 134}})
            }
            ObjectId::GitBlob(oid) => {
                serde_json::json!({"type": "file", "path": path, "size": size, "oid": oid})
            }
        };
        entries.push(entry);
    }
    serde_json::Value::Array(entries).to_string()
}

fn file(
    stream: &TcpStream,
    state: &State,
    asked: &Asked,
    key: &str,
    content: &[u8],
) -> std::io::Result<bool> {
    let is_large = content.len() >= LARGE;
    let digest = state.digests.lock().unwrap()[key].digits().to_owned();
    let mut manners = state.manners.lock().unwrap().get(key).cloned().unwrap_or_default();
    if is_large && !asked.is_other_host {
        let is_hidden = manners.no_object || manners.no_link;
        let linked = if is_hidden { String::new() } else { format!("X-Linked-ETag: \"{digest}\"\r\n") };
        let to = format!(
            "http://{}/cdn/{}?signature=secret",
            state.other.lock().unwrap(),
            key.replace(' ', "%20")
        );
        return head(stream, 302, &format!("Location: {to}\r\n{linked}"), 0).map(|()| true);
    }
    if let Some((status, headers)) = manners.statuses.pop_front() {
        change(state, key, |kept| kept.statuses = kept.statuses.split_off(1.min(kept.statuses.len())));
        return head(stream, status, headers, 0).map(|()| true);
    }
    let range = asked.range.as_deref().filter(|_| !manners.no_ranges).and_then(|text| {
        let (start, end) = text.strip_prefix("bytes=")?.split_once('-')?;
        let end = end.parse::<usize>().map_or(content.len(), |end| (end + 1).min(content.len()));
        Some(start.parse::<usize>().ok()?..end)
    });
    let etag = manners.etag.clone().unwrap_or_else(|| format!("\"{digest}\""));
    let bytes = range.clone().unwrap_or(0..content.len());
    let (start, last) = (bytes.start, bytes.end.saturating_sub(1));
    let place = match range {
        Some(_) => format!("Content-Range: bytes {start}-{last}/{}\r\n", content.len()),
        None => String::new(),
    };
    let headers = format!("ETag: {etag}\r\n{place}");
    head(stream, if range.is_some() { 206 } else { 200 }, &headers, bytes.len())?;
    send(stream, state, key, &manners, &content[bytes.clone()], bytes.start)
}

fn change(state: &State, key: &str, change: impl FnOnce(&mut Manners)) {
    if let Some(manners) = state.manners.lock().unwrap().get_mut(key) {
        change(manners);
    }
}

/// Whether one more answer may stall; it counts as one then, whatever other connections do at the same time.
fn takes_stall(state: &State, key: &str) -> bool {
    let mut manners = state.manners.lock().unwrap();
    let Some(left) = manners.get_mut(key).map(|manners| &mut manners.num_stalls).filter(|left| **left > 0)
    else {
        return false;
    };
    *left -= 1;
    true
}

/// Whether the client closes the connection within 20 s.
fn is_given_up(stream: &TcpStream) -> std::io::Result<bool> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    match stream.peek(&mut [0]) {
        Ok(count) => Ok(count == 0),
        Err(error) => Ok(error.kind() == std::io::ErrorKind::ConnectionReset),
    }
}

fn send(
    mut stream: &TcpStream,
    state: &State,
    key: &str,
    manners: &Manners,
    bytes: &[u8],
    start: usize,
) -> std::io::Result<bool> {
    let piece = manners.rate.map_or(256 << 10, |rate| (rate as usize / 50).clamp(1, 256 << 10));
    let mut sent = 0;
    while sent < bytes.len() {
        if manners.cut_after.is_some_and(|most| sent >= most) && manners.num_cuts != Some(0) {
            change(state, key, |kept| kept.num_cuts = kept.num_cuts.map(|left| left.saturating_sub(1)));
            stream.shutdown(std::net::Shutdown::Both)?;
            return Ok(false);
        }
        if manners.stall_after.is_some_and(|most| sent >= most) && takes_stall(state, key) {
            if is_given_up(stream)? {
                state.given_up.fetch_add(1, Ordering::SeqCst);
            }
            return Ok(false);
        }
        let most =
            [manners.cut_after, manners.stall_after].into_iter().flatten().filter(|most| *most > sent).min();
        let end = (sent + piece).min(bytes.len()).min(most.unwrap_or(usize::MAX));
        let wrong = manners.wrong_byte.filter(|at| (start + sent..start + end).contains(at));
        if let Some(at) = wrong {
            let mut copy = bytes[sent..end].to_vec();
            copy[at - start - sent] ^= 1;
            stream.write_all(&copy)?;
        } else {
            stream.write_all(&bytes[sent..end])?;
        }
        state.served.fetch_add((end - sent) as u64, Ordering::SeqCst);
        sent = end;
        if let Some(rate) = manners.rate {
            std::thread::park_timeout(Duration::from_secs_f64(piece as f64 / rate as f64));
        }
    }
    Ok(true)
}

/// A manifest with the one item `id`, whose files are all of `repository`.
pub(crate) fn manifest_of(id: &str, repository: &str) -> String {
    format!(
        "(version: 1, extends: false,
          files: {{\"all\": (component: whole_model, repository: \"{repository}\", path: \"\", about: 21000000)}},
          items: [(id: \"{id}\", version: \"1\", kind: model, licence: \"MIT\", modes: [t2v],
            purpose: \"Draws shapes\", variants: [(name: \"diffusers\", files: [\"all\"])])])"
    )
}
