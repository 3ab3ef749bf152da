"""Golden values of losses and optimisers: PyTorch's answers to small questions.

Writes crates/unet/tests/golden/{optim,losses}.json.
Run from the repository root: python golden/optim.py (needs torch; made with 2.15.0, CPU).
Optimisers run in float32, for their exact arithmetic; losses in float64 on float32 logits, so that what differs from
them is our rounding alone.
"""

import json
import pathlib

import torch
import torch.nn.functional as F

OUT = pathlib.Path(__file__).resolve().parent.parent / "crates/unet/tests/golden"
torch.manual_seed(20240917)


def numbers(tensor, digits):
    return [float(f"{x:.{digits}g}") for x in tensor.detach().double().flatten().tolist()]


def write(name, content):
    OUT.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"made_by": f"golden/optim.py, torch {torch.__version__}", **content})
    (OUT / name).write_text(text.replace('{"spec"', '\n{"spec"') + "\n")


# Ten steps of each optimiser.
DECAY = [[0, 7], [9, 13]]
LR = [1e-2 * (1 - step / 12) for step in range(10)]
SPECS = [
    {"kind": "adam", "lr": 1e-2, "beta1": 0.9, "beta2": 0.999, "eps": 1e-7},
    {"kind": "adam", "lr": 1e-2, "beta1": 0.8, "beta2": 0.95, "eps": 1e-3},
    {"kind": "adam_w", "lr": 1e-2, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.1},
    {"kind": "sgd", "lr": 1e-2, "momentum": 0.99, "nesterov": True, "weight_decay": 3e-2},
    {"kind": "sgd", "lr": 1e-2, "momentum": 0.9, "nesterov": False, "weight_decay": 3e-2},
    {"kind": "sgd", "lr": 1e-2, "momentum": 0.0, "nesterov": False, "weight_decay": 0.0},
]


def optimiser(spec, groups):
    spec = dict(spec)
    kind = spec.pop("kind")
    if kind == "sgd":
        return torch.optim.SGD(groups, foreach=False, **spec)
    spec["betas"] = (spec.pop("beta1"), spec.pop("beta2"))
    make = {"adam": torch.optim.Adam, "adam_w": torch.optim.AdamW}[kind]
    return make(groups, foreach=False, **spec)


def optim_goldens():
    n = 16
    start = torch.randn(n).mul(1000).round().div(1000)
    # Gradients of very different sizes, one that is always zero and one that starts late.
    grads = torch.randn(10, n).mul(1000).round().div(1000) * torch.logspace(-5, 2, n)
    grads = torch.tensor([numbers(row, 9) for row in grads], dtype=torch.float32)
    grads[:, 3] = 0
    grads[:5, 11] = 0
    runs = []
    for spec in SPECS:
        pieces = {i: torch.nn.Parameter(start[i : i + 1].clone()) for i in range(n)}
        decays = [i for i in range(n) if any(a <= i < b for a, b in DECAY)]
        rest = [i for i in range(n) if i not in decays]
        groups = [{"params": [pieces[i] for i in decays]}, {"params": [pieces[i] for i in rest]}]
        if "weight_decay" in spec:
            groups[1]["weight_decay"] = 0.0
        optim = optimiser(spec, groups)
        steps = []
        for lr, grad in zip(LR, grads):
            for group in optim.param_groups:
                group["lr"] = lr
            for i, piece in pieces.items():
                piece.grad = grad[i : i + 1].clone()
            optim.step()
            steps.append(numbers(torch.cat(list(pieces.values())), 9))
        runs.append({"spec": spec, "params": steps})
    clips = []
    for limit in (1.0, 1e4):
        piece = torch.nn.Parameter(start.clone())
        piece.grad = grads[0].clone()
        norm = torch.nn.utils.clip_grad_norm_([piece], limit)
        clips.append({"max_norm": limit, "norm": float(norm), "grads": numbers(piece.grad, 9)})
    write(
        "optim.json",
        {
            "start": numbers(start, 9),
            "grads": [numbers(row, 9) for row in grads],
            "lr": LR,
            "decay": DECAY,
            "runs": runs,
            "clips": clips,
        },
    )


def soft_dice_loss(spec, p, t, first):
    """p, t: [N, R, V] in float64."""
    over = (0, 2) if spec["dice_over"] == "batch" else (2,)
    s = spec["smooth"]
    dice = (2 * (p * t).sum(over) + s) / (p.sum(over) + t.sum(over) + s)
    return 1 - dice[..., first:].mean()


def case(kind, spec, shape, logits, targets):
    n, r, v = shape
    x = logits.double().requires_grad_()
    if kind == "regions":
        t = targets.double()
        entropy = F.binary_cross_entropy_with_logits(x, t)
        dice = soft_dice_loss(spec, x.sigmoid(), t, 0)
    else:
        t = F.one_hot(targets, r).movedim(-1, 1).double()
        entropy = F.cross_entropy(x, targets)
        dice = soft_dice_loss(spec, x.softmax(1), t, 1 if spec["dice_classes"] == "foreground" else 0)
    total = spec["dice"] * dice + spec["cross_entropy"] * entropy
    total.backward()
    return {
        "spec": spec,
        "kind": kind,
        "shape": shape,
        "logits": numbers(logits, 9),
        "targets": targets.flatten().tolist(),
        "total": total.item(),
        "dice": dice.item(),
        "cross_entropy": entropy.item(),
        "d_logits": numbers(x.grad, 10),
    }


def loss_goldens():
    v = 3 * 4 * 5
    cases = []
    for dice_over, dice_classes, smooth, dice, entropy in [
        ("sample", "all", 1.0, 1.0, 1.0),  # the report's sum
        ("batch", "all", 1e-5, 1.0, 1.0),  # nnU-Net's
        ("sample", "foreground", 1e-5, 0.5, 2.0),
        ("batch", "foreground", 0.0, 1.0, 0.0),
        ("sample", "all", 0.0, 0.0, 1.0),
    ]:
        spec = {
            "dice": dice,
            "cross_entropy": entropy,
            "dice_over": dice_over,
            "dice_classes": dice_classes,
            "smooth": smooth,
        }
        for kind, r in (("regions", 3), ("classes", 4)):
            shape = [2, r, v]
            logits = torch.randn(shape).mul(4000).round().div(1000)
            if kind == "regions":
                targets = (torch.rand(shape) < 0.3).long()
                targets[1, 2] = 0  # a region that one sample lacks
            else:
                targets = torch.randint(0, r, (2, v))
                targets[1][targets[1] == 3] = 0
            cases.append(case(kind, spec, shape, logits, targets))
    coarse = []
    for shape, strides in (((4, 6, 10), (2, 2, 2)), ((4, 6, 9), (1, 2, 3)), ((8, 4, 4), (4, 4, 2))):
        fine = torch.randint(0, 4, shape)
        size = [n // s for n, s in zip(shape, strides)]
        small = F.interpolate(fine[None, None].float(), size=size, mode="nearest-exact")
        coarse.append(
            {
                "shape": shape,
                "strides": strides,
                "fine": fine.flatten().tolist(),
                "coarse": small.long().flatten().tolist(),
            }
        )
    write("losses.json", {"cases": cases, "coarse": coarse})


optim_goldens()
loss_goldens()
