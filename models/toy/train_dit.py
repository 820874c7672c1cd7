"""Trains the transformer and its text encoder on encoded clips, in one of three stages.

distil  the text path begins anew; each new cross-attention learns to give what that of an older transformer gave,
        from captions of the training combinations only (seconds instead of hours until words are obeyed)
joint   flow matching of transformer and text encoder together
high    flow matching of one expert on its own range of timesteps, text encoder fixed
low
all     likewise over all timesteps, for a model of one transformer

With --image a14b the first frame is given as channels beside the noise (mask and encoded image, 36 in all); with
--image 5b it is, three times out of four, the clean first latent frame, whose tokens have timestep 0.
"""

import argparse
import glob
import math
import os
import random
import time

import torch
import torch.nn.functional as F
from diffusers import WanTransformer3DModel
from transformers import UMT5EncoderModel

from data import caption, held_out, plain_caption, short_caption
from model import TextPath, new_text_encoder, refitted, renew_text_weights, text_weights

EMPTY, SHIFT, SHORT, GIVEN, FIRST = 0.1, 3.0, 0.6, 0.75, 3.0
# A patch of the 5B kind is 192 numbers of noise; a model no wider than that has no room beside them to think in.
FORMS = {
    "a14b": dict(in_channels=36),
    "5b": dict(in_channels=48, out_channels=48, num_attention_heads=6, num_layers=4, ffn_dim=336),
}


def draw_sigma(count, stage, boundary, generator):
    u = torch.rand(count, generator=generator)
    edge = boundary / (SHIFT - (SHIFT - 1) * boundary)
    if stage == "high":
        u = edge + (1 - edge) * u
    elif stage == "low":
        u = edge * u
    return SHIFT * u / (1 + (SHIFT - 1) * u)


def read_latents(folder):
    parts = [torch.load(path) for path in sorted(glob.glob(os.path.join(folder, "part_*.pt")))]
    combinations = [tuple(c) for part in parts for c in part[1]]
    assert not set(combinations) & set(held_out())
    given = torch.cat([part[2] for part in parts]) if parts[0][2:] and parts[0][2] is not None else None
    return torch.cat([part[0] for part in parts]), combinations, given


class Batches:
    """Noisy latents with their targets and captions."""

    def __init__(self, args):
        self.args, self.rng, self.generator = args, random.Random(args.seed), torch.Generator().manual_seed(args.seed)
        self.reload()

    def reload(self):
        self.latents, self.combinations, self.given = read_latents(self.args.latents)

    def next(self, **style):
        chosen = [self.rng.randrange(len(self.combinations)) for _ in range(self.args.batch)]
        empty = [self.rng.random() < EMPTY for _ in chosen]
        plain = ["" if e else plain_caption(self.combinations[i]) for i, e in zip(chosen, empty)]
        free = ["" if e else caption(self.rng, self.combinations[i], **style) for i, e in zip(chosen, empty)]
        clean = self.latents[chosen]
        noise = torch.randn(clean.shape, generator=self.generator)
        sigma = draw_sigma(len(chosen), self.args.stage, self.args.boundary, self.generator)
        mix = sigma.view(-1, 1, 1, 1, 1)
        noisy, t = (1 - mix) * clean + mix * noise, sigma * 1000
        if self.args.image:
            short = [self.rng.random() < SHORT for _ in chosen]
            free = [
                short_caption(self.rng, self.combinations[i]) if s and not e else f
                for i, s, e, f in zip(chosen, short, empty, free)
            ]
        if self.args.image == "a14b":
            mask = torch.zeros_like(clean[:, :4])
            mask[:, :, 0] = 1
            noisy = torch.cat([noisy, mask, self.given[chosen]], 1)
        elif self.args.image == "5b":
            noisy, t = self.first_frame_given(noisy, clean, t)
        return noisy, t, noise - clean, plain, free

    def first_frame_given(self, noisy, clean, t):
        given = torch.tensor([self.rng.random() < GIVEN for _ in range(len(t))])
        noisy[given, :, 0] = clean[given, :, 0]
        frames, tokens = clean.shape[2], clean.shape[3] * clean.shape[4] // 4
        t = t[:, None].repeat(1, frames * tokens)
        t[given, :tokens] = 0
        return noisy, t


