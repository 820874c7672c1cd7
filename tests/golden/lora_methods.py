#!/usr/bin/env python3
"""Makes LoKr, LoHa, DoRA and other adapters for tiny-t2v, and what the weights they merge into compute.

    lora_methods.py        loras/methods/ and refs/lora_methods.safetensors

The adapters and the merged weights are PEFT's and LyCORIS'; the forward pass is diffusers'. Needs peft and lycoris-lora
beside requirements.txt. Seeded, one thread, as make.py. A strength between 0 and 1 goes from the plain weights to the
merged ones.
"""

import json
import shutil

import torch
from lycoris.modules.full import FullModule
from lycoris.modules.locon import LoConModule
from lycoris.modules.loha import LohaModule
from lycoris.modules.lokr import LokrModule
from make import HERE, MAX_TEXT, load_dit, randn, save
from peft import LoHaConfig, LoKrConfig, LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file

LORAS = HERE / "loras" / "methods"
STRENGTH = 0.7
LINEAR = ["to_q", "to_k", "to_v", "to_out.0", "net.0.proj", "net.2"]


def write(name, tensors, config=None):
    """A file, or a folder as PEFT makes one if there is a configuration."""
    path = LORAS / f"{name}.safetensors"
    if config is not None:
        (LORAS / name).mkdir(parents=True)
        path = LORAS / name / "adapter_model.safetensors"
        (LORAS / name / "adapter_config.json").write_text(json.dumps(config))
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.detach().clone().contiguous() for k, v in tensors.items()}, path)
    path.chmod(0o644)
    print(f"  {name}: {len(tensors)} tensors, {path.stat().st_size} bytes")


def randomise(parameters, seed):
    """Every factor at a size that makes the delta about a quarter of the weight, every magnitude near its own."""
    for i, (name, value) in enumerate(sorted(parameters, key=lambda pair: pair[0])):
        noise = randn(seed + i, *value.shape)
        with torch.no_grad():
            if "magnitude" in name or "dora_scale" in name:
                value.mul_(1 + 0.2 * noise)
            elif "alpha" in name or "scalar" in name:
                continue
            elif name in ("weight", "bias"):
                value.add_(0.1 * noise)
            else:
                value.copy_(noise * (0.5 if "hada" in name else 0.4))


def forward(merged):
    """The input of refs/dit_t2v_high through the high-noise expert with weights on the way to the merged ones."""
    model = load_dit("tiny-t2v/transformer")
    weights = dict(model.named_parameters())
    changed = 0
    with torch.no_grad():
        for name, value in merged.items():
            difference = value.reshape(weights[name].shape) - weights[name]
            changed += bool(difference.abs().max() > 0)
            weights[name].add_(STRENGTH * difference)
    text = torch.zeros(1, MAX_TEXT, 32)
    text[0, :9] = randn(101, 9, 32)
    with torch.no_grad():
        plain = load_dit("tiny-t2v/transformer")(
            randn(100, 1, 16, 3, 8, 12), torch.tensor([937.0]), text, return_dict=False
        )[0]
        sample = model(randn(100, 1, 16, 3, 8, 12), torch.tensor([937.0]), text, return_dict=False)[0]
    print(f"    {changed} parameters change the result by {(sample - plain).abs().mean():.3f} of {plain.abs().mean():.3f}")
    return sample


def with_peft(name, config, seed):
    """PEFT's adapter on the blocks' linear layers, and the weights after merging it."""
    model = get_peft_model(load_dit("tiny-t2v/transformer"), config)
    own = [(n, p) for n, p in model.named_parameters() if any(w in n for w in ("lora_", "lokr_", "hada_"))]
    randomise(own, seed)
    settings = {k: v for k, v in config.to_dict().items() if k in ("r", "alpha", "lora_alpha", "use_dora")}
    write(name, get_peft_model_state_dict(model), {"peft_type": config.peft_type, **settings})
    merged = model.merge_and_unload()
    return forward(dict(merged.named_parameters()))


