//! What a failed request means, and what to do about it.

use std::io;

use crate::core::{Error, Kind};

/// What to do where a host does not answer.
const UNREACHABLE_REMEDY: &str = "Check the network and the proxy. HF_ENDPOINT names another hub; \"wandeck models import\" takes files that are here";

/// Why a request did not give what was asked for.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It may pass: a cut connection, a busy server.
    Passing {
        /// What happened.
        error: Error,
        /// The pause in seconds that the server asks for.
        retry_after: Option<u32>,
    },
    /// The file on the server is another one than before.
    Changed(Error),
    /// Trying again does not help.
    Lasting(Error),
}

impl Trouble {
    #[cfg(test)]
    fn into_error(self) -> Error {
        match self {
            Self::Passing { error, .. } | Self::Changed(error) | Self::Lasting(error) => error,
        }
    }

    pub(super) fn passing(error: Error) -> Self {
        Self::Passing { error, retry_after: None }
    }
}

/// Meaning of a failed answer of the server: `status` for the file or page at `url`. `page` is the repository's web page.
pub(super) fn from_status(status: u16, url: &str, page: &str, retry_after: Option<u32>) -> Trouble {
    let error = |kind, message: String, remedy: String| Error::new(kind, message).remedy(remedy);
    let place = without_query(url);
    match status {
        401 | 403 => Trouble::Lasting(error(
            Kind::Input,
            format!("The server denied access to {place} (status {status})"),
            format!(
                "Accept the terms at {page} in a browser, make a token in the account's settings there, and set HF_TOKEN to it"
            ),
        )),
        404 | 410 => Trouble::Lasting(error(
            Kind::MissingModel,
            format!("The server has no {place} (status {status})"),
            format!(
                "Look at {page} for the file's new name, and write it into a models-manifest.ron of your own"
            ),
        )),
        408 | 425 | 429 | 500..=599 => Trouble::Passing {
            error: error(
                Kind::Network,
                match status {
                    429 => format!("The server asks for fewer requests (status 429 for {place})"),
                    _ => format!("The server cannot answer at the moment (status {status} for {place})"),
                },
                match retry_after {
                    Some(after) => format!("Wait {after} s"),
                    None => "Wait a few minutes".to_owned(),
                },
            ),
            retry_after,
        },
        _ => Trouble::Lasting(error(
            Kind::Network,
            format!("Unexpected answer from the server (status {status} for {place})"),
            "Check HF_ENDPOINT and the proxy".to_owned(),
        )),
    }
}

/// Meaning of a request that got no answer.
pub(super) fn from_transport(error: &ureq::Error, url: &str) -> Trouble {
    let place = without_query(url);
    let host = place.split('/').nth(2).unwrap_or(place).to_owned();
    let network = |message: String, remedy: &str| {
        Error::new(Kind::Network, message)
            .because(io::Error::other(error.to_string()))
            .remedy(remedy.to_owned())
    };
    match error {
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => {
            Trouble::passing(network(format!("{host} cannot be reached"), UNREACHABLE_REMEDY))
        }
        ureq::Error::Timeout(_) => {
            Trouble::passing(network(format!("{host} stopped sending"), "Check the network"))
        }
        ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::InvalidProxyUrl => Trouble::Lasting(
            network(format!("{place} is not an address"), "Check HF_ENDPOINT, the manifest and the proxy"),
        ),
        ureq::Error::Io(inner) if is_about_certificates(inner) => Trouble::Lasting(network(
            format!("The certificate of {host} is not trusted"),
            "Check the clock; behind a company's proxy, add its certificate to the system's",
        )),
        // a name without an address, no route, a closed port
        ureq::Error::Io(inner) if !is_cut(inner) => {
            Trouble::passing(network(format!("{host} cannot be reached"), UNREACHABLE_REMEDY))
        }
        _ => Trouble::passing(network(format!("The connection to {host} was cut"), "Check the network")),
    }
}

/// Whether a connection that was made ended too early.
fn is_cut(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

/// Meaning of a body that ended in an error.
pub(super) fn from_body(error: io::Error, url: &str) -> Trouble {
    let place = without_query(url);
    let host = place.split('/').nth(2).unwrap_or(place);
    let what = match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "stopped sending",
        _ => "cut the connection",
    };
    Trouble::passing(
        Error::new(Kind::Network, format!("{host} {what}")).because(error).remedy("Check the network"),
    )
}

fn is_about_certificates(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData || error.to_string().contains("certificate")
}

/// An address without what signs it, which is secret and long.
pub(super) fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_says_what_to_do() {
        for (status, words) in [
            (401, "HF_TOKEN"),
            (403, "Accept the terms at https://h/o/n"),
            (404, "manifest"),
            (418, "HF_ENDPOINT"),
        ] {
            let trouble =
                from_status(status, "https://h/o/n/resolve/main/f?signature=s", "https://h/o/n", None);
            assert!(matches!(trouble, Trouble::Lasting(_)), "{status}");
            let text = format!("{:#}", trouble.into_error());
            assert!(text.contains(words) && !text.contains("signature"), "{text}");
        }
        let cut = io::Error::from(io::ErrorKind::ConnectionReset);
        let unknown = io::Error::other("failed to lookup address information");
        for (error, words) in [(cut, "The connection to h was cut"), (unknown, "h cannot be reached")] {
            let text = format!("{:#}", from_transport(&ureq::Error::Io(error), "https://h/f").into_error());
            assert!(text.starts_with(words), "{text}");
        }
        for status in [429, 500, 503] {
            let after = Some(7);
            let trouble = from_status(status, "https://h/f", "https://h", after);
            assert!(matches!(trouble, Trouble::Passing { retry_after, .. } if retry_after == after));
            assert!(format!("{:#}", trouble.into_error()).contains("7 s"));
        }
    }
}
