//! What the settings allow every run, whatever its job asks for.

use crate::core::{Bytes, Error, GenRequest, Kind, Result};
use crate::store::Settings;
use crate::wan::Checkpoint;
use crate::wan::graphs::TEXT_TOKENS;
use crate::wan::text::{self, Tokenizer};

/// What the settings allow every run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunLimits {
    /// Memory of a GPU that may be used; `None` for all of it.
    pub vram: Option<Bytes>,
    /// Longest prompt in tokens.
    pub prompt_tokens: usize,
    /// Whether quantised copies of a model are suggested.
    pub suggests_quantised: bool,
    /// Whether a job may run on the CPU where another provider was asked for.
    pub may_use_cpu: bool,
}

impl Default for RunLimits {
    /// No limits.
    fn default() -> Self {
        Self { vram: None, prompt_tokens: TEXT_TOKENS, suggests_quantised: true, may_use_cpu: false }
    }
}

impl From<&Settings> for RunLimits {
    fn from(settings: &Settings) -> Self {
        Self {
            vram: settings.optimization.vram_limit(),
            prompt_tokens: settings.generation.prompt_tokens as usize,
            suggests_quantised: settings.models.quantise,
            may_use_cpu: settings.errors.cpu_fallback,
        }
    }
}

impl RunLimits {
    /// Free memory of a GPU with `total` memory, of which `free` is free, that may still be used.
    pub(super) fn free_vram(&self, free: Bytes, total: Bytes) -> Bytes {
        let used = total.0.saturating_sub(free.0);
        self.vram.map_or(free, |limit| Bytes(free.0.min(limit.0.saturating_sub(used))))
    }

    /// Fails with [`Kind::Input`] if a prompt is longer than allowed. With the default, a longer one is cut with a
    /// warning, as the official pipeline does.
    pub(crate) fn check_prompts(&self, request: &GenRequest, model: &Checkpoint) -> Result<()> {
        if self.prompt_tokens >= TEXT_TOKENS {
            return Ok(());
        }
        let tokenizer = Tokenizer::open(&model.tokenizer)?;
        let prompts = [
            ("prompt", "prompt", &request.prompt),
            ("negative_prompt", "negative prompt", &request.negative_prompt),
        ];
        for (field, name, prompt) in prompts {
            let tokens = tokenizer.encode(&text::clean(prompt), TEXT_TOKENS)?.ids.len();
            if tokens > self.prompt_tokens {
                let limit = self.prompt_tokens;
                return Err(Error::new(
                    Kind::Input,
                    format!("The {name} has {tokens} tokens, more than the {limit} that the settings allow"),
                )
                .remedy("Shorten it, or raise \"Longest prompt\" (generation.prompt_tokens) in the settings")
                .field(field));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::draft;

    #[test]
    fn a_gpu_limit_counts_what_is_used_already() {
        let limits = RunLimits { vram: Some(Bytes(12)), ..RunLimits::default() };
        assert_eq!(limits.free_vram(Bytes(20), Bytes(24)), Bytes(8));
        assert_eq!(limits.free_vram(Bytes(3), Bytes(24)), Bytes(0));
        assert_eq!(RunLimits::default().free_vram(Bytes(20), Bytes(24)), Bytes(20));
    }

    #[test]
    fn a_prompt_longer_than_the_limit_is_refused() {
        let toy = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B");
        let model = crate::models::open(&toy).unwrap();
        let prompt = "a red circle moves right on a black background".to_owned();
        let draft = crate::core::Draft { prompt, model: model.id.clone(), ..draft() };
        let request = GenRequest::parse(&draft, &model.limits()).unwrap();
        RunLimits::default().check_prompts(&request, &model).unwrap();
        let error = RunLimits { prompt_tokens: 4, ..RunLimits::default() };
        let error = error.check_prompts(&request, &model).unwrap_err();
        assert_eq!(error.field_name(), Some("prompt"));
        assert!(error.message.contains("more than the 4 that the settings allow"), "{error}");
    }
}
