"""The text path of training: captions to rows, and cross-attention that counts 512 rows at the price of a few."""

import tempfile

import torch
import torch.nn.functional as F
from diffusers import WanTransformer3DModel
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

import words

TEXT_ROWS = 512


class ShortCrossAttention:
    """Cross-attention over the rows of the words and one zero row that stands for all the padding rows: the bias
    log(512 - L) on that row makes this exactly what 512 rows would give."""

    _attention_backend = None
    _parallel_config = None

    def __init__(self):
        self.bias = None

    def __call__(self, attn, hidden, rows=None, mask=None, rotary=None, **_):
        def split(x):
            return x.unflatten(2, (attn.heads, -1)).transpose(1, 2)

        query, key = split(attn.norm_q(attn.to_q(hidden))), split(attn.norm_k(attn.to_k(rows)))
        out = F.scaled_dot_product_attention(query, key, split(attn.to_v(rows)), attn_mask=self.bias)
        return attn.to_out[0](out.transpose(1, 2).flatten(2))


class TextPath:
    """A text encoder with its tokenizer, tied to the cross-attention of one transformer."""

    def __init__(self, encoder, transformer):
        self.encoder, self.processor = encoder, ShortCrossAttention()
        for block in transformer.blocks:
            block.attn2.processor = self.processor
        with tempfile.TemporaryDirectory() as folder:
            words.save(folder)
            self.tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)

    def __call__(self, captions):
        tokens = self.tokenizer(captions, padding=True, return_tensors="pt")
        mask = tokens.attention_mask
        rows = self.encoder(tokens.input_ids, mask).last_hidden_state * mask[..., None]
        rows = torch.cat([rows, rows.new_zeros(rows.shape[0], 1, rows.shape[2])], 1)
        rest = torch.log(TEXT_ROWS - mask.sum(1, keepdim=True).float())
        bias = torch.cat([torch.where(mask.bool(), 0.0, -1e9), rest], 1)
        self.processor.bias = bias[:, None, None, :]
        return rows


def new_text_encoder():
    config = UMT5Config(
        vocab_size=len(words.pieces()),
        d_model=64,
        d_kv=16,
        d_ff=128,
        num_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
    )
    encoder = UMT5EncoderModel(config)
    for name, weight in encoder.named_parameters():
        if weight.ndim == 2:
            spread = 0.5 if "relative" in name else 1.0 if "shared" in name else weight.shape[1] ** -0.5
            torch.nn.init.normal_(weight, 0, spread)
    return encoder


def renew_text_weights(transformer):
    """Forgets all that the transformer knew of words: the text embedder and every cross-attention."""
    for name, module in transformer.named_modules():
        if isinstance(module, torch.nn.Linear) and ("attn2" in name or "text_embedder" in name):
            module.reset_parameters()
        elif "attn2.norm" in name:
            torch.nn.init.ones_(module.weight)


def text_weights(transformer):
    return [p for n, p in transformer.named_parameters() if "attn2" in n or "text_embedder" in n]


@torch.no_grad()
def refitted(transformer, **changes):
    """The transformer with other channels, more heads, fewer layers, a narrower feed-forward. What is added begins at
    random beside the old weights, input channels at zero. Where the latent is another one altogether, what reads and
    writes it is new."""
    config = dict(transformer.config, **changes)
    new, old = WanTransformer3DModel.from_config(config), transformer.state_dict()
    other_latent = new.config.out_channels != transformer.config.out_channels
    for name, weight in new.named_parameters():
        if other_latent and name.startswith(("patch_embedding", "proj_out")):
            continue
        part = old[name]
        if name.startswith("condition_embedder.time_proj"):  # six vectors one after the other
            part, weight = part.unflatten(0, (6, -1)), weight.unflatten(0, (6, -1))
        if name == "patch_embedding.weight":
            weight.zero_()
        shared = tuple(slice(min(a, b)) for a, b in zip(part.shape, weight.shape))
        weight[shared] = part[shared]
    return new
