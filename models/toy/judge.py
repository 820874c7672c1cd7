"""Judges a clip by its pixels alone: which background, colour, shape and direction does it show?"""

import torch

from data import BACKGROUNDS, COLOURS, DIRECTIONS, FRAMES, SHAPES, SIZE, sdf

LOOKED_AT = range(2, FRAMES, 3)


def nearest(colour, table):
    return (torch.tensor(list(table.values())) - colour).norm(dim=1).argmin().item()


def overlaps(cover, shape, xs, ys, radii):
    """Soft intersection over union of a mask with a shape at all the given centres and radii."""
    cx, cy, r = (a.reshape(-1, 1, 1) for a in torch.meshgrid(xs, ys, radii, indexing="ij"))
    grid = torch.arange(SIZE, dtype=torch.float32) + 0.5
    drawn = (0.5 - sdf(shape, grid[None, None, :] - cx, grid[None, :, None] - cy, r)).clamp(0, 1)
    iou = torch.minimum(drawn, cover).sum((1, 2)) / torch.maximum(drawn, cover).sum((1, 2))
    best = iou.argmax()
    return iou[best].item(), cx[best].item(), cy[best].item(), r[best].item()


def fit(cover, shape):
    """The best overlap of a mask with a shape, found from coarse to fine."""
    grid = torch.arange(SIZE, dtype=torch.float32) + 0.5
    mass = cover.sum().clamp(min=1)
    x, y = (cover.sum(0) * grid).sum().item() / mass, (cover.sum(1) * grid).sum().item() / mass
    r, reach, spread, best = 11.5, 6.0, 5.0, 0.0
    for _ in range(3):
        steps = torch.linspace(-1, 1, 7)
        best, x, y, r = overlaps(cover, shape, x + reach * steps, y + reach * steps, (r + spread * steps).clamp(min=3))
        reach, spread = reach / 3, spread / 3
    return best


def judge(clip):
    """What a clip, (3, 17, 64, 64) in 0..1, shows: indices of colour, shape, direction, background, and how well
    the best shape fits. None stands for what cannot be determined."""
    border = torch.cat([clip[:, :, 0], clip[:, :, -1], clip[:, :, :, 0], clip[:, :, :, -1]], -1)
    ground = border.flatten(1).median(1)[0]
    background = nearest(ground, BACKGROUNDS)
    apart = (clip - ground.view(3, 1, 1, 1)).norm(dim=0)
    inside = apart > 0.35
    if inside.flatten(1).sum(1).min() < 20:
        return (None, None, None, background), 0.0
    core = apart > 0.8 * apart[inside].median()
    ink = clip[:, core].median(1)[0]
    colour = nearest(ink, COLOURS)
    way = (ink - ground).view(3, 1, 1, 1)
    cover = (((clip - ground.view(3, 1, 1, 1)) * way).sum(0) / (way * way).sum()).clamp(0, 1)
    cover[apart < 0.1] = 0

    grid = torch.arange(SIZE, dtype=torch.float32) + 0.5
    mass = cover.sum((1, 2))
    x, y = (cover.sum(1) * grid).sum(1) / mass, (cover.sum(2) * grid).sum(1) / mass
    dx, dy = (x[-2] - x[1]).item(), (y[-2] - y[1]).item()
    steps = [dx * vx + dy * vy for vx, vy in DIRECTIONS.values()]
    direction = max(range(4), key=steps.__getitem__)
    if steps[direction] < 8 or steps[direction] < 2 * min(abs(dx), abs(dy)):
        direction = None

    fits = torch.tensor([[fit(cover[f], s) for s in range(len(SHAPES))] for f in LOOKED_AT]).mean(0)
    return (colour, fits.argmax().item(), direction, background), fits.max().item()
