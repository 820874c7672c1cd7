#!/usr/bin/env python3
"""Makes the golden data: tiny random Wan 2.2 models and what diffusers computes with them.

    make.py models            models/   (random weights, the usual diffusers folders)
    make.py refs [NAME ...]   refs/     (inputs and results, all groups or the named ones)
    make.py all               both
    make.py toy --model DIR   refs/toy_t2v.* from a trained toy folder

Everything is seeded and runs on one CPU thread, so a second run on the same machine with the
same package versions gives the same bytes. README.md describes every file.
"""

import argparse
import json
import shutil
import tempfile
import warnings
from pathlib import Path

import numpy as np
import sentencepiece as spm
import torch
from diffusers import (
    AutoencoderKLWan,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    UniPCMultistepScheduler,
    WanImageToVideoPipeline,
    WanPipeline,
    WanTransformer3DModel,
)
from diffusers.pipelines.wan.pipeline_wan import prompt_clean
from PIL import Image
from safetensors.torch import save_file
from transformers import T5TokenizerFast, UMT5Config, UMT5EncoderModel

warnings.filterwarnings("ignore")
torch.set_num_threads(1)
torch.set_grad_enabled(False)

HERE = Path(__file__).resolve().parent
MODELS = HERE / "models"
REFS = HERE / "refs"

MAX_TEXT = 512
PROMPT = "a red circle moves left on a white background"
NEGATIVE = "a blurred grey square"


# --------------------------------------------------------------------------------------------
# Models


def randomize(model, seed, bias=0.1):
    """Weights N(0, 1/fan_in), so activations keep unit scale; norms about 1; biases about 0."""
    g = torch.Generator().manual_seed(seed)

    def fill(p, mean, std):
        p.copy_(mean + std * torch.randn(p.shape, generator=g))

    for name, p in sorted(model.named_parameters()):
        leaf = name.rsplit(".", 1)[-1]
        if "norm" in name and leaf in ("weight", "gamma"):
            fill(p, 1.0, 0.2)
        elif leaf == "bias":
            fill(p, 0.0, bias)
        elif "scale_shift_table" in name:
            fill(p, 0.0, 0.3)
        elif "relative_attention_bias" in name or "shared" in name or "embed_tokens" in name:
            fill(p, 0.0, 1.0)
        else:
            fill(p, 0.0, p[0].numel() ** -0.5)
    return model.eval()


def scale_(p, factor):
    p.mul_(factor)


def make_dit(channels_in, channels_out, seed):
    m = WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=2,
        attention_head_dim=32,
        in_channels=channels_in,
        out_channels=channels_out,
        text_dim=32,
        freq_dim=256,
        ffn_dim=128,
        num_layers=2,
        cross_attn_norm=True,
        qk_norm="rms_norm_across_heads",
        eps=1e-6,
        rope_max_seq_len=1024,
    )
    randomize(m, seed)
    scale_(m.condition_embedder.time_proj.weight, 0.5)
    return m


def make_vae21(seed):
    m = AutoencoderKLWan(
        base_dim=4,
        z_dim=16,
        dim_mult=[1, 2, 4, 4],
        num_res_blocks=1,
        attn_scales=[],
        temperal_downsample=[False, True, True],
    )
    randomize(m, seed)
    scale_(m.decoder.conv_out.weight, 1.8)
    return m


def make_vae22(seed):
    m = AutoencoderKLWan(
        base_dim=4,
        decoder_base_dim=6,
        z_dim=48,
        dim_mult=[1, 2, 4, 4],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        is_residual=True,
        in_channels=12,
        out_channels=12,
        patch_size=2,
        scale_factor_spatial=16,
        scale_factor_temporal=4,
        latents_mean=[round(0.02 * i - 0.5, 4) for i in range(48)],
        latents_std=[round(0.6 + 0.015 * i, 4) for i in range(48)],
    )
    randomize(m, seed)
    scale_(m.decoder.conv_out.weight, 1.4)
    return m


