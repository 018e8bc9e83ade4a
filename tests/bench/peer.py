"""Our iterations per second over those of the published code's bare loop, measured side by side in one process.

    python tests/bench/peer.py [--pairs 15]

The peer loads the same miniature pipeline, calls it three times and reads the rate as the published code does, from a tqdm
bar, synchronized where ours is (at both ends of the loop). On a quiet machine the ratio stays within 3% of 1.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow" / "scripts"))

import torch  # noqa: E402
from tqdm import tqdm  # noqa: E402

from measurement.definition import resolve  # noqa: E402
from measurement.load import load_pipeline  # noqa: E402
from measurement.stage import SEED, Stage  # noqa: E402

PIPELINE, STEPS = "sd-txt2img", 50


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


def peer(device, dtype):
    """The published loop on the same pipeline; a function that makes one call and returns its rate."""
    stage = resolve(PIPELINE, 1, "eager", "random", "tiny")["stages"][0]
    pipeline = load_pipeline(stage, "random", device, dtype)
    pipeline.unet.to(memory_format=torch.channels_last)
    pipeline.progress_bar = lambda iterable=None, total=None: PlainBar(
        iterable, total=total, file=open("/dev/null", "w")
    )

    def call():
        generator = torch.Generator(device).manual_seed(SEED)
        pipeline(stage["call"]["prompt"], num_inference_steps=STEPS, generator=generator)
        return PlainBar.rate

    return call


def ours(device, dtype):
    """The same through the product's own Stage."""
    definition = resolve(PIPELINE, 1, "eager", "random", "tiny")
    description = {**definition["stages"][0], "steps": STEPS}
    stage = Stage(description, definition, device, dtype)

    def call():
        sample = stage.call()
        return sample["iterations"] / sample["loop_s"]

    return call


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=15)
    pairs = parser.parse_args().pairs
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    measure_ours, measure_peer = ours(device, dtype), peer(device, dtype)
    for _ in range(3):
        measure_ours(), measure_peer()
    ratios = []
    for number in range(pairs):
        order = (measure_ours, measure_peer) if number % 2 else (measure_peer, measure_ours)
        rates = {measure: measure() for measure in order}
        ratios.append(rates[measure_ours] / rates[measure_peer])
    quartiles = statistics.quantiles(ratios, n=4)
    print(
        f"ours over the peer's it/s, {pairs} pairs: median {quartiles[1]:.4f}, "
        f"quartiles {quartiles[0]:.4f} to {quartiles[2]:.4f}"
    )


if __name__ == "__main__":
    main()
