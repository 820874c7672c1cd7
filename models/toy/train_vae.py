"""Fine-tunes the decoder half of the VAE; the encoder, and with it the latent space, stays as it is.

Only edges are hard to draw, so the decoder's upper part is run on the patch that holds the most of them.
"""

import argparse
import math
import random
import time

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKLWan

from data import FRAMES, clip

PATCH, CELL = 5, 8  # side of the patch in latent cells, side of a cell in pixels


def decode(vae, z):
    """Streaming decode, one latent frame at a time, without the clamp of `vae.decode`."""
    vae.clear_cache()
    z = vae.post_quant_conv(z)
    parts = []
    for i in range(z.shape[2]):
        vae._conv_idx = [0]
        parts.append(
            vae.decoder(z[:, :, i : i + 1], feat_cache=vae._feat_map, feat_idx=vae._conv_idx, first_chunk=i == 0)
        )
    vae.clear_cache()
    return torch.cat(parts, 2)


class Patches:
    """Cuts what leaves the decoder's middle down to one patch per clip."""

    def __init__(self, vae):
        self.corners = None
        vae.decoder.mid_block.register_forward_hook(self.cut)

    def cut(self, _module, _given, out):
        if self.corners is None:
            return out
        return torch.stack([o[..., y : y + PATCH, x : x + PATCH] for o, (y, x) in zip(out, self.corners)])

    def choose(self, clips):
        steps = clips.diff(dim=-1)[..., :-1, :].abs() + clips.diff(dim=-2)[..., :-1].abs()
        energy = F.avg_pool2d(F.pad(steps.sum((1, 2)), (0, 1, 0, 1))[:, None], CELL)
        sums = F.avg_pool2d(energy, PATCH, 1)
        best = sums.flatten(1).argmax(1).tolist()
        self.corners = [divmod(b, sums.shape[-1]) for b in best]

    def of(self, clips):
        """The clips' patches, and a weight that leaves out the rim where a patch does not end with the image."""
        cells, parts, weights = clips.shape[-1] // CELL, [], []
        for c, (y, x) in zip(clips, self.corners):
            parts.append(c[..., y * CELL : (y + PATCH) * CELL, x * CELL : (x + PATCH) * CELL])
            w = torch.ones(1, 1, PATCH * CELL, PATCH * CELL)
            rim = CELL // 2
            if y > 0:
                w[..., :rim, :] = 0
            if x > 0:
                w[..., :rim] = 0
            if y + PATCH < cells:
                w[..., -rim:, :] = 0
            if x + PATCH < cells:
                w[..., -rim:] = 0
            weights.append(w)
        return torch.stack(parts), torch.stack(weights)


class Muon:
    """Momentum whose matrices are made orthogonal (five Newton-Schulz steps), at the step size of Adam."""

    def __init__(self, weights):
        self.weights, self.memory = weights, [torch.zeros_like(w) for w in weights]

    @torch.no_grad()
    def step(self, rate):
        for w, memory in zip(self.weights, self.memory):
            if w.grad is None:
                continue
            memory.lerp_(w.grad, 0.05)
            x = w.grad.lerp(memory, 0.95).reshape(w.shape[0], -1)
            wide = x.shape[0] <= x.shape[1]
            x = x if wide else x.T
            x = x / (x.norm() + 1e-12)
            for _ in range(5):
                a = x @ x.T
                x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
            x = x if wide else x.T
            w.add_(x.reshape(w.shape), alpha=-rate * 0.2 * max(x.shape) ** 0.5)


def psnr(vae, clips, decode=decode):
    with torch.no_grad():
        values = []
        for x in clips:
            y = decode(vae, vae._encode(x[None]).chunk(2, 1)[0]).clamp(-1, 1)
            values.append(10 * math.log10(4 / ((y - x) ** 2).mean().item()))
    return sum(values) / len(values), min(values)


def main():
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("vae", help="folder of the VAE to start from")
    args.add_argument("output")
    args.add_argument("--seconds", type=float, default=2400)
    args.add_argument("--batch", type=int, default=4)
    args.add_argument("--learning-rate", type=float, default=4e-4)
    args.add_argument("--threads", type=int, default=1)
    args = args.parse_args()

    torch.set_num_threads(args.threads)
    rng = random.Random(1)
    unseen = [clip(random.Random(9_000 + i))[0] for i in range(6)]
    vae = AutoencoderKLWan.from_pretrained(args.vae, torch_dtype=torch.float32)
    for module in vae.modules():
        if isinstance(module, torch.nn.Conv3d):
            module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last_3d)
    vae.requires_grad_(False)
    weights = [*vae.post_quant_conv.parameters(), *vae.decoder.parameters()]
    for weight in weights:
        weight.requires_grad_(True)
    matrices = [w for w in weights if w.ndim >= 4 and w.shape[0] > 3 and w[0].numel() > 1]
    others = [w for w in weights if not any(w is m for m in matrices)]
    adam, muon = torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=0), Muon(matrices)
    average = [w.detach().clone() for w in weights]
    patches = Patches(vae)

    begin, step, shown, saved = time.time(), 0, None, 0
    while (done := (time.time() - begin) / args.seconds) < 1:
        fall = max(0, (done - 0.2) / 0.8)
        rate = args.learning_rate * min(1, (step + 1) / 30) * (0.02 + 0.98 * (1 - fall))
        for group in adam.param_groups:
            group["lr"] = rate
        frames = 9 if step % 6 == 0 else 5
        first = rng.randrange(FRAMES - frames + 1)
        x = torch.stack([clip(rng)[0] for _ in range(args.batch)])[:, :, first : first + frames]
        x = x.contiguous(memory_format=torch.channels_last_3d)
        with torch.no_grad():
            z = vae._encode(x).chunk(2, 1)[0]
        patches.choose(x)
        wanted, weight = patches.of(x)
        d = (decode(vae, z) - wanted) * weight
        patches.corners = None
        edges = (d[..., 1:] - d[..., :-1]).abs().mean() + (d[..., 1:, :] - d[..., :-1, :]).abs().mean()
        mse = (d**2).mean()
        loss = d.abs().mean() + 10 * mse + 0.3 * edges
        for w in weights:
            w.grad = None
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        adam.step()
        muon.step(rate)
        step += 1
        keep = min(0.985, step / (step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(average, weights, 1 - keep)
        shown = mse.item() if shown is None else 0.96 * shown + 0.04 * mse.item()
        if step in (1, 2, 10) or step % 25 == 0:
            rest = 10 * math.log10(4 / shown * 64 * 64 / (PATCH * CELL) ** 2)
            print(f"{time.time() - begin:6.0f} s step {step} psnr about {rest:.2f} lr {rate:.1e}", flush=True)
        if time.time() - begin - saved > 180 or time.time() - begin >= args.seconds:
            saved = time.time() - begin
            live = [w.detach().clone() for w in weights]
            with torch.no_grad():
                torch._foreach_copy_(weights, average)
            vae.save_pretrained(args.output)
            print("average of the weights: psnr mean %.2f, least %.2f dB" % psnr(vae, unseen), flush=True)
            with torch.no_grad():
                torch._foreach_copy_(weights, live)


if __name__ == "__main__":
    main()
