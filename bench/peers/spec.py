"""Networks as `unet::NetSpec` describes them: names and shapes of the weights, arithmetic and bytes. Needs nothing but Python."""
import json, math, struct
from dataclasses import dataclass


@dataclass(frozen=True)
class Spec:
    outputs: int
    widths: tuple
    down: str  # "max_pool" or "strided"
    inputs: int = 4
    slope: float = 0.01

    def multiple(self):
        return 2 ** (len(self.widths) - 1)


SPECS = {
    "n32": Spec(outputs=4, widths=(32, 64, 128, 256, 512), down="max_pool"),
    "default": Spec(outputs=3, widths=(16, 32, 64, 128, 256), down="strided"),
    "nnunet": Spec(outputs=4, widths=(32, 64, 128, 256, 320, 320), down="strided"),
}


@dataclass(frozen=True)
class Conv:
    """One convolution: `kind` is conv, strided, transposed or head; shapes are `[D, H, W]`."""

    name: str
    kind: str
    inputs: int
    outputs: int
    src: tuple
    dst: tuple

    def taps(self):
        return 27 if self.kind in ("conv", "strided") else 1

    def weights(self):
        return self.inputs * self.outputs * {"conv": 27, "strided": 27, "transposed": 8, "head": 1}[self.kind]

    def flop(self):
        """2 a product, all taps, borders included."""
        return 2 * self.taps() * self.inputs * self.outputs * math.prod(self.dst)

    def values(self):
        """Numbers that are read and written at least: both tensors once."""
        return self.inputs * math.prod(self.src) + self.outputs * math.prod(self.dst)


def convolutions(spec, patch):
    """In the order in which an image passes them; heads of deep supervision, which only training has, are left out."""
    at = lambda level: tuple(n >> level for n in patch)
    found, width = [], spec.inputs
    for level, own in enumerate(spec.widths):
        strided = level > 0 and spec.down == "strided"
        found.append(Conv(f"encoder.{level}.0", "strided" if strided else "conv", width, own, at(level - strided), at(level)))
        found.append(Conv(f"encoder.{level}.1", "conv", own, own, at(level), at(level)))
        width = own
    for level in reversed(range(len(spec.widths) - 1)):
        own = spec.widths[level]
        found.append(Conv(f"decoder.{level}.up", "transposed", width, own, at(level + 1), at(level)))
        found.append(Conv(f"decoder.{level}.0", "conv", 2 * own, own, at(level), at(level)))
        found.append(Conv(f"decoder.{level}.1", "conv", own, own, at(level), at(level)))
        width = own
    return found + [Conv("head.0", "head", width, spec.outputs, at(0), at(0))]


def tensors(spec):
    """Name and shape of every tensor of a weights file, in PyTorch's order of axes."""
    for conv in convolutions(spec, (2 ** len(spec.widths),) * 3):
        i, o = conv.inputs, conv.outputs
        if conv.kind == "head":
            yield f"{conv.name}.weight", (o, i)
            yield f"{conv.name}.bias", (o,)
        elif conv.kind == "transposed":
            yield f"{conv.name}.weight", (i, o, 2, 2, 2)
            yield f"{conv.name}.bias", (o,)
        else:
            yield f"{conv.name}.weight", (o, i, 3, 3, 3)
            yield f"{conv.name}.norm.weight", (o,)
            yield f"{conv.name}.norm.bias", (o,)


def card(model):
    """What a model file says of itself, and the size of its header."""
    with open(model, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    return json.loads(header["__metadata__"]["glioscope"])


def fresh_model(name, path, like, cases, seed=1):
    """Writes a model with random weights that Glioscope can open: four classes, the card of the model `like` with another network.

    `cases` are named as those that it was trained on, so that it can be calibrated on them.

    Weights are normal with the deviation of He et al. (2015); gammas and betas differ from 1 and 0, so that a mistake in them shows.
    """
    import numpy as np
    from safetensors.numpy import save_file

    spec, draw = SPECS[name], np.random.default_rng(seed)
    weights = {}
    for tensor, shape in tensors(spec):
        values = draw.standard_normal(shape, dtype=np.float32)
        if len(shape) == 1:
            values = 0.1 * values + tensor.endswith("norm.weight")
        else:
            fan_in = shape[0] if tensor.endswith("up.weight") else math.prod(shape[1:])
            values *= math.sqrt(2 / ((1 + spec.slope**2) * fan_in))
        weights[tensor] = values.astype(np.float32)
    said = card(like)
    said["name"], said["outputs"], said["scores"] = name, ["background", "NCR", "ED", "ET"], []
    said["recipe"]["network"] |= {"outputs": "classes", "widths": list(spec.widths), "down": spec.down, "deep_supervision": [1.0]}
    said.pop("calibration", None)
    said["provenance"] |= {"steps": 0, "trained_on": list(cases), "validated_on": [], "phantoms": 0}
    save_file(weights, path, metadata={"glioscope": json.dumps(said)})
