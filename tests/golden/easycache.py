#!/usr/bin/env python3
"""Makes refs/easycache.*: which steps a plain EasyCache skips on small models, and the latents that it ends with.

    easycache.py

The method is EasyCache (arXiv 2507.02860). It wraps diffusers' transformers, so the latents and the predictions are
diffusers' own. Each decision is printed with its distance to the threshold: one that is too close to be decided alike
by another program's rounding is refused.
"""

import json

import make
import torch
from diffusers import WanImageToVideoPipeline, WanPipeline
from PIL import Image

TOY = [0.05, 0.15]
# random weights change more from step to step
T2V = [0.5, 1.0]
TI2V = [0.5, 1.0]
# steps at the start that are always computed
RETAINED = 7
# least distance of the sum to the threshold, as a fraction of the threshold
MARGIN = 0.01


def mean(tensor):
    return tensor.double().abs().mean().item()


class EasyCache:
    """Decides for the prompt's pass; the pass for the negative prompt, which diffusers runs after it, follows."""

    def __init__(self, threshold, steps):
        self.threshold, self.steps = threshold, steps
        self.call, self.expert, self.skipped = 0, None, []
        self.forget()

    def forget(self):
        self.sum, self.rate, self.skip = 0.0, None, False
        self.last_input = self.computed_input = self.output = None
        self.differences = {}

    def decide(self, step, x):
        """Whether `step` is skipped."""
        if step < RETAINED or step == self.steps - 1:
            self.sum = 0.0
            return False
        if self.output is None or self.rate is None:
            return False
        self.sum += self.rate * mean(x - self.last_input) / mean(self.output)
        distance = abs(self.sum - self.threshold) / self.threshold
        skip = self.sum < self.threshold
        print(f"    step {step + 1}: {self.sum:.5f} {'skipped' if skip else 'computed'}")
        assert distance > MARGIN, "too close to the threshold"
        if not skip:
            self.sum = 0.0
        return skip

    def predict(self, expert, compute, x):
        step, number = divmod(self.call, 2)
        self.call += 1
        if number == 0:
            if expert is not self.expert:
                # predictions of the other expert say nothing about this one's
                self.forget()
                self.expert = expert
            self.skip = self.decide(step, x)
            self.last_input = x.clone()
            if self.skip:
                self.skipped.append(step + 1)
        if self.skip:
            return x + self.differences[number]
        output = compute()
        if number == 0:
            if self.output is not None:
                self.rate = mean(output - self.output) / mean(x - self.computed_input)
            self.output, self.computed_input = output.clone(), x.clone()
        self.differences[number] = output - x
        return output


def install(pipe, cache):
    for name in ("transformer", "transformer_2"):
        expert = getattr(pipe, name, None)
        if expert is None:
            continue
        forward, channels = expert.forward, expert.config.out_channels

        def cached(hidden_states, *args, expert=name, forward=forward, channels=channels, **kwargs):
            compute = lambda: forward(hidden_states, *args, **kwargs)[0]
            return (cache.predict(expert, compute, hidden_states[:, :channels]),)

        expert.forward = cached


def tiny(model, guidance_2=None, boundary=None, expand=False, cls=WanPipeline, shift=5.0):
    two = boundary is not None
    return cls(
        tokenizer=make.load_tokenizer(),
        text_encoder=make.load_text_encoder(),
        vae=make.load_vae("tiny-ti2v/vae" if expand else "tiny-t2v/vae"),
        scheduler=make.unipc(shift),
        transformer=make.load_dit(f"{model}/transformer"),
        transformer_2=make.load_dit(f"{model}/transformer_2") if two else None,
        boundary_ratio=boundary,
        expand_timesteps=expand,
    )


def toy():
    root = make.HERE.parent.parent / "models/toy-t2v-A14B"
    pipe = WanPipeline.from_pretrained(root, torch_dtype=torch.float32)
    return pipe, float(pipe.scheduler.config.flow_shift)


def case(name, pipe, thresholds, model, request, shift, image=None):
    extra = {"image": Image.open(make.REFS / image).convert("RGB")} if image else {}
    runs, tensors = [], {}
    originals = {n: getattr(pipe, n).forward for n in ("transformer", "transformer_2") if getattr(pipe, n, None)}
    for threshold in thresholds:
        print(f"  {name} {threshold}")
        for part, forward in originals.items():
            getattr(pipe, part).forward = forward
        cache = EasyCache(threshold, request["num_inference_steps"])
        install(pipe, cache)
        latents, _ = make.run_pipeline(pipe, 42, **request, **extra)
        runs.append({"threshold": threshold, "skipped": cache.skipped})
        tensors[f"{name}.{threshold}"] = latents
    return {"name": name, "model": model, **request, "shift": shift, "seed": 42, "image": image, "runs": runs}, tensors


def main():
    request = {
        "prompt": make.PROMPT,
        "negative_prompt": make.NEGATIVE,
        "height": 64,
        "width": 96,
        "num_frames": 5,
        "num_inference_steps": 20,
    }
    guided = {**request, "guidance_scale": 5.0}
    two = {**request, "guidance_scale": 4.0, "guidance_scale_2": 1.0}
    pipe, shift = toy()
    small = {**request, "width": 64, "num_frames": 17, "negative_prompt": "", "guidance_scale": 1.5}
    cases = [
        case("toy", pipe, TOY, "toy-t2v-A14B", small, shift),
        case("t2v", tiny("tiny-t2v", 1.0, 0.875, shift=12.0), T2V, "tiny-t2v", two, 12.0),
        case("ti2v", tiny("tiny-ti2v", expand=True), TI2V, "tiny-ti2v", guided, 5.0),
        case(
            "ti2v_image",
            tiny("tiny-ti2v", expand=True, cls=WanImageToVideoPipeline),
            [0.5, 0.9],
            "tiny-ti2v",
            guided,
            5.0,
            "input.png",
        ),
    ]
    make.save_json("easycache", [about for about, _ in cases])
    make.save("easycache", {k: v for _, tensors in cases for k, v in tensors.items()})
    print(json.dumps([[about["name"], about["runs"]] for about, _ in cases]))


if __name__ == "__main__":
    main()
