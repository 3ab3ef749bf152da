"""One engine in a process of its own, so that its memory is its own: reads commands from stdin, answers each with a line of JSON.

    python3 bench/peers/engines.py SETTINGS     (JSON; started by bench/peers/__main__.py)

Commands: `run` times one run on the fixed input; `logits FROM TO` computes those of an image in a .npy file, which
stays the input; `end`.
"""
import json, os, re, sys, time, warnings

import numpy as np

from spec import SPECS

warnings.filterwarnings("ignore")


def set_torch(settings):
    import torch

    torch.set_num_threads(settings["threads"])
    if settings["isa"] == "avx2":
        import torch._inductor.config

        torch._inductor.config.cpp.simdlen = 256
    return torch


class Torch:
    """PyTorch: eager, or compiled with frozen weights; f32, or bf16 by autocast."""

    def __init__(self, settings):
        self.torch = torch = set_torch(settings)
        self.bf16 = settings["precision"] == "bf16"
        self.net = self.network(settings).to(memory_format=torch.channels_last_3d)
        if settings["compiled"]:
            import torch._inductor.config

            torch._inductor.config.freezing = True
            self.net = torch.compile(self.net)

    def network(self, settings):
        from net import load

        return load(settings["net"], settings["model"])

    def bring(self, image):
        self.image = self.torch.from_numpy(image).to(memory_format=self.torch.channels_last_3d)

    def run(self):
        torch = self.torch
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bf16):
            return self.net(self.image)

    def logits(self, answer):
        return answer.float().contiguous().numpy()


class SegResNet(Torch):
    """MONAI's SegResNet of the BraTS bundle, 16 filters, random weights: what else segments such a case."""

    def network(self, settings):
        from monai.networks.nets import SegResNet as Net

        return Net(blocks_down=[1, 2, 2, 4], blocks_up=[1, 1, 1], init_filters=16, in_channels=4, out_channels=3).eval()


class TorchStep:
    """A training step of PyTorch: forward, Dice and cross-entropy over classes, backward, Adam."""

    def __init__(self, settings):
        self.torch = torch = set_torch(settings)
        from net import load

        self.bf16 = settings["precision"] == "bf16"
        self.net = load(settings["net"], settings["model"]).train().to(memory_format=torch.channels_last_3d)
        self.adam = torch.optim.Adam(self.net.parameters(), 1e-3, foreach=True)
        self.forward = torch.compile(self.net) if settings["compiled"] else self.net

    def bring(self, image):
        torch = self.torch
        self.image = torch.from_numpy(image).to(memory_format=torch.channels_last_3d)
        self.codes = torch.randint(0, 4, (1, *image.shape[2:]), generator=torch.Generator().manual_seed(1))
        self.classes = torch.nn.functional.one_hot(self.codes, 4).movedim(-1, 1).float()

    def loss(self, logits):
        torch, logits = self.torch, logits.float()
        p, sum_over = logits.softmax(1), (2, 3, 4)
        dice = (2 * (p * self.classes).sum(sum_over) + 1e-5) / (p.sum(sum_over) + self.classes.sum(sum_over) + 1e-5)
        return torch.nn.functional.cross_entropy(logits, self.codes) + 1 - dice.mean()

    def run(self):
        torch = self.torch
        self.adam.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bf16):
            loss = self.loss(self.forward(self.image))
        loss.backward()
        self.adam.step()
        return loss.item()


class OpenVino:
    """OpenVINO on the exported network, or on the one that NNCF quantised; the hint names f32 or bf16."""

    def __init__(self, settings):
        import openvino

        self.settings, self.int8 = settings, settings["precision"] == "int8"
        self.compiler = openvino.Core()
        self.network = self.compiler.read_model(settings["int8"] if self.int8 else settings["onnx"])

    def bring(self, image):
        self.image = image
        self.network.reshape(list(image.shape))
        hint = "f32" if self.int8 else self.settings["precision"]
        how = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": self.settings["threads"], "INFERENCE_PRECISION_HINT": hint}
        self.request = self.compiler.compile_model(self.network, "CPU", how).create_infer_request()

    def run(self):
        return self.request.infer({0: self.image}, share_inputs=True, share_outputs=True)[0]

    def logits(self, answer):
        return np.array(answer, dtype=np.float32)


class OnnxRuntime:
    def __init__(self, settings):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = settings["threads"]
        self.session = onnxruntime.InferenceSession(settings["onnx"], options, providers=["CPUExecutionProvider"])

    def bring(self, image):
        self.image = image

    def run(self):
        return self.session.run(None, {"image": self.image})[0]

    def logits(self, answer):
        return answer.astype(np.float32)


ENGINES = {"torch": Torch, "torch_segresnet": SegResNet, "torch_step": TorchStep, "openvino": OpenVino, "onnxruntime": OnnxRuntime}


def peak_mib(start_again=False):
    """The most memory since the last start; starting again forgets what loading and compiling took."""
    try:
        if start_again:
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")
        with open("/proc/self/status") as file:
            return int(re.search(r"VmHWM:\s+(\d+)", file.read())[1]) / 1024
    except OSError:
        return None


def main():
    settings = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the engines print is not an answer

    def answer(**said):
        print(json.dumps(said), file=answers, flush=True)

    engine = ENGINES[settings["engine"]](settings)
    if settings["patch"] or settings["image"]:
        if settings["image"]:
            image = np.load(settings["image"])
        else:
            image = np.random.default_rng(0).standard_normal((1, SPECS[settings["net"]].inputs, *settings["patch"]), dtype=np.float32)
        engine.bring(image)
        for _ in range(2):  # compiles, and touches its memory
            engine.run()
    peak_mib(start_again=True)
    answer(ready=True)
    for line in sys.stdin:
        command, *words = line.split()
        if command == "end":
            break
        if command == "logits":
            engine.bring(np.load(words[0]))
        start = time.perf_counter()
        said = engine.run()
        seconds = time.perf_counter() - start
        if command == "logits":
            np.save(words[1], engine.logits(said)[0])
        answer(seconds=seconds, peak_mib=peak_mib())


if __name__ == "__main__":
    main()
