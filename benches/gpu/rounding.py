"""How far bf16 is from fp32 in blocks of Wan's transformer with random weights, by what is rounded.

No GPU is needed: each result is rounded to bf16 on the CPU, as CUDA rounds it. The columns are attentions from flat to sharp:
the scale of the norms of queries and keys, whose product decides how much the largest logits stand out. The last row is
what diffusers rounds: the residual stream, after each sum.
"""

import math

import torch
from torch.nn.functional import gelu, layer_norm, scaled_dot_product_attention

WIDTH, HEADS, BLOCKS, TOKENS, TEXT, INNER = 1024, 8, 6, 1200, 64, 2816
HEAD = WIDTH // HEADS
EPS = 1e-6
SHARPNESS = [1.0, 1.6, 2.5]


def bf16(x):
    return x.bfloat16().float()


def exact(x):
    return x


def matrix(outputs, inputs):
    return bf16(torch.randn(outputs, inputs) / math.sqrt(inputs)), bf16(torch.randn(outputs) * 0.1)


def random_block():
    weights = {name: matrix(WIDTH, WIDTH) for name in ["q", "k", "v", "out", "text_q", "text_k", "text_v", "text_out"]}
    weights |= {"up": matrix(INNER, WIDTH), "down": matrix(WIDTH, INNER)}
    weights |= {f"norm_{name}": bf16(1 + 0.3 * torch.randn(WIDTH)) for name in ["q", "k", "text_q", "text_k"]}
    weights["table"] = torch.randn(6, WIDTH) * 0.3
    weights["norm"] = bf16(1 + 0.1 * torch.randn(WIDTH)), bf16(0.1 * torch.randn(WIDTH))
    return weights


class Inputs:
    def __init__(self):
        self.blocks = [random_block() for _ in range(BLOCKS)]
        self.tokens, self.text = torch.randn(TOKENS, WIDTH), torch.randn(TEXT, WIDTH)
        self.timestep = torch.randn(6, WIDTH) * 0.5
        frequencies = 10000.0 ** -(torch.arange(0, HEAD, 2) / HEAD)
        angles = torch.arange(TOKENS)[:, None, None] * frequencies.repeat_interleave(2)
        self.cos, self.sin = angles.cos(), angles.sin()


def turned(x):
    return torch.stack([-x[..., 1::2], x[..., 0::2]], -1).flatten(-2)


def attention(q, k, v):
    q, k, v = (x.view(1, -1, HEADS, HEAD).transpose(1, 2) for x in (q, k, v))
    return scaled_dot_product_attention(q, k, v)[0].transpose(0, 1).reshape(-1, WIDTH)


def network(inputs, sharpness, half, rotary=exact, gates=exact, stream=exact):
    """The blocks, with results rounded by `half`; `rotary` and `gates` round what is rounded there beyond them."""

    def normed(x, weights, name):
        y = half(x @ weights[name][0].T) + weights[name][1]
        scale = sharpness * weights[f"norm_{name}"]
        return half(y * torch.rsqrt((y * y).mean(-1, keepdim=True) + EPS) * scale)

    def rotated(x):
        x = x.view(TOKENS, HEADS, HEAD)
        cos, sin = (rotary(x * rotary(table)) for table in (inputs.cos, inputs.sin))
        return half(cos + turned(sin)).reshape(TOKENS, WIDTH)

    def added(x, y, pair, gate=None):
        weight, bias = pair
        if gate is None:
            return stream(x + half(y @ weight.T) + bias)
        if gates is exact:
            return stream(x + (half(y @ weight.T) + bias) * gate)
        return stream(x + half(y @ gates(weight * gates(gate)[:, None]).T) + bias * gate)

    x = inputs.tokens
    for weights in inputs.blocks:
        shift, scale, gate, ffn_shift, ffn_scale, ffn_gate = weights["table"] + inputs.timestep
        h = half(layer_norm(x, (WIDTH,), eps=EPS) * (1 + scale) + shift)
        q, k = (rotated(normed(h, weights, name)) for name in "qk")
        v = half(half(h @ weights["v"][0].T) + weights["v"][1])
        x = added(x, half(attention(q, k, v)), weights["out"], gate)
        h = half(layer_norm(x, (WIDTH,), *weights["norm"], eps=EPS))
        q, k = normed(h, weights, "text_q"), normed(inputs.text, weights, "text_k")
        v = half(inputs.text @ weights["text_v"][0].T + weights["text_v"][1])
        x = added(x, half(attention(q, k, v)), weights["text_out"])
        h = half(layer_norm(x, (WIDTH,), eps=EPS) * (1 + ffn_scale) + ffn_shift)
        h = half(gelu(half(h @ weights["up"][0].T) + weights["up"][1], approximate="tanh"))
        x = added(x, h, weights["down"], ffn_gate)
    return layer_norm(x, (WIDTH,), eps=EPS)


@torch.no_grad()
def main():
    torch.manual_seed(0)
    inputs = Inputs()
    rows = {
        "rotary and gates in fp32": {},
        "rotary in bf16": {"rotary": bf16},
        "rotary and gates in bf16": {"rotary": bf16, "gates": bf16},
        "residual stream in bf16": {"stream": bf16},
    }
    references = [network(inputs, sharpness, exact) for sharpness in SHARPNESS]
    print(f"{'relative L2 distance from fp32':<32}" + "".join(f"{sharpness:>12}" for sharpness in SHARPNESS))
    for name, rounded in rows.items():
        found = [network(inputs, sharpness, bf16, **rounded) for sharpness in SHARPNESS]
        distances = [float((y - x).norm() / x.norm()) for x, y in zip(references, found, strict=True)]
        print(f"{name:<32}" + "".join(f"{distance:12.2e}" for distance in distances))


if __name__ == "__main__":
    main()