def make_text_encoder(vocab_size, seed):
    m = UMT5EncoderModel(
        UMT5Config(
            vocab_size=vocab_size,
            d_model=32,
            d_kv=8,
            d_ff=64,
            num_layers=2,
            num_heads=4,
            relative_attention_num_buckets=32,
            relative_attention_max_distance=128,
            feed_forward_proj="gated-gelu",
            tie_word_embeddings=False,
        )
    )
    return randomize(m, seed)


def make_tokenizer(folder):
    """A sentencepiece unigram model (nmt_nfkc, as UMT5's own) and the tokenizer.json of it."""
    folder.mkdir(parents=True, exist_ok=True)
    corpus = [
        f"{a} {c} {s} moves {d} on a {b} background"
        for a in ("a", "one", "the")
        for c in "red green blue yellow white".split()
        for s in "circle square triangle cat".split()
        for d in "left right up down".split()
        for b in "black white grey blue".split()
    ]
    corpus += ["Quick brown foxes jump over the lazy dog, café déjà vu!", "一只猫,红色的圆。", "0123456789?'\"-:;()&<>"] * 4
    with tempfile.TemporaryDirectory() as tmp:
        text = Path(tmp) / "corpus.txt"
        text.write_text("\n".join(corpus) + "\n", encoding="utf-8")
        spm.SentencePieceTrainer.train(
            input=str(text),
            model_prefix=str(Path(tmp) / "spiece"),
            vocab_size=112,
            model_type="unigram",
            character_coverage=1.0,
            normalization_rule_name="nmt_nfkc",
            pad_id=0,
            eos_id=1,
            unk_id=2,
            bos_id=-1,
            hard_vocab_limit=False,
            num_threads=1,
            minloglevel=2,
        )
        raw = (Path(tmp) / "spiece.model").read_bytes()

    # The trainer writes down its own file names; they would be this machine's paths.
    from sentencepiece import sentencepiece_model_pb2 as pb

    proto = pb.ModelProto.FromString(raw)
    del proto.trainer_spec.input[:]
    proto.trainer_spec.model_prefix = "spiece"
    (folder / "spiece.model").write_bytes(proto.SerializeToString(deterministic=True))

    tok = T5TokenizerFast(
        vocab=[(p.piece, p.score) for p in proto.pieces],
        extra_ids=0,
        _spm_precompiled_charsmap=proto.normalizer_spec.precompiled_charsmap,
        model_max_length=MAX_TEXT,
    )
    tok.save_pretrained(folder)
    return len(proto.pieces)


def save_unipc(folder, shift):
    unipc(shift).save_pretrained(folder)


def write_index(folder, cls, **entries):
    import diffusers

    index = {"_class_name": cls, "_diffusers_version": diffusers.__version__, **entries}
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")


WAN = ["diffusers", "WanTransformer3DModel"]
COMMON = {
    "scheduler": ["diffusers", "UniPCMultistepScheduler"],
    "text_encoder": ["transformers", "UMT5EncoderModel"],
    "tokenizer": ["transformers", "T5TokenizerFast"],
    "transformer": WAN,
    "vae": ["diffusers", "AutoencoderKLWan"],
}


