#!/usr/bin/env python3
"""Glioscope and its peers on the same networks with the same weights, in one interleaved run.

    python3 bench/peers STEP... [--glioscope target/release/glioscope] [--threads 2] [--rounds 5] [--isa avx2] [--only WORD...]

Steps, or `all`:
    agree      our outputs against PyTorch's in f32 (relative L2), and every other engine's; our preparation against case.py;
               where PyTorch is not asked for, as in `--only Glioscope`, against our own in f32
    forward    N32 at 128^3, median seconds and peak memory of each
    train      a training step of N32 at 96^3
    whole      a whole case: ours from files to files and the network alone; the same network of the others on the same brain;
               MONAI's SegResNet on the whole scan
    tiles      nnU-Net's plan: a tile of 128^3, of which its sliding window takes 18 on a scan; ours on a whole case as well
    dice       mean Dice of the default network on the validation cases in each mode, and labels equal to f32's; not of what computes
               the same numbers another way (PyTorch compiled, ONNX Runtime)
Results are printed and kept in target/peers/STEP.json. `make bench-peers` sets up the environment.
"""
import argparse, glob, json, os, pathlib, statistics, subprocess, sys, time

import numpy as np

import case
from spec import SPECS, card, fresh_model

HERE = pathlib.Path(__file__).resolve().parent
WORK = pathlib.Path("target/peers")
ALL = ("agree", "forward", "train", "whole", "tiles", "dice")
OURS = ("f32", "f16", "bf16", "int16", "int8")
DEFAULT_MODEL = "models/default.safetensors"
# Engines begin to sleep this long after a run; one that still spins would slow the next.
PAUSE = 0.5

PEERS = {
    "PyTorch eager f32": {"engine": "torch", "compiled": False, "precision": "f32"},
    "PyTorch compiled f32": {"engine": "torch", "compiled": True, "precision": "f32"},
    "PyTorch eager bf16": {"engine": "torch", "compiled": False, "precision": "bf16"},
    "PyTorch compiled bf16": {"engine": "torch", "compiled": True, "precision": "bf16"},
    "OpenVINO f32": {"engine": "openvino", "precision": "f32"},
    "OpenVINO bf16": {"engine": "openvino", "precision": "bf16"},
    "OpenVINO INT8": {"engine": "openvino", "precision": "int8"},
    "ONNX Runtime f32": {"engine": "onnxruntime", "precision": "f32"},
}
STEPS = {
    "PyTorch compiled f32": {"engine": "torch_step", "compiled": True, "precision": "f32"},
    "PyTorch compiled bf16": {"engine": "torch_step", "compiled": True, "precision": "bf16"},
}


class Peer:
    """An engine that waits in a process of its own."""

    def __init__(self, bench, name, settings, net, patch, image=None):
        self.name, self.precision = name, settings["precision"]
        settings = settings | {"net": net, "threads": bench.threads, "patch": patch, "image": image, "isa": bench.isa} | bench.files(net, settings)
        self.process = subprocess.Popen(
            [sys.executable, HERE / "engines.py", json.dumps(settings)], env=bench.surroundings(settings["engine"]),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=bench.log, text=True,
        )
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended; see {WORK / 'log'}")
        return json.loads(line)

    def ask(self, *words):
        print(*words, file=self.process.stdin, flush=True)
        return self.answer()

    def run(self):
        return self.ask("run")

    def end(self):
        print("end", file=self.process.stdin, flush=True)
        self.process.wait()


class Ours:
    """`glioscope bench`: each run is a process, whose first pass does not count."""

    def __init__(self, bench, precision, words, what=""):
        self.name, self.precision = f"Glioscope {precision}{what}", precision
        self.command = [*bench.ours(), "bench", *words, "--runs", "1", "--json"]

    def run(self):
        said = json.loads(subprocess.run(self.command, check=True, capture_output=True, text=True).stdout)
        return {"seconds": said["seconds"]["median"], "peak_mib": said["peak_rss_mib"]}

    def end(self):
        pass


