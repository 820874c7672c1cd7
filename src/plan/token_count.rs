//! How many tokens a prompt has for a model.

use std::path::{Path, PathBuf};

use crate::core::Result;
use crate::models::{self, RoleHints};
use crate::wan::graphs::TEXT_TOKENS;
use crate::wan::text::{self, Tokenizer};

/// Tokens that the models read of a prompt; the rest is cut off.
pub const MAX_TOKENS: usize = TEXT_TOKENS;

/// Counts tokens with the tokenizer of a model, which stays open for the next count.
#[derive(Debug)]
pub struct TokenCounter {
    data_dir: PathBuf,
    opened: Option<(PathBuf, Tokenizer)>,
}

impl TokenCounter {
    /// A counter for models of which the data folder may remember the experts.
    pub fn new(data_dir: PathBuf) -> Self {
        Self { data_dir, opened: None }
    }

    /// The tokens of a prompt with its end of text, as the model in the folder `model` counts them. Opens the tokenizer
    /// the first time, so call it where waiting is allowed.
    pub fn count(&mut self, model: &Path, prompt: &str) -> Result<usize> {
        let tokenizer = if let Some((_, known)) = self.opened.take().filter(|(path, _)| path == model) {
            known
        } else {
            let hints = RoleHints::remembered(&self.data_dir);
            Tokenizer::open(&models::open_with(model, hints)?.tokenizer)?
        };
        let counted = tokenizer.count(&text::clean(prompt));
        self.opened = Some((model.to_path_buf(), tokenizer));
        counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_counted_with_the_models_own_tokenizer() {
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B");
        let mut counter = TokenCounter::new(PathBuf::new());
        let one = counter.count(&model, "a red circle").unwrap();
        assert_eq!(counter.count(&model, "").unwrap(), 1, "the end of text");
        assert!(one > 3, "{one}");
        let many = counter.count(&model, &"red circle ".repeat(600)).unwrap();
        assert!(many > MAX_TOKENS, "{many}: what is cut off is counted too");
        assert!(counter.count(Path::new("no-such-model"), "a").is_err());
    }
}
