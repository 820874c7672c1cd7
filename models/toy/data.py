"""Moving shapes: the clips, their captions and the held-out list.

A clip is 17 frames of 64 x 64 pixels in which one coloured shape moves in one direction over a plain background.
Colour, shape, direction and background give 6 * 3 * 4 * 4 = 288 combinations; a tenth of them is never shown to
the text-conditioned training (`held_out`).
"""

import itertools
import math
import random

import torch

COLOURS = {
    "red": (0.9, 0.1, 0.1),
    "green": (0.1, 0.75, 0.2),
    "blue": (0.15, 0.25, 0.95),
    "yellow": (0.95, 0.9, 0.1),
    "purple": (0.6, 0.15, 0.8),
    "orange": (1.0, 0.55, 0.05),
}
BACKGROUNDS = {
    "black": (0.03, 0.03, 0.03),
    "white": (0.97, 0.97, 0.97),
    "gray": (0.5, 0.5, 0.5),
    "navy": (0.05, 0.08, 0.3),
}
SHAPES = ["circle", "square", "triangle"]
DIRECTIONS = {"right": (1, 0), "left": (-1, 0), "up": (0, -1), "down": (0, 1)}
SIZE, FRAMES = 64, 17

COMBINATIONS = list(
    itertools.product(range(len(COLOURS)), range(len(SHAPES)), range(len(DIRECTIONS)), range(len(BACKGROUNDS)))
)


def held_out():
    """The fixed tenth of the combinations that is kept for the test."""
    return sorted(random.Random(2026).sample(COMBINATIONS, len(COMBINATIONS) // 10 + 1))


def training_combinations():
    out = set(held_out())
    return [c for c in COMBINATIONS if c not in out]


def sdf(shape, x, y, r):
    """Signed distance (negative inside) from the outline of a shape of radius r centred on the origin."""
    if shape == 0:
        return (x * x + y * y).sqrt() - r
    if shape == 1:
        return torch.maximum(x.abs(), y.abs()) - r * 0.88
    k = math.sqrt(3.0)
    return torch.maximum(
        torch.maximum(y - r * 0.7, (k * x - y - r * 1.1) / 2), (-k * x - y - r * 1.1) / 2
    )


def clip(rng, combination=None):
    """One clip, (3, 17, 64, 64) in -1..1, and its combination (colour, shape, direction, background)."""
    combination = combination or rng.choice(COMBINATIONS)
    colour, shape, direction, background = combination
    dx, dy = list(DIRECTIONS.values())[direction]
    r = rng.uniform(0.15, 0.22) * SIZE
    travel = rng.uniform(0.35, 0.55) * SIZE

    def start(step):
        if step == 0:
            return rng.uniform(r + 1, SIZE - r - 1)
        low, high = r * 0.6, SIZE - r * 0.6
        return rng.uniform(low, high - travel) if step > 0 else rng.uniform(low + travel, high)

    cx, cy = start(dx), start(dy)
    t = torch.arange(FRAMES, dtype=torch.float32) / (FRAMES - 1)
    grid = torch.arange(SIZE, dtype=torch.float32) + 0.5
    px = (cx + dx * travel * t)[:, None, None]
    py = (cy + dy * travel * t)[:, None, None]
    inside = (0.5 - sdf(shape, grid[None, None, :] - px, grid[None, :, None] - py, r)).clamp(0, 1)[None]
    front = torch.tensor(list(COLOURS.values())[colour]).view(3, 1, 1, 1)
    back = torch.tensor(list(BACKGROUNDS.values())[background]).view(3, 1, 1, 1)
    return (inside * front + (1 - inside) * back) * 2 - 1, combination


SHAPE_WORDS = [["circle", "circle", "circle", "ball", "disc"], ["square", "square", "square", "box"], ["triangle"]]
DIRECTION_WORDS = {
    "right": ["right", "to the right", "rightwards"],
    "left": ["left", "to the left", "leftwards"],
    "up": ["up", "up", "upwards", "to the top"],
    "down": ["down", "down", "downwards", "to the bottom"],
}
VERBS = ["moves", "moves", "moves", "is moving", "moving", "goes", "is going", "going"]
BACKGROUND_WORDS = {"gray": ["gray", "gray", "grey"]}


def plain_caption(combination):
    colour, shape, direction, background = combination
    return "a {} {} moves {} on a {} background".format(
        list(COLOURS)[colour], SHAPES[shape], list(DIRECTIONS)[direction], list(BACKGROUNDS)[background]
    )


def caption(rng, combination, plain=0.4, free=1 / 12):
    """A caption of a combination: the plain one with probability `plain`, else a paraphrase, of which the share
    `free` leaves out the background (any may then be drawn)."""
    if rng.random() < plain:
        return plain_caption(combination)
    colour, shape, direction, background = combination
    thing = list(COLOURS)[colour] + " " + rng.choice(SHAPE_WORDS[shape])
    move = rng.choice(VERBS)
    way = rng.choice(DIRECTION_WORDS[list(DIRECTIONS)[direction]])
    name = list(BACKGROUNDS)[background]
    name = rng.choice(BACKGROUND_WORDS.get(name, [name]))
    article = rng.choice(["a ", "a ", "a ", "the ", "an " if thing[0] == "o" else "a ", ""])
    where = rng.choice(["on a {} background", "on a {} background", "on {}", "on {} background", "on the {} background"])
    where = where.format(name)
    order = rng.random()
    if order < free:
        text = f"{article}{thing} {move} {way}"
    elif order < 0.6:
        text = f"{article}{thing} {move} {way} {where}"
    elif order < 0.75:
        text = f"{article}{thing}, {move} {way}, {where}"
    elif order < 0.9:
        text = f"{where}, {article}{thing} {move} {way}"
    else:
        text = f"{article}{thing} {where}, {move} {way}"
    if rng.random() < 0.2:
        text += "."
    return text


def short_caption(rng, combination):
    """The prompt beside an image that shows the rest: the motion, perhaps with what moves."""
    _, shape, direction, _ = combination
    way = rng.choice(DIRECTION_WORDS[list(DIRECTIONS)[direction]])
    move = rng.choice(VERBS)
    thing = rng.choice(["", "", "it ", "the shape ", "the " + rng.choice(SHAPE_WORDS[shape]) + " "])
    return f"{thing}{move} {way}"