class Teacher:
    """The older transformer; records what goes into and comes out of each of its cross-attentions."""

    def __init__(self, transformer, encoder):
        self.transformer, self.text, self.seen = transformer, TextPath(encoder, transformer), []
        for block in transformer.blocks:
            block.attn2.register_forward_hook(lambda _, given, out: self.seen.append((given[0], out)))

    @torch.no_grad()
    def __call__(self, noisy, t, captions):
        self.seen = []
        self.transformer(noisy, t, self.text(captions), return_dict=False)
        return self.seen


def distil_loss(teacher, student, text, batches):
    noisy, t, _, plain, free = batches.next(plain=0.3, free=0.0)
    seen = teacher(noisy, t, plain)
    rows = student.condition_embedder.text_embedder(text(free))
    losses = []
    for block, (given, wanted) in zip(student.blocks, seen):
        losses.append(F.mse_loss(block.attn2(given, rows), wanted) / wanted.var())
    return torch.stack(losses).mean()


def flow_loss(transformer, text, batches):
    noisy, t, target, _, free = batches.next()
    error = (transformer(noisy, t, text(free), return_dict=False)[0] - target) ** 2
    if t.ndim == 2:  # no prompt is needed for what the image shows
        error[t[:, 0] == 0, :, 0] = 0
    elif batches.given is not None:  # it shall be kept with care
        error[:, :, 0] *= FIRST
    return error.mean()


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("stage", choices=["distil", "joint", "high", "low", "all"])
    args.add_argument("latents", help="folder of encode.py")
    args.add_argument("output")
    args.add_argument("--transformer", required=True, help="transformer to start from (distil: the older one)")
    args.add_argument("--text-encoder", required=True, help="text encoder to start from (distil: the older one)")
    args.add_argument("--image", choices=["a14b", "5b"], help="train with a first frame")
    args.add_argument("--boundary", type=float, default=0.875, help="share of the timesteps where the experts meet")
    args.add_argument("--seconds", type=float, required=True)
    args.add_argument("--batch", type=int, default=16)
    args.add_argument("--learning-rate", type=float, default=1e-3)
    args.add_argument("--average", type=float, default=0.998)
    args.add_argument("--threads", type=int, default=1)
    args.add_argument("--seed", type=int, default=3)
    args = args.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    transformer = WanTransformer3DModel.from_pretrained(args.transformer, torch_dtype=torch.float32)
    encoder = UMT5EncoderModel.from_pretrained(args.text_encoder, dtype=torch.float32)
    if args.image:
        if transformer.config.in_channels != FORMS[args.image]["in_channels"]:
            transformer = refitted(transformer, **FORMS[args.image])
    if args.stage == "distil":
        teacher = Teacher(WanTransformer3DModel.from_pretrained(args.transformer, torch_dtype=torch.float32), encoder)
        encoder = new_text_encoder()
        renew_text_weights(transformer)
    text = TextPath(encoder, transformer)
    weights = text_weights(transformer) if args.stage == "distil" else list(transformer.parameters())
    if args.stage in ("distil", "joint"):
        weights += list(encoder.parameters())
    else:
        encoder.requires_grad_(False)
    optimizer = torch.optim.AdamW(weights, lr=args.learning_rate, betas=(0.9, 0.95), weight_decay=0.01)
    average = [w.detach().clone() for w in weights]
    batches = Batches(args)

    def save():
        live = [w.detach().clone() for w in weights]
        with torch.no_grad():
            torch._foreach_copy_(weights, average)
            transformer.save_pretrained(os.path.join(args.output, "transformer"))
            encoder.save_pretrained(os.path.join(args.output, "text_encoder"))
            torch._foreach_copy_(weights, live)

    begin, step, shown, saved = time.time(), 0, None, 0
    while (done := (time.time() - begin) / args.seconds) < 1:
        fall = max(0, (done - 0.3) / 0.7)
        rate = args.learning_rate * min(1, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * fall)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        if step and step % 200 == 0:
            batches.reload()
        if args.stage == "distil":
            loss = distil_loss(teacher, transformer, text, batches)
        else:
            loss = flow_loss(transformer, text, batches)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        step += 1
        keep = min(args.average, step / (step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(average, weights, 1 - keep)
        shown = loss.item() if shown is None else 0.98 * shown + 0.02 * loss.item()
        if step in (1, 10) or step % 50 == 0:
            print(f"{time.time() - begin:6.0f} s step {step} loss {shown:.4f} lr {rate:.1e} clips {len(batches.combinations)}", flush=True)
        if time.time() - begin - saved > 240:
            saved = time.time() - begin
            save()
    save()


if __name__ == "__main__":
    main()
