//! A download from a server that does not support range requests: one connection from the first byte to the last.

use super::client::Answer;
use super::download::TransferEvent;
use super::range::ByteRange;
use super::retry::Retries;
use super::worker::Job;
use crate::core::{Bytes, Result};

impl Job<'_> {
    /// Receives the whole file. A cut connection starts it again from the first byte, because there is no other way.
    pub(super) fn stream(&self, first: Answer) -> Result<()> {
        let mut answer = Some(first);
        let mut retries = Retries::new(self.options.first_pause);
        let size = self.part.identity.size;
        loop {
            self.cancel.check()?;
            let mut at = 0;
            let tried = match answer.take() {
                Some(answer) => Ok(answer),
                None => self.ask(ByteRange { start: 0, end: size }),
            };
            let trouble = match tried.and_then(|answer| self.copy(answer, size, &mut at)) {
                Ok(()) => return Ok(()),
                Err(trouble) => trouble,
            };
            (self.progress)(TransferEvent::Lost(Bytes(at)));
            tracing::warn!(
                "The server does not support range requests, so {} must be downloaded again",
                Bytes(at)
            );
            retries.wait(trouble, self.cancel)?;
        }
    }
}
