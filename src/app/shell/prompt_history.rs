//! The history of used prompts.

use serde::{Deserialize, Serialize};

/// Maximum number of prompts.
const KEPT: usize = 200;

/// Prompts, oldest first, and the position of the form among them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::app) struct PromptHistory {
    used: Vec<String>,
    /// Index of the prompt in the form; `None` if the form has a new prompt.
    #[serde(skip)]
    at: Option<usize>,
    /// The new prompt that was in the form before going back.
    #[serde(skip)]
    own: String,
}

impl PromptHistory {
    /// Adds a prompt that a job was submitted with.
    pub(in crate::app) fn add(&mut self, prompt: &str) {
        self.at = None;
        if prompt.trim().is_empty() || self.used.last().is_some_and(|last| last == prompt) {
            return;
        }
        self.used.retain(|used| used != prompt);
        self.used.push(prompt.to_owned());
        if self.used.len() > KEPT {
            self.used.remove(0);
        }
    }

    /// All of them, oldest first.
    pub(in crate::app) fn all(&self) -> impl Iterator<Item = &str> {
        self.used.iter().map(String::as_str)
    }

    /// The previous prompt; `current` is the one in the form.
    pub(in crate::app) fn previous(&mut self, current: &str) -> Option<String> {
        let at = self.place(current);
        let before = if let Some(at) = at {
            at.checked_sub(1)?
        } else {
            current.clone_into(&mut self.own);
            let last = self.used.len().checked_sub(1)?;
            // the form still contains the last used prompt
            if self.used[last] == current { last.checked_sub(1)? } else { last }
        };
        self.at = Some(before);
        self.used.get(before).cloned()
    }

    /// The next prompt; after the last one, the new prompt from before going back.
    pub(in crate::app) fn next(&mut self, current: &str) -> Option<String> {
        let at = self.place(current)? + 1;
        if let Some(next) = self.used.get(at) {
            self.at = Some(at);
            Some(next.clone())
        } else {
            self.at = None;
            Some(std::mem::take(&mut self.own))
        }
    }

    /// Index of the prompt in the form; `None` if it was edited since.
    fn place(&self, current: &str) -> Option<usize> {
        self.at.filter(|at| self.used.get(*at).is_some_and(|used| used == current))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_goes_back_and_forth_and_finds_the_own_prompt_again() {
        let mut history = PromptHistory::default();
        for prompt in ["a", "b", "b", "", "a", "c"] {
            history.add(prompt);
        }
        assert_eq!(history.previous("mine").as_deref(), Some("c"));
        assert_eq!(history.previous("c").as_deref(), Some("a"));
        assert_eq!(history.previous("a").as_deref(), Some("b"));
        assert_eq!(history.previous("b"), None);
        assert_eq!(history.next("b").as_deref(), Some("a"));
        assert_eq!(history.next("a").as_deref(), Some("c"));
        assert_eq!(history.next("c").as_deref(), Some("mine"));
        assert_eq!(history.next("mine"), None);
        history.add("d");
        assert_eq!(history.previous("d").as_deref(), Some("c"), "what is there is not offered");
    }
}