class Bench:
    def __init__(self, args):
        self.glioscope, self.threads, self.rounds, self.isa, self.only = args.glioscope, args.threads, args.rounds, args.isa, args.only
        self.real, self.tcmalloc, self.side = args.real, args.tcmalloc, args.side
        WORK.mkdir(parents=True, exist_ok=True)
        self.log = open(WORK / "log", "a")
        if not self.tcmalloc:
            print("SKIPPED: no tcmalloc found (--tcmalloc FILE), so PyTorch runs with the system's allocator", file=sys.stderr)

    def ours(self):
        return [self.glioscope, "--threads", str(self.threads), *(["--isa", self.isa] if self.isa else [])]

    def in_turn(self, words, what="", precisions=OURS):
        """Ours in every precision that the machine and the model allow; the others are refused by name."""
        found = []
        for precision in (p for p in precisions if self.wanted(f"Glioscope {p}")):
            engine = Ours(self, precision, [*words, "--precision", precision], what)
            refused = subprocess.run(engine.command, capture_output=True, text=True)
            if refused.returncode == 0:
                found.append(engine)
            else:
                print(f"SKIPPED: {engine.name}: {refused.stderr.strip()}", file=sys.stderr)
        return found

    def wanted(self, name):
        return not self.only or any(word.lower() in name.lower() for word in self.only)

    def surroundings(self, engine):
        """Environment of an engine: inductor's results are kept, PyTorch gets the tuned allocator, AVX2 alone if so asked."""
        env = os.environ | {"TORCHINDUCTOR_CACHE_DIR": str(WORK.resolve() / "inductor"), "OMP_NUM_THREADS": str(self.threads)}
        if engine.startswith("torch") and self.tcmalloc:
            env["LD_PRELOAD"] = self.tcmalloc
        if self.isa == "avx2":
            env |= {"ONEDNN_MAX_CPU_ISA": "AVX2", "DNNL_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
        return env

    def model(self, net):
        """A model file of ours: the shipped one, or random weights."""
        model = DEFAULT_MODEL if net == "default" else str(WORK / f"{net}.safetensors")
        if not os.path.exists(model):
            cases = case.split(self.real)["train"][:4]
            fresh_model(net, model, DEFAULT_MODEL, cases)
            folders = [str(self.folder(name)) for name in cases]
            subprocess.run([self.glioscope, "model", "calibrate", model, "--data", *folders, "--out", model], check=True, stdout=self.log)
        return model

    def files(self, net, settings):
        """What an engine reads: the model, exported, or quantised; made where it is missing or old."""
        model, onnx, int8 = self.model(net), WORK / f"{net}.onnx", WORK / f"{net}.int8.xml"
        if settings["engine"] in ("openvino", "onnxruntime") and (not onnx.exists() or onnx.stat().st_mtime < os.path.getmtime(model)):
            self.export("onnx", net, model, onnx)
        if settings["precision"] == "int8" and (not int8.exists() or int8.stat().st_mtime < onnx.stat().st_mtime):
            self.export("int8", onnx, int8, *self.calibration(net))
        return {"model": model, "onnx": str(onnx), "int8": str(int8)}

    def export(self, *words):
        subprocess.run([sys.executable, HERE / "export.py", *words], check=True, stdout=self.log, stderr=self.log)

    def calibration(self, net):
        """The cases that our model was calibrated on, as images: whole for the trained network, their middle for the others."""
        files = []
        for name in card(self.model(net))["calibration"]["cases"]:
            file = WORK / f"{name}.{net}.npy"
            image, _ = case.padded(case.prepared(self.folder(name))[0], SPECS[net].multiple())
            if net != "default":
                image = middle(image, 128)
            np.save(file, image)
            files.append(file)
        return files

    def folder(self, name):
        folder = case.folder_of(self.real, name)
        if folder is None:
            subprocess.run([sys.executable, self.real / "unpack.py", WORK / "unpacked"], check=True, stdout=self.log)
            folder = case.folder_of(self.real, name)
        return folder

    def interleave(self, step, engines):
        """Runs all engines in turn; prints and keeps the table."""
        times, memory = {e.name: [] for e in engines}, {}
        for _ in range(self.rounds):
            for engine in engines:
                time.sleep(PAUSE)
                said = engine.run()
                times[engine.name].append(said["seconds"])
                memory[engine.name] = said["peak_mib"]
        for engine in engines:
            engine.end()
        median = {name: statistics.median(t) for name, t in times.items()}
        best = min((m for n, m in median.items() if not n.startswith("Glioscope")), default=None)
        rows = []
        for name in sorted(median, key=median.get):
            rows.append({
                "engine": name, "median_s": round(median[name], 3), "min_s": round(min(times[name]), 3), "max_s": round(max(times[name]), 3),
                "peak_mib": memory[name] and round(memory[name]),
                "times_as_fast_as_best_peer": best and round(best / median[name], 2),
            })
        self.keep(step, {"rounds": self.rounds, "threads": self.threads, "isa": self.isa or "all", "tcmalloc": bool(self.tcmalloc), "engines": rows})
        table(f"{step}: {self.rounds} rounds, {self.threads} threads" + (f", {self.isa} only" if self.isa else ""), rows)

    def keep(self, step, result):
        name = step + (f"-{self.isa}" if self.isa else "")
        (WORK / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")

    def peers(self, kinds, net, patch, image=None):
        return [Peer(self, name, settings, net, patch, image) for name, settings in kinds.items() if self.wanted(name)]

    def net(self, name, sides, what=""):
        return self.in_turn(["net", "--name", name, "--patch", ",".join(map(str, sides))], what)

    def files_to_files(self, *words, what=""):
        return self.in_turn(["case", *map(str, words)], what)

    def forward(self):
        sides = [self.side or 128] * 3
        self.interleave("forward", self.net("n32", sides) + self.peers(PEERS, "n32", sides))

    def train(self):
        sides = [self.side or 96] * 3
        ours = self.in_turn(["net", "--name", "n32", "--patch", str(sides[0]), "--pass", "train"], precisions=("f32", "bf16"))
        self.interleave("train", ours + self.peers(STEPS, "n32", sides))

    def whole(self):
        folder = self.folder(case.split(self.real)["validation"][1])
        image, _ = case.padded(case.prepared(folder)[0], SPECS["default"].multiple())
        np.save(WORK / "whole.npy", image)
        # Compiling for one brain would take longer than all runs, and there is another for each.
        eager = {name: settings for name, settings in PEERS.items() if not settings.get("compiled")}
        ours = self.files_to_files(folder, what=", files to files") + self.in_turn(["net", "--name", "default", "--case", str(folder)], ", network alone")
        others = {"MONAI SegResNet-16 bf16": {"engine": "torch_segresnet", "compiled": False, "precision": "bf16"}}
        self.interleave("whole", ours + self.peers(eager, "default", None, str(WORK / "whole.npy")) + self.peers(others, "default", [240, 240, 160]))

    def tiles(self):
        folder, sides = self.folder(case.split(self.real)["validation"][1]), [self.side or 128] * 3
        ours = self.net("nnunet", sides, what=", a tile") + self.files_to_files(folder, "--model", self.model("nnunet"), what=", whole case")
        torch = {name: settings for name, settings in PEERS.items() if settings["engine"] == "torch"}
        self.interleave("tiles", ours + self.peers(torch, "nnunet", sides))

    def example(self, *words):
        """`crates/segment/examples/numbers.rs`, which says what our tensors hold; false where it cannot."""
        isa = ["isa=" + self.isa] if self.isa else []
        return subprocess.run([pathlib.Path(self.glioscope).parent / "examples" / "numbers", *isa, *words], stderr=self.log).returncode == 0

    def agree(self):
        """Relative L2 of each engine's logits to PyTorch's in f32, or ours without it, on a whole brain; both networks."""
        against = "PyTorch eager f32" if self.wanted("PyTorch eager f32") else "Glioscope f32"
        folder = self.folder(case.split(self.real)["validation"][1])
        channels, _ = case.prepared(folder)
        if not self.example("prepared", str(folder), str(WORK / "prepared.f32")):
            raise SystemExit("agree: target/release/examples/numbers is missing; `make bench-peers` builds it")
        ours = np.fromfile(WORK / "prepared.f32", "<f4").reshape(channels.shape)
        rows = [{"network": "-", "engine": "case.py against our preparation", "relative_l2": relative(channels, ours), "largest": float(np.abs(channels - ours).max())}]
        for net in ("default", "n32"):
            image, _ = case.padded(channels, SPECS[net].multiple())
            if net == "n32":
                image = middle(image, 128)
            np.save(WORK / "image.npy", image)
            image.tofile(WORK / "image.f32")
            peers = {n: s for n, s in PEERS.items() if not s.get("compiled")}
            logits = {}
            for name, settings in peers.items():
                if self.wanted(name):
                    peer = Peer(self, name, settings, net, None)
                    peer.ask("logits", WORK / "image.npy", WORK / "logits.npy")
                    peer.end()
                    logits[name] = np.load(WORK / "logits.npy")
            sides = ",".join(map(str, image.shape[2:]))
            for precision in OURS:
                if self.example("logits", self.model(net), str(WORK / "image.f32"), sides, precision, str(WORK / "logits.f32")):
                    logits[f"Glioscope {precision}"] = np.fromfile(WORK / "logits.f32", "<f4")
            expected = logits.pop(against).ravel()
            for name, of in logits.items():
                of = of.ravel()
                rows.append({"network": net, "engine": name, "relative_l2": relative(of, expected), "largest": float(np.abs(of - expected).max())})
        self.keep("agree", {"against": against, "rows": rows})
        table(f"agree: against {against}", rows)
        # Other engines sum a norm's moments in f32, which loses digits over 2 million voxels; a wrong network differs by 1.
        most = {"Glioscope f32": 1e-4, "case.py against our preparation": 1e-5, "OpenVINO f32": 2e-2, "ONNX Runtime f32": 2e-2}
        wrong = [r for r in rows if r["relative_l2"] > most.get(r["engine"], 1)]
        if wrong:
            raise SystemExit(f"agree: not the same network: {wrong}")

    def dice(self):
        """Mean Dice of each mode over the validation cases; seconds are of the network alone, ours of the whole case."""
        names = case.split(self.real)["validation"]
        peers = {n: s for n, s in PEERS.items() if not s.get("compiled") and s["engine"] != "onnxruntime"}
        peers = [Peer(self, name, settings, "default", None) for name, settings in peers.items() if self.wanted(name)]
        precisions = [e.precision for e in self.files_to_files(self.folder(names[0]))]
        scores, equal, seconds = {}, {}, {}
        for name in names:
            folder = self.folder(name)
            channels, box = case.prepared(folder)
            expert = case.reference(folder, box)
            image, place = case.padded(channels, SPECS["default"].multiple())
            np.save(WORK / "image.npy", image)
            codes, f32 = {}, {}
            for peer in peers:
                peer.ask("logits", WORK / "image.npy", WORK / "logits.npy")
                said = peer.run()
                codes[peer.name] = case.decoded(np.load(WORK / "logits.npy")[(slice(None), *place)])
                seconds.setdefault(peer.name, []).append(said["seconds"])
                f32.setdefault("peers", codes[peer.name] if peer.precision == "f32" else None)
            for precision in precisions:
                mode, out = f"Glioscope {precision}", WORK / "segmented"
                command = [*self.ours(), "segment", str(folder), "--precision", precision, "--out", str(out), "--labels", "brats2023", "--json"]
                said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                codes[mode] = np.rint(case.ras(out / "labels.nii.gz")[box]).astype(np.uint8)
                seconds.setdefault(mode, []).append(sum(s["seconds"] for s in said["seconds"]))
                if precision == "f32":
                    f32["ours"] = codes[mode]
            for mode, of in codes.items():
                own = f32.get("ours" if mode.startswith("Glioscope") else "peers")
                scores.setdefault(mode, []).append(case.dice(of, expert))
                if own is not None:
                    equal.setdefault(mode, []).append(case.equal_in_tumour(of, own))
            print(name, {mode: [round(v, 3) for v in s[-1].values()] for mode, s in scores.items()}, file=sys.stderr, flush=True)
        for peer in peers:
            peer.end()
        rows = []
        for mode, of in scores.items():
            mean = {region: round(statistics.mean(s[region] for s in of), 4) for region in case.REGIONS}
            same = mode in equal and round(statistics.mean(equal[mode]), 4)
            rows.append({"engine": mode, **mean, "equal_to_own_f32": same or None, "median_s": round(statistics.median(seconds[mode]), 3)})
        self.keep("dice", {"cases": names, "rows": rows})
        table(f"dice: {len(names)} validation cases; ours: seconds of the whole case", rows)


def middle(image, side):
    """The cube of that side in the middle of an image, zeros where it is smaller."""
    out = np.zeros((*image.shape[:2], side, side, side), np.float32)
    take = [slice(max(0, (n - side) // 2), max(0, (n - side) // 2) + min(n, side)) for n in image.shape[2:]]
    put = [slice(0, min(n, side)) for n in image.shape[2:]]
    out[(..., *put)] = image[(..., *take)]
    return out


def relative(of, expected):
    return float(np.linalg.norm((of - expected).astype(np.float64)) / np.linalg.norm(expected.astype(np.float64)))


def table(title, rows):
    cells = lambda row: [f"{v:.2e}" if isinstance(v, float) and 0 < abs(v) < 1e-2 else "-" if v is None else str(v) for v in row.values()]
    print(f"\n{title}\n\n| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(cells(row)) + " |")
    sys.stdout.flush()


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("steps", nargs="+", choices=["all", *ALL], metavar="STEP")
    args.add_argument("--glioscope", default="target/release/glioscope")
    args.add_argument("--threads", type=int, default=os.cpu_count())
    args.add_argument("--rounds", type=int, default=5)
    args.add_argument("--isa", choices=["avx2"])
    args.add_argument("--only", nargs="+", default=[], help="engines whose names hold one of these words")
    args.add_argument("--side", type=int, help="of the patches, instead of 128 and 96: to see that everything runs")
    args.add_argument("--real", type=pathlib.Path, default=pathlib.Path(os.environ.get("GLIOSCOPE_REAL") or "../shared/data"))
    args.add_argument("--tcmalloc", default=next(iter(sorted(glob.glob("/usr/lib/*/libtcmalloc*.so*"))), None))
    args = args.parse_args()
    bench = Bench(args)
    for step in dict.fromkeys(s for step in args.steps for s in (ALL if step == "all" else (step,))):
        getattr(bench, step)()


if __name__ == "__main__":
    main()
