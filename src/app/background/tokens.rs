//! Counts the tokens of the form's prompts with the model's own tokenizer, off the window's thread.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::newest::Newest;
use crate::app::panels::compose::TokenCounts;
use crate::core::{Draft, Result, Waker};
use crate::plan::TokenCounter;

/// Time without typing before tokens are counted.
const REST: Duration = Duration::from_millis(120);

#[derive(Clone, PartialEq)]
struct Question {
    model: PathBuf,
    prompt: String,
    negative: String,
}

/// The counting thread.
pub(in crate::app) struct Tokens {
    thread: Newest<Question, Option<TokenCounts>>,
    /// The last count, shown until the next one is there.
    last: Option<TokenCounts>,
}

impl Tokens {
    /// Starts the thread. `waker` is called after each count.
    pub(in crate::app) fn start(data_dir: PathBuf, waker: Waker) -> Result<Self> {
        let mut counter = TokenCounter::new(data_dir);
        let thread = Newest::start("tokens", REST, waker, move |question: &Question| {
            let mut count = |text: &str| counter.count(&question.model, text);
            let counted = count(&question.prompt).and_then(|prompt| Ok((prompt, count(&question.negative)?)));
            let counted = counted.inspect_err(|error| tracing::debug!("tokens cannot be counted: {error:#}"));
            counted.ok().map(|(prompt, negative)| TokenCounts { prompt, negative })
        })?;
        Ok(Self { thread, last: None })
    }

    /// Counts the tokens of a draft for the model in the folder `model`, unless that was asked last.
    pub(in crate::app) fn look(&mut self, draft: &Draft, model: &Path) {
        let is_asked = |question: &Question| {
            question.prompt == draft.prompt
                && question.negative == draft.negative_prompt
                && question.model == model
        };
        if !self.thread.asked().is_some_and(is_asked) {
            let (prompt, negative) = (draft.prompt.clone(), draft.negative_prompt.clone());
            self.thread.ask(Question { model: model.to_path_buf(), prompt, negative });
        }
    }

    /// Takes in the thread's answers.
    pub(in crate::app) fn drain(&mut self) {
        if self.thread.drain() {
            self.last = self.thread.answer().copied().flatten();
        }
    }

    /// The latest count.
    pub(in crate::app) fn counts(&self) -> Option<TokenCounts> {
        self.last
    }
}