def make_models():
    shutil.rmtree(MODELS, ignore_errors=True)
    bf16 = torch.bfloat16

    d = MODELS / "tiny-t2v"
    vocab = make_tokenizer(d / "tokenizer")
    text_encoder = make_text_encoder(vocab, 1)
    text_encoder.save_pretrained(d / "text_encoder")
    text_encoder.to(bf16).save_pretrained(MODELS / "umt5-bf16")
    make_dit(16, 16, 2).save_pretrained(d / "transformer", max_shard_size="300KB")
    make_dit(16, 16, 3).to(bf16).save_pretrained(d / "transformer_2")
    make_vae21(4).save_pretrained(d / "vae")
    save_unipc(d / "scheduler", 12.0)
    write_index(d, "WanPipeline", boundary_ratio=0.875, expand_timesteps=False, transformer_2=WAN, **COMMON)

    d = MODELS / "tiny-i2v"
    make_dit(36, 16, 5).to(bf16).save_pretrained(d / "transformer")
    make_dit(36, 16, 6).to(bf16).save_pretrained(d / "transformer_2")
    write_index(
        d,
        "WanImageToVideoPipeline",
        boundary_ratio=0.9,
        expand_timesteps=False,
        image_encoder=[None, None],
        image_processor=[None, None],
        transformer_2=WAN,
        **COMMON,
    )

    d = MODELS / "tiny-ti2v"
    make_dit(48, 48, 7).to(bf16).save_pretrained(d / "transformer")
    make_vae22(8).to(bf16).save_pretrained(d / "vae")
    save_unipc(d / "scheduler", 5.0)
    write_index(
        d, "WanPipeline", boundary_ratio=None, expand_timesteps=True, transformer_2=[None, None], **COMMON
    )


# --------------------------------------------------------------------------------------------
# Loading (always float32)


def load_dit(path):
    return WanTransformer3DModel.from_pretrained(MODELS / path, torch_dtype=torch.float32).eval()


def load_vae(path):
    return AutoencoderKLWan.from_pretrained(MODELS / path, torch_dtype=torch.float32).eval()


def load_text_encoder(path="tiny-t2v/text_encoder"):
    return UMT5EncoderModel.from_pretrained(MODELS / path, dtype=torch.float32).eval()


def load_tokenizer():
    return T5TokenizerFast.from_pretrained(MODELS / "tiny-t2v/tokenizer")


def unipc(shift):
    return UniPCMultistepScheduler(
        prediction_type="flow_prediction",
        use_flow_sigmas=True,
        flow_shift=shift,
        num_train_timesteps=1000,
        solver_order=2,
        solver_type="bh2",
    )


