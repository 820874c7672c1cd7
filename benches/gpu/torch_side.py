"""The same work in torch on the same card: what a figure of ours is compared with. One JSON document on standard output."""

import json
import statistics
import sys

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

BF16 = torch.bfloat16
# transformer configurations of Wan 2.2: heads, feed-forward width, latent channels
WIDTHS = {"t2v-A14B": (40, 13824, 16), "ti2v-5B": (24, 14336, 48)}


def median_ms(work, rounds=5, warm_up=2):
    """Median time of a call in milliseconds, after some that are not counted."""
    times = []
    for index in range(rounds + warm_up):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        work()
        end.record()
        torch.cuda.synchronize()
        if index >= warm_up:
            times.append(begin.elapsed_time(end))
    return statistics.median(times)


def ceilings():
    """Rates of this card, measured."""
    result = {"device": torch.cuda.get_device_name(), "torch": torch.__version__, "cudnn": torch.backends.cudnn.version()}
    a, b = (torch.randn(8192, 8192, device="cuda", dtype=BF16) for _ in range(2))
    result["gemm_bf16_tflops"] = 2 * 8192**3 / median_ms(lambda: a @ b) / 1e9
    x, w = a.float()[:4096, :4096].contiguous(), b.float()[:4096, :4096].contiguous()
    result["gemm_fp32_tflops"] = 2 * 4096**3 / median_ms(lambda: x @ w) / 1e9
    source = torch.empty(2 << 30, device="cuda", dtype=torch.uint8)
    target = torch.empty_like(source)
    result["copy_gb_s"] = 2 * source.numel() / median_ms(lambda: target.copy_(source)) / 1e6
    host = torch.empty(1 << 30, dtype=torch.uint8)
    pinned = host.pin_memory()
    for name, memory in (("pageable", host), ("pinned", pinned)):
        result[f"to_device_{name}_gb_s"] = (1 << 30) / median_ms(lambda m=memory: source[: 1 << 30].copy_(m), 3) / 1e6
    return result


def attention(tokens, heads):
    """Self-attention of one block by torch's own choices, in milliseconds."""
    q, k, v = (torch.randn(1, heads, tokens, 128, device="cuda", dtype=BF16) for _ in range(3))
    result = {"flops": 4 * tokens * tokens * heads * 128}
    for name, backend in (("cudnn", SDPBackend.CUDNN_ATTENTION), ("flash", SDPBackend.FLASH_ATTENTION)):
        try:
            with sdpa_kernel(backend):
                result[f"{name}_ms"] = median_ms(lambda: F.scaled_dot_product_attention(q, k, v), 3)
        except RuntimeError as error:
            result[name] = str(error)[:200]
    return result


def transformer(like, size, frames, layers):
    """A forward pass of diffusers' transformer with this many blocks, in milliseconds."""
    from diffusers import WanTransformer3DModel

    heads, ffn, channels = WIDTHS[like]
    width, height = size
    scale = 8 if channels == 16 else 16
    with torch.device("cuda"):
        torch.set_default_dtype(BF16)
        model = WanTransformer3DModel(
            num_attention_heads=heads, in_channels=channels, out_channels=channels, ffn_dim=ffn, num_layers=layers
        ).eval()
        shape = (1, channels, (frames - 1) // 4 + 1, height // scale, width // scale)
        latents, text = torch.randn(shape, dtype=BF16), torch.randn(1, 512, 4096, dtype=BF16)
        # the 5B gives every token a time of its own
        tokens = shape[2] * (shape[3] // 2) * (shape[4] // 2)
        time = torch.full((1, tokens), 500.0) if channels == 48 else torch.full((1,), 500.0)
        torch.set_default_dtype(torch.float32)
    with torch.inference_mode():
        return median_ms(lambda: model(latents, time, text, return_dict=False), 3)


def latents(model, prompt, size, frames, seed):
    """Final latents of two steps of diffusers' pipeline in fp32 and bf16 on a model in its layout; files to read them from."""
    from diffusers import WanPipeline
    from safetensors.torch import save_file
    from sentencepiece import SentencePieceProcessor

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    words = SentencePieceProcessor(model_file=f"{model}/tokenizer/spiece.model")
    ids = torch.tensor([[*words.encode(prompt), words.eos_id()]], device="cuda")
    files = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", BF16)):
        pipe = WanPipeline.from_pretrained(model, torch_dtype=dtype, tokenizer=None).to("cuda")
        pipe.set_progress_bar_config(disable=True)
        with torch.inference_mode():
            text = pipe.text_encoder(ids, torch.ones_like(ids)).last_hidden_state
        text = F.pad(text, (0, 0, 0, 512 - text.shape[1])).to(dtype)
        clip = {"width": size[0], "height": size[1], "num_frames": frames, "num_inference_steps": 2}
        clip |= {"prompt_embeds": text, "guidance_scale": 1.0, "output_type": "latent"}
        made = pipe(generator=torch.Generator("cpu").manual_seed(seed), **clip)
        files[name] = f"{model}/{name}-latents.safetensors"
        save_file({"latents": made.frames.float().cpu().contiguous()}, files[name])
        del pipe
    return files


def decoder(like, size, frames):
    """diffusers' decode of one clip in fp32: seconds and peak memory; without tiles, as its pipeline does by default."""
    from diffusers import AutoencoderKLWan

    wide = {}
    channels, scale = 16, 8
    if like == "ti2v-5B":
        channels, scale = 48, 16
        wide = {"base_dim": 160, "decoder_base_dim": 256, "z_dim": 48, "is_residual": True, "patch_size": 2}
        wide |= {"in_channels": 12, "out_channels": 12, "scale_factor_spatial": 16, "latents_mean": [0.0] * 48}
        wide |= {"latents_std": [1.0] * 48}
    result = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", BF16)):
        try:
            with torch.device("cuda"):
                vae = AutoencoderKLWan(**wide).to(dtype).eval()
                z = torch.randn(1, channels, (frames - 1) // 4 + 1, size[1] // scale, size[0] // scale, dtype=dtype)
            torch.cuda.reset_peak_memory_stats()
            with torch.inference_mode():
                result[f"{name}_s"] = median_ms(lambda: vae.decode(z, return_dict=False), 1, 1) / 1e3
            result[f"{name}_peak_gib"] = torch.cuda.max_memory_allocated() / (1 << 30)
            del vae, z
            torch.cuda.empty_cache()
        except RuntimeError as error:
            result[name] = str(error)[:200]
    return result


def main():
    request = json.loads(sys.argv[1])
    work = {"ceilings": ceilings, "attention": attention, "transformer": transformer, "decoder": decoder, "latents": latents}
    result = [work[name](**arguments) for name, arguments in request]
    print(json.dumps(result))


if __name__ == "__main__":
    main()
