"""The same networks in PyTorch, with the weights of a model file of ours."""
import torch
from safetensors.torch import load_file
from torch import nn

from spec import SPECS, convolutions


def half(conv, slope):
    stride = 2 if conv.kind == "strided" else 1
    return nn.Sequential(
        nn.Conv3d(conv.inputs, conv.outputs, 3, stride=stride, padding=1, bias=False),
        nn.InstanceNorm3d(conv.outputs, affine=True, eps=1e-5),
        nn.LeakyReLU(slope, inplace=True),
    )


class Unet(nn.Module):
    def __init__(self, name):
        super().__init__()
        self.spec = spec = SPECS[name]
        self.layers = nn.ModuleDict()
        for conv in convolutions(spec, (2 ** len(spec.widths),) * 3):
            if conv.kind == "head":
                layer = nn.Conv3d(conv.inputs, conv.outputs, 1)
            elif conv.kind == "transposed":
                layer = nn.ConvTranspose3d(conv.inputs, conv.outputs, 2, stride=2)
            else:
                layer = half(conv, spec.slope)
            self.layers[conv.name.replace(".", "_")] = layer

    def forward(self, x):
        skips = []
        last = len(self.spec.widths) - 1
        for level in range(last + 1):
            if level and self.spec.down == "max_pool":
                x = nn.functional.max_pool3d(x, 2)
            x = self.layers[f"encoder_{level}_1"](self.layers[f"encoder_{level}_0"](x))
            skips.append(x)
        for level in reversed(range(last)):
            x = torch.cat([self.layers[f"decoder_{level}_up"](x), skips[level]], 1)
            x = self.layers[f"decoder_{level}_1"](self.layers[f"decoder_{level}_0"](x))
        return self.layers["head_0"](x)


def load(name, model):
    """The network with the weights of a model file; every tensor of the network must be there."""
    net, stored = Unet(name), load_file(model)
    state = {}
    for key in net.state_dict():
        layer, *part = key.removeprefix("layers.").split(".")
        ours = layer.replace("_", ".")
        ours += {"0.weight": ".weight", "1.weight": ".norm.weight", "1.bias": ".norm.bias"}.get(".".join(part), "." + part[-1])
        state[key] = stored[ours].reshape(net.state_dict()[key].shape)
    net.load_state_dict(state)
    return net.eval()
