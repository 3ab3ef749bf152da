#!/usr/bin/env python3
"""Time the forward pass of N32 (docs/kernels.md, NetSpec::n32) in PyTorch f32 and in Glioscope, in turn.

    python3 bench/n32_peer.py GLIOSCOPE [--patch 128] [--rounds 3] [--threads 2]

GLIOSCOPE is the built program. Needs torch. Prints one JSON object: the median of each, and their ratio.
PyTorch runs compiled with frozen weights and eagerly, both in channels_last_3d; its better mode counts.
"""
import argparse, json, statistics, subprocess, time

import torch
from torch import nn


class Level(nn.Sequential):
    def __init__(self, i, o):
        def half(i):
            return [nn.Conv3d(i, o, 3, padding=1), nn.InstanceNorm3d(o, affine=True), nn.LeakyReLU(0.01, inplace=True)]

        super().__init__(*half(i), *half(o))


class N32(nn.Module):
    def __init__(self, widths=(32, 64, 128, 256, 512)):
        super().__init__()
        self.encoder = nn.ModuleList(Level(i, o) for i, o in zip((4, *widths), widths))
        pairs = list(zip(widths, widths[1:]))
        self.up = nn.ModuleList(nn.ConvTranspose3d(low, high, 2, stride=2) for high, low in pairs)
        self.decoder = nn.ModuleList(Level(2 * high, high) for high, _ in pairs)
        self.head = nn.Conv3d(widths[0], 4, 1)

    def forward(self, x):
        skips = []
        for level, stage in enumerate(self.encoder):
            x = stage(nn.functional.max_pool3d(x, 2) if level else x)
            skips.append(x)
        for level in reversed(range(len(self.up))):
            x = self.decoder[level](torch.cat([self.up[level](x), skips[level]], 1))
        return self.head(x)


def main():
    args = argparse.ArgumentParser()
    args.add_argument("glioscope")
    args.add_argument("--patch", type=int, default=128)
    args.add_argument("--rounds", type=int, default=3)
    args.add_argument("--threads", type=int, default=2)
    args = args.parse_args()
    torch.set_num_threads(args.threads)
    torch._inductor.config.freezing = True
    net = N32().eval().to(memory_format=torch.channels_last_3d)
    x = torch.randn(1, 4, *[args.patch] * 3).to(memory_format=torch.channels_last_3d)
    compiled = torch.compile(net)
    modes = {"pytorch_compiled": lambda: compiled(x), "pytorch_eager": lambda: net(x)}
    ours = [args.glioscope, "--threads", str(args.threads), "bench", "net", "--name", "n32", "--patch", str(args.patch), "--pass", "forward", "--json"]
    seconds = {name: [] for name in (*modes, "glioscope")}
    with torch.inference_mode():
        for run in modes.values():
            run()
        for _ in range(args.rounds):
            for name, run in modes.items():
                start = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - start)
            report = json.loads(subprocess.run(ours, check=True, capture_output=True).stdout)
            seconds["glioscope"].append(report["seconds"]["median"])
    medians = {name: round(statistics.median(s), 3) for name, s in seconds.items()}
    best = min(medians[name] for name in modes)
    print(json.dumps({"patch": args.patch, "threads": args.threads, "seconds": medians, "ours_to_best": round(medians["glioscope"] / best, 3)}))


if __name__ == "__main__":
    main()
