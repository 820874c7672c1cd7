//! One HTTP client for all requests of a fetch: follows redirects itself, so that the token stays with the hub.

use std::fmt;
use std::time::Duration;

use ureq::http::Uri;
use ureq::{Agent, Body};

use super::range::ByteRange;
use super::status::{self, Trouble};
use crate::core::{CancelToken, Error, Kind, OnCancel};

/// Redirects that are followed for one request.
const MAX_REDIRECTS: usize = 6;

/// An access token, which is never printed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token(pub(super) String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Time limits of connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Until a connection is made.
    pub(super) connect: Duration,
    /// Without a byte received.
    pub(super) stall: Duration,
}

/// Sends requests to the hub and to where it redirects.
pub(super) struct Client {
    agent: Agent,
    /// The address that the token is for.
    endpoint: String,
    token: Option<Token>,
    /// Closes the connections on a cancel.
    _on_cancel: OnCancel,
}

/// A successful answer.
pub(super) struct Answer {
    /// 200 or 206.
    pub(super) status: u16,
    /// Where the redirects led to.
    pub(super) url: String,
    /// The content's id that the hub gave on the way (`X-Linked-ETag`).
    pub(super) linked_etag: Option<String>,
    /// `ETag` of the answer.
    pub(super) etag: Option<String>,
    /// `Content-Range` of the answer.
    pub(super) content_range: Option<String>,
    /// `Link` of the answer.
    pub(super) link: Option<String>,
    /// The content.
    pub(super) body: Body,
}

impl Client {
    /// A client whose connections close when `cancel` is cancelled.
    pub(super) fn new(
        endpoint: &str,
        token: Option<Token>,
        patience: Patience,
        cancel: &CancelToken,
    ) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("wandeck/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(patience.connect))
            .timeout_recv_response(Some(patience.stall))
            .timeout_per_read(Some(patience.stall))
            .build();
        let agent = config.new_agent();
        let closed = agent.clone();
        let on_cancel = cancel.on_cancel(move || closed.clone().shutdown());
        Self { agent, endpoint: endpoint.to_owned(), token, _on_cancel: on_cancel }
    }

    /// Asks for `url`, or for a part of it. `page` is the web page that an error names.
    pub(super) fn get(&self, url: &str, range: Option<ByteRange>, page: &str) -> Result<Answer, Trouble> {
        let (mut url, mut linked_etag) = (url.to_owned(), None);
        for _ in 0..=MAX_REDIRECTS {
            let mut request = self.agent.get(&url);
            if let Some(range) = range {
                request = request.header("Range", range.header());
            }
            if let Some(token) = self.token.as_ref().filter(|_| same_origin(&url, &self.endpoint)) {
                request = request.header("Authorization", format!("Bearer {}", token.0));
            }
            let response = request.call().map_err(|error| status::from_transport(&error, &url))?;
            let header = |name: &str| {
                response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
            };
            linked_etag = header("x-linked-etag").or(linked_etag);
            match response.status().as_u16() {
                status @ (200 | 206) => {
                    return Ok(Answer {
                        status,
                        linked_etag,
                        etag: header("etag"),
                        content_range: header("content-range"),
                        link: header("link"),
                        body: response.into_body(),
                        url,
                    });
                }
                301 | 302 | 303 | 307 | 308 => {
                    let to = header("location").unwrap_or_default();
                    url = joined(&url, &to).map_err(Trouble::Lasting)?;
                }
                code => {
                    let after = header("retry-after").and_then(|text| text.trim().parse().ok());
                    return Err(status::from_status(code, &url, page, after));
                }
            }
        }
        Err(Trouble::Lasting(
            Error::new(Kind::Network, format!("Too many redirects from {}", status::without_query(&url)))
                .remedy("Check HF_ENDPOINT and the proxy"),
        ))
    }
}

/// Whether two addresses have the same scheme, host and port.
fn same_origin(one: &str, other: &str) -> bool {
    let origin = |url: &str| {
        let uri: Uri = url.parse().ok()?;
        let scheme = uri.scheme_str()?.to_owned();
        let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
        Some((scheme, uri.host()?.to_lowercase(), port))
    };
    origin(one).is_some_and(|one| Some(one) == origin(other))
}

/// The address that a redirect from `url` to `location` means. From an encrypted address to a plain one is refused.
fn joined(url: &str, location: &str) -> Result<String, Error> {
    let target = if location.starts_with("http://") || location.starts_with("https://") {
        location.to_owned()
    } else {
        let after_scheme = url.find("://").map_or(0, |at| at + 3);
        let host_end = url[after_scheme..].find('/').map_or(url.len(), |at| after_scheme + at);
        match location {
            _ if location.starts_with("//") => {
                format!("{}{location}", &url[..after_scheme.saturating_sub(2)])
            }
            _ if location.starts_with('/') => format!("{}{location}", &url[..host_end]),
            _ => String::new(),
        }
    };
    if target.is_empty() || (url.starts_with("https://") && !target.starts_with("https://")) {
        return Err(Error::new(
            Kind::Network,
            format!(
                "{} redirects to an address that is not allowed: \"{location}\"",
                status::without_query(url)
            ),
        )
        .remedy("Check HF_ENDPOINT and the proxy"));
    }
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_scheme_host_and_port_get_the_token() {
        let hub = "https://huggingface.co";
        assert!(same_origin("https://HuggingFace.co:443/o/n/resolve/main/f", hub));
        for other in
            ["http://huggingface.co/f", "https://cdn.huggingface.co/f", "https://huggingface.co:8443/f"]
        {
            assert!(!same_origin(other, hub), "{other}");
        }
        assert!(!format!("{:?}", Token("secret".into())).contains("secret"));
    }

    #[test]
    fn redirects_stay_encrypted() {
        assert_eq!(joined("https://h/a/b", "/c").unwrap(), "https://h/c");
        assert_eq!(joined("https://h/a/b", "//g/c").unwrap(), "https://g/c");
        assert_eq!(joined("http://h:80/a", "https://g/c?x=1").unwrap(), "https://g/c?x=1");
        assert!(joined("https://h/a", "http://g/c").is_err());
        assert!(joined("https://h/a", "ftp://g/c").is_err());
    }
}
