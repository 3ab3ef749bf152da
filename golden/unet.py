"""Golden values of whole networks: logits, every gradient, and ten steps of training, by PyTorch in float64.

Writes crates/unet/tests/golden/net_*.json.
Run from the repository root: python golden/unet.py (needs torch; made with 2.15.0, CPU).
Weights, images and the gradients of logits come from an integer hash that crates/unet/tests repeats, rounded to float32,
so that only results are stored; and float64 here leaves what differs to our rounding alone.

A value within rounding of a kink (an activation at 0, a tie in a pool) would go one way here and the other there. So
each network takes, of `SALTS` hashes, the one whose nearest such value is farthest, and says how far: `margin`, in
standard deviations of the values that the kink sees.
"""

import json
import math
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

OUT = pathlib.Path(__file__).resolve().parent.parent / "crates/unet/tests/golden"
SALTS = 24
SAMPLES = 64
IMAGE, D_LOGITS, TARGETS, PICKS, SIGNS = 0, 1000, 2000, 3000, 4000  # tags; parameter k has the tag k + 1


def mix(salt, tag, n):
    """n 32-bit numbers."""
    i = np.arange(n, dtype=np.uint64)
    h = (i * 0x9E3779B1 + tag * 0x85EBCA77 + salt * 0xC2B2AE3D) & 0xFFFFFFFF
    h = ((h ^ (h >> 16)) * 0x7FEB352D) & 0xFFFFFFFF
    h = ((h ^ (h >> 15)) * 0x846CA68B) & 0xFFFFFFFF
    return h ^ (h >> 16)


def unit(salt, tag, shape):
    """Numbers in -1..1, exact in float32."""
    values = (mix(salt, tag, math.prod(shape)) >> 8) / 2.0**23 - 1
    return torch.from_numpy(values).reshape(shape)


def f32(tensor):
    return tensor.float().double()


class Unet:
    """The network over a list of named parameters; made in the order in which they are first asked for."""

    def __init__(self, spec, salt):
        self.spec, self.salt = spec, salt
        self.params = {}
        self.margin = math.inf

    def param(self, name, shape):
        if name not in self.params:
            u = unit(self.salt, len(self.params) + 1, shape)
            if len(shape) == 1:
                value = (1.0 if name.endswith("norm.weight") else 0.0) + 0.25 * u
            else:
                transposed = name.endswith("up.weight") and shape[2] == 2
                fan_in = shape[0] if transposed else math.prod(shape[1:])
                value = u * math.sqrt(6.0 / fan_in)
            self.params[name] = f32(value).requires_grad_()
        return self.params[name]

    def near(self, distances, values):
        if distances.numel():
            self.margin = min(self.margin, float(distances.min() / values.std()))

    def conv(self, name, x, width, stride=1):
        weight = self.param(f"{name}.weight", [width, x.shape[1], 3, 3, 3])
        if self.spec["norm"] == "none":
            x = F.conv3d(x, weight, self.param(f"{name}.bias", [width]), stride=stride, padding=1)
        else:
            x = F.conv3d(x, weight, stride=stride, padding=1)
            gamma, beta = self.param(f"{name}.norm.weight", [width]), self.param(f"{name}.norm.bias", [width])
            x = F.instance_norm(x, weight=gamma, bias=beta, eps=1e-5)
        self.near(x.detach().abs(), x.detach())
        return F.leaky_relu(x, self.spec["negative_slope"])

    def pool(self, x):
        cells = x.detach().unfold(2, 2, 2).unfold(3, 2, 2).unfold(4, 2, 2).flatten(-3).sort(-1).values
        gaps = cells[..., -1:] - cells[..., :-1]
        # A tie at 0 is one after a ReLU: no gradient goes on from there, whoever takes it.
        self.near(gaps[(gaps > 0) & (cells[..., -1:] > 0)], x.detach())
        return F.max_pool3d(x, 2)

    def up(self, name, x, width):
        if self.spec["up"] == "nearest":
            return self.conv(name, F.interpolate(x, scale_factor=2, mode="nearest"), width)
        weight = self.param(f"{name}.weight", [x.shape[1], width, 2, 2, 2])
        return F.conv_transpose3d(x, weight, self.param(f"{name}.bias", [width]), stride=2)

    def head(self, level, x):
        outputs = self.spec["outputs"]
        weight = self.param(f"head.{level}.weight", [outputs, x.shape[1]])
        return F.conv3d(x, weight[:, :, None, None, None], self.param(f"head.{level}.bias", [outputs]))

    def forward(self, image):
        """Logits by level."""
        spec, skips, heads, x = self.spec, [], {}, image
        for level, width in enumerate(spec["widths"]):
            stride = 1
            if level > 0:
                skips.append(x)
                if spec["down"] == "max_pool":
                    x = self.pool(x)
                else:
                    stride = 2
            x = self.conv(f"encoder.{level}.0", x, width, stride)
            x = self.conv(f"encoder.{level}.1", x, width)
        for level in reversed(range(len(skips))):
            width = spec["widths"][level]
            x = torch.cat([self.up(f"decoder.{level}.up", x, width), skips[level]], 1)
            x = self.conv(f"decoder.{level}.0", x, width)
            x = self.conv(f"decoder.{level}.1", x, width)
            if level == 0 or level <= spec["deep_supervision"]:
                heads[level] = self.head(level, x)
        return heads if skips else {0: self.head(0, x)}


