//! Embeddings of prompts: of the job's own, and ahead of time of those of jobs that follow it.

use std::time::{Duration, Instant};

use super::cache::{TEXT, key};
use super::context::RunContext;
use super::encode_text::{PromptEmbeds, tokens};
use super::generate::Pipeline;
use super::networks::{Networks, TextEncoder};
use crate::core::{GenRequest, Kind, Result};
use crate::wan::text::Tokenizer;

/// What messages call a job's own prompts.
const PROMPT: &str = "prompt";
const NEGATIVE: &str = "negative prompt";

/// The prompts that a request needs embeddings of: its prompt, and its negative prompt where guidance uses it.
pub fn prompts_of(request: &GenRequest) -> impl Iterator<Item = &str> {
    let is_guided = request.guidance.enabled() || request.guidance_low.enabled();
    std::iter::once(request.prompt.as_str()).chain(is_guided.then_some(request.negative_prompt.as_str()))
}

/// A prompt whose embeddings may be known already.
pub(super) enum Prompt {
    /// They are known.
    Known(PromptEmbeds),
    /// They are computed from these tokens and kept under this key.
    Unknown { key: String, tokens: Vec<i64> },
}

/// Encodes prompts. The text encoder is loaded for the first one whose embeddings are not known.
pub(super) struct PromptEncoder<'p, 'a> {
    networks: &'p Networks<'a>,
    tokenizer: Tokenizer,
    /// Tells its embeddings from those of another text encoder.
    identity: [String; 2],
    loaded: Option<TextEncoder<'a>>,
}

impl<'p, 'a> PromptEncoder<'p, 'a> {
    pub(super) fn open(pipeline: &Pipeline<'_>, networks: &'p Networks<'a>) -> Result<Self> {
        Ok(Self {
            networks,
            tokenizer: Tokenizer::open(&pipeline.checkpoint.tokenizer)?,
            identity: [networks.text_identity(), pipeline.compute.identity()],
            loaded: None,
        })
    }

    /// The prompts of `request`, with the embeddings that an earlier run kept.
    pub(super) fn look_up(&self, request: &GenRequest, context: &mut RunContext<'_>) -> Result<Vec<Prompt>> {
        let look_up = |(what, prompt)| {
            let tokens = tokens(&self.tokenizer, what, prompt, &mut context.reporter)?;
            let key = self.key(&tokens);
            let Some(hidden) = context.cache.get(&key) else { return Ok(Prompt::Unknown { key, tokens }) };
            let message = format!("the {what}'s embedding was kept from an earlier run");
            context.reporter.optimizations.push(message);
            Ok(Prompt::Known(PromptEmbeds::new(&hidden.view())))
        };
        [PROMPT, NEGATIVE].into_iter().zip(prompts_of(request)).map(look_up).collect()
    }

    /// The embeddings of a prompt.
    pub(super) fn embed(&mut self, prompt: Prompt, context: &mut RunContext<'_>) -> Result<PromptEmbeds> {
        let (key, tokens) = match prompt {
            Prompt::Known(embeds) => return Ok(embeds),
            Prompt::Unknown { key, tokens } => (key, tokens),
        };
        let encoder = match &mut self.loaded {
            Some(encoder) => encoder,
            none => none.insert(self.networks.text_encoder(context)?),
        };
        let hidden = encoder.encode(tokens, context.cancel)?;
        context.cache.put(&key, &hidden);
        Ok(PromptEmbeds::new(&hidden.view()))
    }

    /// Encodes prompts of the jobs that follow while the text encoder is loaded, so that they need not load it. Takes no
    /// longer than `budget`: the running job waits meanwhile.
    pub(super) fn encode_ahead(
        &mut self,
        upcoming: &[String],
        budget: Duration,
        context: &mut RunContext<'_>,
    ) -> Result<()> {
        if self.loaded.is_none() {
            return Ok(());
        }
        let (began, mut longest, mut count) = (Instant::now(), Duration::ZERO, 0);
        for prompt in upcoming {
            if began.elapsed() + longest > budget {
                break;
            }
            let one = Instant::now();
            match context.quietly(|context| self.encode_one_ahead(prompt, context)) {
                Ok(is_new) => count += u32::from(is_new),
                Err(error) if error.kind == Kind::Cancelled => return Err(error),
                // whoever needs this prompt says what is wrong with it
                Err(error) => {
                    tracing::warn!("Cannot encode a prompt of a queued job ahead of time: {error:#}");
                    break;
                }
            }
            longest = longest.max(one.elapsed());
        }
        if count > 0 {
            let seconds = began.elapsed().as_secs_f64();
            let prompts = if count == 1 { "1 prompt" } else { &format!("{count} prompts") };
            context
                .reporter
                .note(format!("Encoded {prompts} of queued jobs ahead of time, in {seconds:.1} s"));
        }
        Ok(())
    }

    /// Whether the embeddings of `prompt` were computed, and not known before.
    fn encode_one_ahead(&mut self, prompt: &str, context: &mut RunContext<'_>) -> Result<bool> {
        let tokens = tokens(&self.tokenizer, PROMPT, prompt, &mut context.reporter)?;
        let key = self.key(&tokens);
        if context.cache.contains(&key) {
            return Ok(false);
        }
        self.embed(Prompt::Unknown { key, tokens }, context)?;
        Ok(true)
    }

    /// Takes back the text encoder.
    pub(super) fn release(self, context: &mut RunContext<'_>) {
        if let Some(encoder) = self.loaded {
            self.networks.release(encoder, context);
        }
    }

    fn key(&self, tokens: &[i64]) -> String {
        let [networks, compute] = &self.identity;
        key(TEXT, &[networks, compute, &format!("{tokens:?}")])
    }
}
