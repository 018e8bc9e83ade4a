"""Our iterations per second over those of the published code's bare loop, measured side by side in one process.

    python tests/bench/peer.py [--pipelines sd-txt2img] [--variants eager compile] [--scale tiny] [--pairs 15]

The peer loads the same pipeline with the same random weights, compiles it as the published code does (or not), calls it three
times and reads the rate from a tqdm bar, synchronized where ours is (at both ends of the loop). On a quiet machine the ratio of
a miniature on a CPU stays within 3% of 1; at full scale on a GPU it should be within 1%.
"""

import argparse
import statistics
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow" / "scripts"))

import torch  # noqa: E402
from tqdm import tqdm  # noqa: E402

from diffbench.catalogue.definition import ROOT, resolve  # noqa: E402
from diffbench.catalogue.yaml_file import read_yaml  # noqa: E402
from diffbench.measurement.load import load_pipeline  # noqa: E402
from diffbench.measurement.measure_stage import free_stage
from diffbench.measurement.provenance import read_device  # noqa: E402
from diffbench.measurement.stage import SEED, Stage
from diffbench.mechanisms.dtype import choose_dtype  # noqa: E402

PUBLISHED = read_yaml(ROOT / "config/config.yaml")["pipelines"]  # the six of the published page
COMPILE = {
    "eager": None,
    "compile": {"mode": "reduce-overhead", "fullgraph": True},
}  # the published code's, by our variants
LEAST_STEPS = 50  # of a miniature: its loop must be long compared with its ends


class PlainBar(tqdm):
    """The progress bar as it is, but that it waits for the device before it reads the clock."""

    def __enter__(self):
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.begin_s = time.perf_counter()
        return super().__enter__()

    def __exit__(self, *exception):
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        PlainBar.rate = self.n / (time.perf_counter() - self.begin_s)
        return super().__exit__(*exception)


def ours(description, definition, device, dtype):
    """The product's own Stage; a function that makes one call and returns its rate, and the arguments of the call."""
    stage = Stage(description, definition, device, dtype)

    def call():
        sample = stage.call()
        return sample.iterations / sample.loop_s

    return call, stage.arguments


def peer(description, arguments, device, dtype, setting):
    """The published loop on another copy of the pipeline, with the published setting of torch.compile (None: eager); a function
    that makes one call and returns its rate."""
    pipeline = load_pipeline(description, "random", device, dtype)
    for name in description["modules"]:
        module = getattr(pipeline, name).to(memory_format=torch.channels_last)
        setattr(pipeline, name, torch.compile(module, **setting) if setting else module)
    pipeline.progress_bar = lambda iterable=None, total=None: PlainBar(
        iterable, total=total, file=open("/dev/null", "w", encoding="utf-8")
    )

    def call():
        pipeline(**arguments, generator=torch.Generator(device).manual_seed(SEED))
        return PlainBar.rate

    return call


def compare(measure_ours, measure_peer, pairs):
    """The quartiles of ours over the peer's rate, in `pairs` pairs after three calls of each, and ours: its median."""
    for _ in range(3):
        measure_ours(), measure_peer()
    found = []
    for number in range(pairs):
        order = (measure_ours, measure_peer) if number % 2 else (measure_peer, measure_ours)
        rates = {measure: measure() for measure in order}
        found.append((rates[measure_ours], rates[measure_ours] / rates[measure_peer]))
    return statistics.quantiles([ratio for _, ratio in found], n=4), statistics.median(rate for rate, _ in found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipelines", nargs="+", default=None, help="by default sd-txt2img; at full scale all six")
    parser.add_argument("--variants", nargs="+", default=list(COMPILE), choices=COMPILE)
    parser.add_argument("--scale", choices=["tiny", "full"], default="tiny")
    parser.add_argument("--pairs", type=int, default=15)
    arguments = parser.parse_args()
    device = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    print(f"{read_device(device)['device_name']}, torch {torch.__version__}, {datetime.now(UTC):%Y-%m-%d}")
    print(f"ours over the peer's it/s, batch size 1, scale {arguments.scale}, {arguments.pairs} pairs", flush=True)
    for name in arguments.pipelines or (PUBLISHED if arguments.scale == "full" else PUBLISHED[:1]):
        for variant in arguments.variants:
            definition = resolve(name, 1, variant, "random", arguments.scale)
            for description in definition["stages"]:
                if arguments.scale == "tiny":
                    description = {**description, "steps": max(LEAST_STEPS, description["steps"])}
                dtype = choose_dtype(description, definition["variant"], device)
                measure_ours, call = ours(description, definition, device, dtype)
                measure_peer = peer(description, call, device, dtype, COMPILE[variant])
                (low, middle, high), rate = compare(measure_ours, measure_peer, arguments.pairs)
                ratio = f"median {middle:.4f}, quartiles {low:.4f} to {high:.4f}; ours {rate:.2f} it/s"
                print(f"{name}, stage {description['number']}, {variant}: {ratio}", flush=True)
                del measure_ours, measure_peer
                free_stage(device, compiled=COMPILE[variant] is not None)


if __name__ == "__main__":
    main()
