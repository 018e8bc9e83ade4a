"""Fidelity: the latents and image of each run, compared with the baseline's from the same seed. A badge says how similar they
are."""

from typing import Any

import numpy as np
import pandas as pd
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from diffbench.data.fidelity_csv import TYPES
from diffbench.data.outputs import Output, kept_runs, read_output
from diffbench.data.rows import records
from diffbench.data.types import Baseline
from diffbench.vocabulary.badges import CLOSE, DIFFERENT, EQUIVALENT, IDENTICAL
from diffbench.vocabulary.columns import FIDELITY_COLUMNS, FIDELITY_MEASURES, KEY
from diffbench.vocabulary.thresholds import CLOSE_PSNR_DB, CLOSE_SSIM, EQUIVALENT_PSNR_DB

from .speedup import is_baseline

PEAK = 255  # the largest value of a byte
WINDOW = 7  # pixels: the side of SSIM's window, the default of scikit-image
OTHER_WEIGHTS = "weights differ from the baseline's: images are not compared"
UNKNOWN_WEIGHTS = "weights digest known for only one of the two: images are not compared"


def window_of(image: np.ndarray) -> int | None:
    """The side of SSIM's window in pixels: odd, at most WINDOW, within the image; None if 3 pixels do not fit."""
    side = min(WINDOW, *image.shape[:2])
    return (side - 1 + side % 2) if side >= 3 else None


def compare_images(image: np.ndarray, base: np.ndarray) -> tuple[float, float]:
    """(PSNR in dB, SSIM) of two uint8 images of one shape; (inf, 1) for equal ones. SSIM is NaN if its window does not fit."""
    if np.array_equal(image, base):
        return np.inf, 1.0
    window = window_of(image)
    ssim = structural_similarity(base, image, win_size=window, data_range=PEAK, channel_axis=-1) if window else np.nan
    return float(peak_signal_noise_ratio(base, image, data_range=PEAK)), float(ssim)


def equal_bits(array: np.ndarray | None, base: np.ndarray | None) -> bool:
    """Whether two arrays are the same bit for bit, or both are None."""
    if array is None or base is None:
        return array is base
    return array.shape == base.shape and array.tobytes() == base.tobytes()


def shape_of(array: np.ndarray) -> str:
    return " x ".join(map(str, array.shape))


def compare_outputs(output: Output, base: Output) -> dict[str, Any]:
    """The columns FIDELITY_MEASURES, `identical` and `note` of two Outputs: NaN and a note for what cannot be compared."""
    columns, notes = dict.fromkeys(FIDELITY_MEASURES, np.nan), []
    if base.latents is not None:
        columns["latents_scale"] = float(np.abs(base.latents).max())
    for name, own, other in zip(Output._fields, output, base):
        if own is None or other is None:
            notes.append(f"no {name}")
        elif own.shape != other.shape:
            notes.append(f"{name} of {shape_of(own)}, the baseline's of {shape_of(other)}")
        elif name == "image":
            columns["psnr_db"], columns["ssim"] = compare_images(own, other)
        else:
            columns["latents_difference"] = float(np.abs(own - other).max())
    return {**columns, "identical": all(map(equal_bits, output, base)), "note": "; ".join(notes)}


def weights_note(digest: str, base_digest: str, is_old: bool) -> str:
    """Why the images of two runs are not compared: their weights differ, or may; empty where the digests agree, or where neither
    run has one because their rows are older than digests (`is_old`)."""
    if digest == base_digest and (digest or is_old):
        return ""
    return OTHER_WEIGHTS if digest and base_digest else UNKNOWN_WEIGHTS


def compare_runs(runs: pd.DataFrame, baseline: Baseline) -> pd.DataFrame:
    """Each run's output compared with the baseline's: a DataFrame with FIDELITY_COLUMNS, one row per run and stage that is ok.

    `runs` as outputs.read_runs returns them; `baseline` maps `variant` and/or `torch` to a name. Runs are compared with the first
    round of the baseline that is ok and kept an output (`baseline_round`); a cell whose baseline has none has no row. If the
    weights of the two runs differ, nothing is compared and `note` says so. Raises ReportError if a file is damaged.
    """
    runs = kept_runs(runs)
    others = [column for column in KEY if column not in baseline]
    first = runs[is_baseline(runs, baseline)].sort_values("round", kind="stable").drop_duplicates(others)
    of_base = ["round", "outputs", "weights_digest", "environment_variables"]
    pairs = runs.merge(first[[*others, *of_base]], on=others, suffixes=("", "_base"))
    rows = []
    for pair in records(pairs):
        is_old = not pair["environment_variables"] and not pair["environment_variables_base"]  # newer rows have some
        note = weights_note(pair["weights_digest"], pair["weights_digest_base"], is_old)
        if note:
            measures = {**dict.fromkeys(FIDELITY_MEASURES, np.nan), "identical": False, "note": note}
        else:
            base = read_output(pair["outputs_base"], pair["stage"])
            measures = compare_outputs(read_output(pair["outputs"], pair["stage"]), base)
        rows.append({**pair, "baseline_round": pair["round_base"], **measures})
    return pd.DataFrame(rows, columns=FIDELITY_COLUMNS).astype({**TYPES, "identical": bool})


def badge_of(psnr_db: float, ssim: float, identical: bool, noise_floor_db: float) -> str:
    """`identical`, `equivalent`, `close` or `different`; empty without a PSNR. A `noise_floor_db` of NaN: there is none."""
    if identical:
        return IDENTICAL
    if np.isnan(psnr_db):
        return ""
    if psnr_db >= EQUIVALENT_PSNR_DB or psnr_db >= noise_floor_db:
        return EQUIVALENT
    return CLOSE if psnr_db >= CLOSE_PSNR_DB and ssim >= CLOSE_SSIM else DIFFERENT


def badges(fidelity: pd.DataFrame, baseline: Baseline) -> pd.DataFrame:
    """One row per cell and stage of `fidelity` (see compare_runs): the worst over its rounds.

    Columns: KEY, `psnr_db` and `ssim` (smallest; NaN if a round could not be compared), `latents_difference` and
    `latents_scale` (largest), `identical` (in all rounds), `note`, `noise_floor_db` (the baseline's other rounds against its
    first; NaN for a single round) and `fidelity`, the badge. The baseline's own rows show how its other rounds differ from its
    first. The noise floor does not apply to them, and with a single round they are NaN or empty.
    """
    own = is_baseline(fidelity, baseline)
    judged = fidelity[~(own & (fidelity["round"] == fidelity["baseline_round"]))]
    groups = judged.groupby(KEY, sort=False)
    table = groups[["psnr_db", "ssim"]].min(skipna=False)
    table[["latents_difference", "latents_scale"]] = groups[["latents_difference", "latents_scale"]].max()
    table["identical"] = groups["identical"].all()
    table["note"] = groups["note"].agg(lambda notes: "; ".join(dict.fromkeys(filter(None, notes))))
    table = fidelity[KEY].drop_duplicates().merge(table.reset_index(), on=KEY, how="left")
    table["identical"], table["note"] = table["identical"].eq(True), table["note"].fillna("")
    others = [column for column in KEY if column not in baseline]
    floor = table.loc[is_baseline(table, baseline), [*others, "psnr_db"]].rename(columns={"psnr_db": "noise_floor_db"})
    table = table.merge(floor, on=others, how="left")
    limits = table["noise_floor_db"].where(~is_baseline(table, baseline))
    badge = map(badge_of, table["psnr_db"], table["ssim"], table["identical"], limits)
    return table.assign(fidelity=pd.Series(list(badge), index=table.index, dtype=str))