def summary(tensor):
    """Norm, dot product with hashed numbers (it tells permutations apart), and samples at hashed places."""
    flat = tensor.detach().flatten()
    n = flat.numel()
    places = np.arange(n) if n <= SAMPLES else (mix(0, PICKS, SAMPLES) % n).astype(np.int64)
    return {
        "len": n,
        "norm": digits(flat.norm().item()),
        "dot": digits((flat * unit(0, SIGNS, [n])).sum().item()),
        "samples": [digits(v) for v in flat[torch.from_numpy(places)].tolist()],
    }


def digits(x):
    return float(f"{x:.9g}")


def image_of(spec, shape, salt):
    return 2 * unit(salt, IMAGE, [1, spec["inputs"], *shape])


def run(spec, shape, salt):
    net = Unet(spec, salt)
    heads = net.forward(image_of(spec, shape, salt))
    total = sum((x * unit(salt, D_LOGITS + level, x.shape)).sum() for level, x in heads.items())
    total.backward()
    return net, heads


def golden(name, spec, shape):
    nets = {salt: run(spec, shape, salt) for salt in range(1, SALTS + 1)}
    salt = max(nets, key=lambda salt: nets[salt][0].margin)
    net, heads = nets[salt]
    print(f"{name}: salt {salt}, margin {net.margin:.2e}, {sum(p.numel() for p in net.params.values())} weights")
    content = {
        "spec": spec,
        "shape": shape,
        "salt": salt,
        "margin": digits(net.margin),
        "heads": [{"level": level, **summary(x)} for level, x in heads.items()],
        "grads": [{"name": name, "shape": list(p.shape), **summary(p.grad)} for name, p in net.params.items()],
    }
    write(f"net_{name}.json", content)


def loss_of(x, targets):
    """Dice (smooth 1e-5, each sample) plus binary cross-entropy, means over regions and voxels."""
    p, t = x.sigmoid().flatten(2), targets.flatten(2)
    dice = (2 * (p * t).sum(2) + 1e-5) / (p.sum(2) + t.sum(2) + 1e-5)
    return 1 - dice.mean() + F.binary_cross_entropy_with_logits(x, targets)


def ten_steps(spec, shape):
    """AdamW with decay on what has more than one axis; heads weigh 1, 1/2, ... of their sum."""
    salt = 1
    net = Unet(spec, salt)
    targets = (unit(salt, TARGETS, [1, spec["outputs"], *shape]) > 0.5).double()
    net.forward(image_of(spec, shape, salt))
    start = {name: p.detach().clone() for name, p in net.params.items()}
    groups = [
        {"params": [p for p in net.params.values() if p.dim() > 1], "weight_decay": 0.05},
        {"params": [p for p in net.params.values() if p.dim() == 1], "weight_decay": 0.0},
    ]
    optim = torch.optim.AdamW(groups, lr=3e-3, betas=(0.9, 0.999), eps=1e-5, foreach=False)
    losses = []
    for _ in range(10):
        optim.zero_grad()
        heads = net.forward(image_of(spec, shape, salt))
        total = sum(2.0**-level for level in heads)
        loss = 0
        for level, x in heads.items():
            small = F.interpolate(targets, size=x.shape[2:], mode="nearest-exact")
            loss = loss + 2.0**-level / total * loss_of(x, small)
        losses.append(digits(loss.item()))
        loss.backward()
        optim.step()
    content = {
        "spec": spec,
        "shape": shape,
        "salt": salt,
        "losses": losses,
        "params": [
            {"name": name, "travelled": digits((p.detach() - start[name]).norm().item()), **summary(p)}
            for name, p in net.params.items()
        ],
    }
    print(f"ten steps: loss {losses[0]:.4f} to {losses[-1]:.4f}")
    write("net_ten_steps.json", content)


def write(name, content):
    OUT.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"made_by": f"golden/unet.py, torch {torch.__version__}", **content})
    (OUT / name).write_text(text.replace('{"name"', '\n{"name"').replace('{"level"', '\n{"level"') + "\n")


def spec(widths, **rest):
    return {
        "inputs": 4,
        "outputs": 3,
        "widths": widths,
        "norm": "instance",
        "negative_slope": 0.01,
        "down": "strided",
        "up": "transposed",
        "dropout": 0.0,
        "deep_supervision": 0,
        **rest,
    }


REPORT = {"outputs": 4, "norm": "none", "negative_slope": 0.0, "down": "max_pool", "up": "nearest"}
golden("report", spec([8, 16, 32], **REPORT), [16, 8, 24])
golden("field", spec([5, 17, 20, 33], deep_supervision=2), [16, 8, 24])
golden("pooled", spec([16, 24, 40], outputs=4, down="max_pool"), [12, 20, 16])
golden("wide", spec([32, 64], inputs=1, outputs=1, negative_slope=0.0), [6, 14, 34])
golden("deep", spec([3, 6, 7, 8, 9], inputs=8, outputs=8, up="nearest", negative_slope=0.9, deep_supervision=3), [32, 48, 32])
golden("flat", spec([7], inputs=2, outputs=2), [3, 5, 1])
ten_steps(spec([6, 16, 20], inputs=2, deep_supervision=1), [12, 16, 8])
