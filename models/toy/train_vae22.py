"""Trains a VAE of the 2.2 kind (16 x 16 pixels a cell, 48 channels, shortcuts round whole levels) from random numbers.

With the library's initialisation a VAE of this size does not train: the plain convolutions shrink the signal below the
biases, and the output stays one grey. `begin` starts near the identity instead. Single frames first, then clips.
"""

import argparse
import math
import random
import time

import torch
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.autoencoder_kl_wan import unpatchify

from data import FRAMES, clip
from train_vae import Muon, decode, psnr

CONFIG = dict(
    base_dim=16, decoder_base_dim=16, z_dim=48, dim_mult=[1, 2, 4, 4], num_res_blocks=1, attn_scales=[],
    temperal_downsample=[False, True, True], is_residual=True, patch_size=2, in_channels=12, out_channels=12,
    scale_factor_temporal=4, scale_factor_spatial=16,
    latents_mean=[0.0] * 48, latents_std=[1.0] * 48,
)  # fmt: skip
SINGLE_FRAMES = 0.3  # share of the time


@torch.no_grad()
def begin(vae):
    for name, module in vae.named_modules():
        if not isinstance(module, (torch.nn.Conv3d, torch.nn.Conv2d)):
            continue
        w = module.weight
        if "time_conv" in name:
            w.zero_()
            for out in range(w.shape[0]):
                w[out, out % w.shape[1], -1] = 1
        else:
            fan = w.shape[1] * w.shape[-1] * w.shape[-2]
            w.normal_(0, fan**-0.5)
            if w.ndim == 5 and w.shape[2] == 3:
                w[:, :, :2] *= 0.1
            if "conv2" in name:
                w *= 0.3
        module.bias.normal_(0, 0.1)
    vae.quant_conv.weight[CONFIG["z_dim"] :] *= 0.1
    vae.quant_conv.bias[CONFIG["z_dim"] :] = -6


@torch.no_grad()
def measure(vae, count=48):
    """Writes the latents' mean and deviation into the configuration."""
    z = torch.cat([vae._encode(clip(random.Random(70_000 + i))[0][None]).chunk(2, 1)[0] for i in range(count)])
    z = z.transpose(0, 1).flatten(1)
    vae.register_to_config(
        latents_mean=[round(v, 6) for v in z.mean(1).tolist()], latents_std=[round(v, 6) for v in z.std(1).tolist()]
    )


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("output")
    args.add_argument("--start", help="folder of a VAE to go on from, with clips at once")
    args.add_argument("--decoder", action="store_true", help="leave the encoder as it is; the latents keep their meaning")
    args.add_argument("--seconds", type=float, default=2400)
    args.add_argument("--batch", type=int, default=4)
    args.add_argument("--learning-rate", type=float, default=2e-3)
    args.add_argument("--threads", type=int, default=1)
    args.add_argument("--seed", type=int, default=1)
    args = args.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    rng = random.Random(args.seed)
    unseen = [clip(random.Random(9_000 + i))[0] for i in range(6)]
    if args.start:
        vae = AutoencoderKLWan.from_pretrained(args.start, torch_dtype=torch.float32)
    else:
        vae = AutoencoderKLWan(**CONFIG)
        begin(vae)
    for module in (vae.encoder, vae.quant_conv) if args.decoder else ():
        module.requires_grad_(False)
    weights = [w for w in vae.parameters() if w.requires_grad]
    matrices = [w for w in weights if w.ndim >= 4 and w.shape[0] > 3 and w[0].numel() > 1]
    others = [w for w in weights if not any(w is m for m in matrices)]
    adam, muon = torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=0), Muon(matrices)
    average = [w.detach().clone() for w in weights]

    begun, step, shown, saved = time.time(), 0, None, 0
    while (done := (time.time() - begun) / args.seconds) < 1:
        fall = done if args.decoder else max(0, (done - 0.4) / 0.6)
        rate = args.learning_rate * min(1, (step + 1) / 50) * (0.02 + 0.98 * (1 - fall))
        for group in adam.param_groups:
            group["lr"] = rate
        single = not args.start and done < SINGLE_FRAMES
        frames = 1 if single else 9 if step % 5 == 0 else 5
        first = rng.randrange(FRAMES - frames + 1)
        count = args.batch * 3 if single else args.batch
        x = torch.stack([clip(rng)[0][:, first : first + frames] for _ in range(count)])
        mean, log_variance = vae._encode(x).chunk(2, 1)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance.clamp(-20, 10)).exp()
        kl = (mean**2 + log_variance.exp() - 1 - log_variance).mean() / 2
        d = unpatched(vae, z) - x
        edges = (d[..., 1:] - d[..., :-1]).abs().mean() + (d[..., 1:, :] - d[..., :-1, :]).abs().mean()
        mse = (d**2).mean()
        loss = d.abs().mean() + 5 * mse + 0.3 * edges + 1e-4 * kl
        for w in weights:
            w.grad = None
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        adam.step()
        muon.step(rate)
        step += 1
        keep = min(0.99, step / (step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(average, weights, 1 - keep)
        shown = mse.item() if shown is None else 0.96 * shown + 0.04 * mse.item()
        if step in (1, 2, 10) or step % 25 == 0:
            rest = 10 * math.log10(4 / shown)
            print(f"{time.time() - begun:6.0f} s step {step} frames {frames} psnr {rest:.2f} kl {kl.item():.2f} lr {rate:.1e}", flush=True)
        if time.time() - begun - saved > 240 or time.time() - begun >= args.seconds:
            saved = time.time() - begun
            live = [w.detach().clone() for w in weights]
            with torch.no_grad():
                torch._foreach_copy_(weights, average)
                if not args.decoder:
                    measure(vae)
                vae.save_pretrained(args.output)
                quality = psnr(vae, unseen, unpatched)
                torch._foreach_copy_(weights, live)
            print("average of the weights: psnr mean %.2f, least %.2f dB" % quality, flush=True)


def unpatched(vae, z):
    """Streaming decode to pixels, without the clamp of `vae.decode`."""
    return unpatchify(decode(vae, z), CONFIG["patch_size"])


if __name__ == "__main__":
    main()