def randn(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def save(name, tensors):
    REFS.mkdir(parents=True, exist_ok=True)
    tensors = {k: v.detach().clone().contiguous() for k, v in tensors.items()}
    save_file(tensors, REFS / f"{name}.safetensors")
    (REFS / f"{name}.safetensors").chmod(0o644)
    for k, v in tensors.items():
        stat = f"std {v.std():.3f} |max| {v.abs().max():.3f}" if v.is_floating_point() and v.numel() > 1 else ""
        print(f"  {name}: {k} {list(v.shape)} {str(v.dtype)[6:]} {stat}")


def save_json(name, value):
    REFS.mkdir(parents=True, exist_ok=True)
    (REFS / f"{name}.json").write_text(json.dumps(value, indent=1, ensure_ascii=True) + "\n")


# --------------------------------------------------------------------------------------------
# References: components


def dit_ref(name, path, seed, t, second_shape, t_first=None):
    """One DiT at two video shapes. With t_first the first latent frame's tokens have that time."""
    model = load_dit(path)
    text = randn(seed + 1, 9, 32)
    padded = torch.zeros(1, MAX_TEXT, 32)
    padded[0, : len(text)] = text

    def forward(x):
        if t_first is None:
            time = torch.tensor([t])
        else:
            frame = x.shape[3] // 2 * (x.shape[4] // 2)
            time = torch.cat([torch.full((frame,), t_first), torch.full(((x.shape[2] - 1) * frame,), t)])[None]
        return model(x, time, padded, return_dict=False)[0]

    channels = model.config.in_channels
    a, b = randn(seed, 1, channels, 3, 8, 12), randn(seed + 2, 1, channels, *second_shape)
    save(
        name,
        {
            "hidden_states": a,
            "timestep": torch.tensor([t] if t_first is None else [t_first, t]),
            "text": text,
            "sample": forward(a),
            "hidden_states_b": b,
            "sample_b": forward(b),
        },
    )


def refs_dit():
    dit_ref("dit_t2v_high", "tiny-t2v/transformer", 100, 937.0, (5, 4, 6))
    dit_ref("dit_t2v_low", "tiny-t2v/transformer_2", 110, 412.0, (1, 10, 4))
    dit_ref("dit_i2v", "tiny-i2v/transformer", 120, 999.0, (2, 6, 4))
    dit_ref("dit_i2v_low", "tiny-i2v/transformer_2", 130, 250.0, (2, 6, 4))
    dit_ref("dit_ti2v_one", "tiny-ti2v/transformer", 140, 833.0, (2, 4, 6))
    dit_ref("dit_ti2v_two", "tiny-ti2v/transformer", 150, 625.0, (2, 4, 6), t_first=0.0)


def umt5_ref(name, path):
    tok, model = load_tokenizer(), load_text_encoder(path)
    out = {}
    for suffix, text in (("", PROMPT), ("_empty", ""), ("_long", " ".join([PROMPT] * 9))):
        x = tok(text, padding="max_length", max_length=MAX_TEXT, truncation=True, return_tensors="pt")
        n = int(x.attention_mask.sum())
        out[f"ids{suffix}"] = x.input_ids[0, :n]
        out[f"hidden{suffix}"] = model(x.input_ids, x.attention_mask).last_hidden_state[0, :n]
    save(name, out)


def refs_umt5():
    umt5_ref("umt5", "tiny-t2v/text_encoder")
    umt5_ref("umt5_bf16", "umt5-bf16")


def latent_stats(vae):
    shape = (1, vae.config.z_dim, 1, 1, 1)
    return torch.tensor(vae.config.latents_mean).view(shape), 1 / torch.tensor(vae.config.latents_std).view(shape)


def vae_ref(name, path, seed, h, w):
    vae = load_vae(path)
    mean, inv_std = latent_stats(vae)
    scale = vae.config.scale_factor_spatial
    latent = randn(seed, 1, vae.config.z_dim, 4, h, w)
    frames = vae.decode(latent / inv_std + mean, return_dict=False)[0]
    # Coloured noise plus a moving gradient, so that neighbouring frames differ smoothly too.
    g = torch.linspace(-1, 1, w * scale)[None, None, None, None] * torch.linspace(1, -1, 9)[None, None, :, None, None]
    video = (g + 0.4 * randn(seed + 1, 1, 3, 9, h * scale, w * scale)).clamp(-1, 1)
    encoded = (vae.encode(video).latent_dist.mode() - mean) * inv_std
    save(name, {"latent": latent, "frames": frames, "encode_frames": video, "encode_latent": encoded})
    print(f"  {name}: {(frames.abs() >= 1).float().mean():.3f} of the decoded values are clamped")


def refs_vae():
    vae_ref("vae21", "tiny-t2v/vae", 200, 2, 3)
    vae_ref("vae22", "tiny-ti2v/vae", 210, 2, 3)


# --------------------------------------------------------------------------------------------
# References: noise, schedules, text


def refs_noise():
    out = {}
    for seed in (0, 42, 2**32 + 5, 2**63 - 1):
        for n in (16, 17, 31, 100, 1000, 4608):
            out[f"s{seed}_n{n}"] = randn(seed, n)
        big = randn(seed, 100_000)
        out[f"s{seed}_n100000_first64"], out[f"s{seed}_n100000_last64"] = big[:64], big[-64:]
        odd = randn(seed, 100_003)
        out[f"s{seed}_n100003_last64"] = odd[-64:]
    save("noise", out)


SCHEDULERS = {
    "unipc": unipc,
    "euler": lambda shift: FlowMatchEulerDiscreteScheduler(shift=shift, num_train_timesteps=1000),
    "dpmpp2m": lambda shift: DPMSolverMultistepScheduler(
        prediction_type="flow_prediction",
        use_flow_sigmas=True,
        flow_shift=shift,
        num_train_timesteps=1000,
        solver_order=2,
        algorithm_type="dpmsolver++",
    ),
}
SCHEDULES = [(1, 5), (2, 5), (3, 5), (6, 12), (20, 3), (40, 12)]


def refs_schedule():
    tensors, index = {}, []
    for name, make in SCHEDULERS.items():
        for steps, shift in SCHEDULES:
            s = make(float(shift))
            s.set_timesteps(steps)
            x = initial = randn(300, 32)
            target = 0.5 * randn(301, 32)
            velocities, samples = [], []
            for k, t in enumerate(s.timesteps):
                # A velocity towards a target that wanders from step to step.
                v = (x - target - 0.3 * randn(310 + k, 32)) / float(s.sigmas[k])
                x = s.step(v[None], t, x[None], return_dict=False)[0][0]
                velocities.append(v)
                samples.append(x)
            key = f"{name}_{steps}_{shift}"
            tensors |= {
                f"{key}.sigmas": s.sigmas.float(),
                f"{key}.timesteps": s.timesteps.float(),
                f"{key}.x": initial,
                f"{key}.v": torch.stack(velocities),
                f"{key}.samples": torch.stack(samples),
            }
            index.append({"key": key, "scheduler": name, "steps": steps, "shift": float(shift)})
    save("schedule", tensors)
    configs = {k: {c: v for c, v in make(1.0).config.items() if c[0] != "_"} for k, make in SCHEDULERS.items()}
    save_json("schedule", {"cases": index, "configs": configs})


TEXTS = [
    "",
    " ",
    "a red circle moves left",
    "  a   red\tcircle\n\nmoves \r\n left  ",
    "A Red Circle, Moves LEFT!",
    "un café déjà vu à Málaga, naïve façade, Ærøskøbing",
    "cafe\u0301 de\u0301ja\u0300 vu",
    "一只红色的圆,在白色背景上。",
    "全角ABC123!?(括号)「引号」、顿号~",
    "猫が走る。カタカナ ハンカク ガギグ",
    "고양이가 왼쪽으로 달린다",
    "кот идёт налево",
    "قط يمشي إلى اليسار",
    "a cat 🐱 and a flag 🇪🇸, a family 👩‍👩‍👧 ❤️ 👍🏽",
    "a cat &amp; a dog &lt;b&gt;bold&lt;/b&gt; &quot;x&quot;",
    "twice &amp;amp; escaped &amp;lt;i&amp;gt; &amp;eacute; &amp;#39;",
    "&#x1F431; &#65; &nbsp;cat&nbsp; &copy; &bogus; &amp",
    "cafÃ© dÃ©jÃ\u00a0 vu â€œquotedâ€\x9d itâ€™s",
    "â\x80\x94 schÃ¶n Ã¼ber",
    "“curly” ‘single’ „low“ «guillemets» it’s",
    "efficient \ufb02ow of\ufb01ce \ufb03 \ufb06",
    "dash – em — minus − hyphen ‐ soft\u00adhyphen",
    "zero\u200bwidth \u200djoin \ufeffbom \u2060word",
    "no\u00a0break\u2003em\u3000ideographic\u2028line\u2029para\u0085nel",
    "control \x07 bell \x1b[31mred\x1b[0m \x00 nul \x7f del",
    "½ ² ℃ № ㎏ ① Ⅳ ﷺ ™ … ‥",
    "𝒶 𝕓 𝐜 𝔇 fancy ｆｕｌｌ",
    "▁ metaspace ▁▁ already </s> <pad> <unk> inside",
    "ǆ ß İ ı ſ Å Ω K",
    "Z͑ͫ̓a͊l̓g͒o",
    "&lt;3 you &amp;lt;3 <3 a<b && c>d",
    "Don't \"quote\" (parenthesise): semi;colon - 3x4=12",
    "very " * 700 + "long",
    " ".join(["the red cat moves left on a white background"] * 60),
]


def refs_text():
    tok = load_tokenizer()
    sp = spm.SentencePieceProcessor(model_file=str(MODELS / "tiny-t2v/tokenizer/spiece.model"))
    cases, differ = [], 0
    for raw in TEXTS:
        cleaned = prompt_clean(raw)
        ids = tok(cleaned, max_length=MAX_TEXT, truncation=True).input_ids
        plain = sp.encode(cleaned)[: MAX_TEXT - 1] + [1]
        if plain != ids:
            differ += 1
            print(f"  text: sentencepiece itself differs for {cleaned[:50]!r}: {plain[:24]} / {ids[:24]}")
        cases.append({"raw": raw, "cleaned": cleaned, "ids": ids})
    save_json("text", cases)
    print(f"  text: {len(cases)} cases, {differ} where sentencepiece itself gives other ids")


# --------------------------------------------------------------------------------------------
# References: pipelines


def run_pipeline(pipe, seed, **request):
    """(final latents, 8-bit frames), decoded the way the pipeline itself does."""
    pipe.set_progress_bar_config(disable=True)
    g = torch.Generator("cpu").manual_seed(seed)
    latents = pipe(generator=g, output_type="latent", max_sequence_length=MAX_TEXT, **request).frames
    mean, inv_std = latent_stats(pipe.vae)
    video = pipe.vae.decode(latents / inv_std + mean, return_dict=False)[0]
    frames = pipe.video_processor.postprocess_video(video, output_type="np")[0]
    return latents, torch.from_numpy((frames * 255).round().astype(np.uint8))


def input_image():
    """A smooth image, resized to the video's size the way the pipeline does (Lanczos, aspect not kept)."""
    y, x = np.mgrid[0:90, 0:120]
    rgb = np.stack([x * 255 / 119, y * 255 / 89, 127 + 120 * np.sin(x / 9.0) * np.cos(y / 7.0)], -1)
    return Image.fromarray(rgb.round().astype(np.uint8)).resize((96, 64), Image.Resampling.LANCZOS)


def input_last_image():
    """A second image, the end image."""
    y, x = np.mgrid[0:70, 0:100]
    rgb = np.stack([y * 255 / 69, 127 + 120 * np.cos(x / 11.0 + y / 8.0), 255 - x * 255 / 99], -1)
    return Image.fromarray(rgb.round().astype(np.uint8)).resize((96, 64), Image.Resampling.LANCZOS)


def pipeline_ref(
    name,
    model,
    cls,
    guidance,
    shift,
    guidance_2=None,
    boundary=None,
    image=False,
    last_image=False,
    expand=False,
    frames=5,
    steps=6,
):
    two = boundary is not None
    request = {
        "prompt": PROMPT,
        "negative_prompt": NEGATIVE,
        "height": 64,
        "width": 96,
        "num_frames": frames,
        "num_inference_steps": steps,
        "guidance_scale": guidance,
    }
    if guidance_2 is not None:
        request["guidance_scale_2"] = guidance_2
    extra = {}
    if image:
        (REFS / "input.png").parent.mkdir(parents=True, exist_ok=True)
        input_image().save(REFS / "input.png")
        extra["image"] = Image.open(REFS / "input.png").convert("RGB")
    if last_image:
        input_last_image().save(REFS / "input_last.png")
        extra["last_image"] = Image.open(REFS / "input_last.png").convert("RGB")
    parts = dict(
        tokenizer=load_tokenizer(),
        text_encoder=load_text_encoder(),
        vae=load_vae("tiny-ti2v/vae" if expand else "tiny-t2v/vae"),
        scheduler=unipc(shift),
        transformer=load_dit(f"{model}/transformer"),
        transformer_2=load_dit(f"{model}/transformer_2") if two else None,
        boundary_ratio=boundary,
        expand_timesteps=expand,
    )
    latents, pixels = run_pipeline(cls(**parts), 42, **request, **extra)
    save(name, {"latents": latents, "frames": pixels})
    save_json(
        name,
        {
            "model": model,
            **request,
            "shift": shift,
            "boundary_ratio": boundary,
            "seed": 42,
            "image": "input.png" if image else None,
            **({"last_image": "input_last.png"} if last_image else {}),
        },
    )


def refs_pipeline():
    pipeline_ref("pipeline_t2v", "tiny-t2v", WanPipeline, 4.0, 12.0, 3.0, 0.875, frames=9)
    # the high-noise expert runs 3 steps at this boundary, and 4 at the model's own
    pipeline_ref("pipeline_t2v_boundary", "tiny-t2v", WanPipeline, 4.0, 12.0, 3.0, 0.95)
    pipeline_ref("pipeline_i2v", "tiny-i2v", WanImageToVideoPipeline, 3.5, 5.0, None, 0.9, image=True)
    pipeline_ref(
        "pipeline_i2v_last", "tiny-i2v", WanImageToVideoPipeline, 3.5, 5.0, None, 0.9, image=True, last_image=True
    )
    pipeline_ref("pipeline_ti2v_text", "tiny-ti2v", WanPipeline, 5.0, 5.0, expand=True)
    pipeline_ref("pipeline_ti2v_image", "tiny-ti2v", WanImageToVideoPipeline, 5.0, 5.0, image=True, expand=True)


TOY_PROMPTS = [
    ("a red circle moves right on a black background", 1),
    ("a green square moves left on a white background", 2),
    ("a blue triangle moves up on a gray background", 3),
    ("a yellow circle moves down on a navy background", 4),
    ("a purple square moves right on a white background", 5),
]


def refs_toy(a):
    pipe = WanPipeline.from_pretrained(a.model, torch_dtype=torch.float32)
    if a.shift is not None:
        pipe.scheduler = UniPCMultistepScheduler.from_config(pipe.scheduler.config, flow_shift=a.shift)
    prompts = [(text, k + 1) for k, text in enumerate(a.prompt)] if a.prompt else TOY_PROMPTS
    width, height = map(int, a.size.split("x"))
    request = {
        "negative_prompt": "",
        "height": height,
        "width": width,
        "num_frames": a.frames,
        "num_inference_steps": a.steps,
        "guidance_scale": a.guidance,
    }
    tensors = {}
    for k, (prompt, seed) in enumerate(prompts):
        latents, frames = run_pipeline(pipe, seed, prompt=prompt, **request)
        tensors |= {f"latents_{k}": latents, f"frames_{k}": frames}
    save("toy_t2v", tensors)
    runs = [{"prompt": p, "seed": s} for p, s in prompts]
    save_json("toy_t2v", {**request, "shift": float(pipe.scheduler.config.flow_shift), "runs": runs})


GROUPS = {
    "dit": refs_dit,
    "umt5": refs_umt5,
    "vae": refs_vae,
    "noise": refs_noise,
    "schedule": refs_schedule,
    "text": refs_text,
    "pipeline": refs_pipeline,
}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = ap.add_subparsers(dest="verb", required=True)
    sub.add_parser("models")
    p = sub.add_parser("refs")
    p.add_argument("names", nargs="*", metavar="NAME", help=", ".join(GROUPS))
    sub.add_parser("all")
    p = sub.add_parser("toy")
    p.add_argument("--model", required=True)
    p.add_argument("--guidance", type=float, default=2.0)
    p.add_argument("--shift", type=float, help="[the model's own]")
    p.add_argument("--steps", type=int, default=20)
    p.add_argument("--size", default="64x64", help="WxH")
    p.add_argument("--frames", type=int, default=17)
    p.add_argument("--prompt", action="append", metavar="TEXT", help="instead of the five built in; seeds count from 1")
    a = ap.parse_args()
    if a.verb in ("models", "all"):
        make_models()
    if a.verb in ("refs", "all"):
        for name in getattr(a, "names", None) or GROUPS:
            print(name)
            GROUPS[name]()
    if a.verb == "toy":
        refs_toy(a)


if __name__ == "__main__":
    main()