def merge(module):
    """The weight and bias that a module trains. Merging a LoKr or LoHa applies its scale twice in LyCORIS 4.1, training once."""
    if not isinstance(module, (LohaModule, LokrModule)):
        weight, bias = module.get_merged_weight(multiplier=1.0)
        return weight, bias if isinstance(bias, torch.Tensor) else None
    changed = module.org_weight + module.get_weight(module.shape)
    return module.apply_weight_decompose(changed) if module.wd else changed, None


def stored(module):
    """A module's tensors as LyCORIS names them."""
    if isinstance(module, FullModule):
        # its own function expects that the module has replaced the layer
        return dict(zip(("diff", "diff_b"), module.get_diff_weight()))
    return module.custom_state_dict()


def with_lycoris(name, module_type, targets, seed, **settings):
    """LyCORIS' modules on the layers whose names end as given, and the weights that they merge."""
    model = load_dit("tiny-t2v/transformer")
    tensors, merged = {}, {}
    torch.manual_seed(seed)
    for i, (layer, original) in enumerate(model.named_modules()):
        if not any(layer.endswith(target) for target in targets) or (targets is LINEAR and "blocks" not in layer):
            continue
        module = module_type(layer, original, multiplier=1.0, **settings)
        randomise(list(module.named_parameters()), seed + 10 * i)
        weight, bias = merge(module)
        merged[f"{layer}.weight"] = weight.detach()
        if bias is not None:
            merged[f"{layer}.bias"] = bias.detach()
        prefix = f"lycoris_{layer.replace('.', '_')}"
        tensors |= {f"{prefix}.{key}": torch.as_tensor(value) for key, value in stored(module).items()}
    write(name, tensors)
    return forward(merged)


if __name__ == "__main__":
    shutil.rmtree(LORAS, ignore_errors=True)
    patch = ["patch_embedding"]
    with_dora = {"lora_dim": 2, "alpha": 2, "weight_decompose": True}
    samples = {
        "peft_dora": with_peft("peft_dora", LoraConfig(r=2, lora_alpha=3, use_dora=True, target_modules=LINEAR), 5000),
        "peft_loha": with_peft("peft_loha", LoHaConfig(r=2, alpha=3, target_modules=LINEAR), 5200),
        "peft_lokr": with_peft("peft_lokr", LoKrConfig(r=2, alpha=3, target_modules=LINEAR), 5400),
        "lokr": with_lycoris("lokr", LokrModule, LINEAR, 5600, lora_dim=2, alpha=1, factor=4),
        "lokr_both": with_lycoris(
            "lokr_both", LokrModule, LINEAR, 5800, lora_dim=1, alpha=1, factor=8, decompose_both=True
        ),
        "lokr_full": with_lycoris("lokr_full", LokrModule, LINEAR, 6000, lora_dim=4, factor=4, full_matrix=True),
        "loha": with_lycoris("loha", LohaModule, LINEAR, 6200, lora_dim=3, alpha=2),
        "loha_of_high_rank": with_lycoris("loha_of_high_rank", LohaModule, LINEAR, 6400, lora_dim=8, alpha=2),
        "dora": with_lycoris("dora", LoConModule, LINEAR, 6600, wd_on_out=True, **with_dora),
        "dora_by_input": with_lycoris("dora_by_input", LoConModule, LINEAR, 6800, wd_on_out=False, **with_dora),
        "dora_lokr": with_lycoris("dora_lokr", LokrModule, LINEAR, 7000, factor=4, wd_on_out=True, **with_dora),
        "full": with_lycoris("full", FullModule, LINEAR[:2], 7200),
        "patch_loha": with_lycoris("patch_loha", LohaModule, patch, 7400, lora_dim=4, alpha=2, use_tucker=True),
        "patch_lokr": with_lycoris(
            "patch_lokr", LokrModule, patch, 7600, lora_dim=2, alpha=1, factor=4, use_tucker=True
        ),
        "patch_tucker": with_lycoris("patch_tucker", LoConModule, patch, 8000, lora_dim=4, alpha=2, use_tucker=True),
        "patch_dora": with_lycoris("patch_dora", LoConModule, patch, 8200, wd_on_out=True, **with_dora),
        "patch_dora_by_input": with_lycoris(
            "patch_dora_by_input", LoConModule, patch, 8400, wd_on_out=False, **with_dora
        ),
    }
    save("lora_methods", samples)
