"""The inputs of a summary other than the rows: calls, compared images, the device's ceilings and prices."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from diffbench.catalogue.yaml_file import shared_yaml
from diffbench.data.ceilings import read_ceilings
from diffbench.data.fidelity_csv import read_fidelity
from diffbench.data.measurements import read_calls
from diffbench.data.types import AnyPath


class Evidence(NamedTuple):
    """`calls` (measurements.read_calls), `fidelity` (fidelity.compare_runs) and `ceilings` (ceilings.read_ceilings), each None if
    there are none; `prices_usd`: {gpu: USD per hour}."""

    calls: pd.DataFrame | None = None
    fidelity: pd.DataFrame | None = None
    ceilings: pd.DataFrame | None = None
    prices_usd: dict[str, float] = {}

    def with_fidelity(self, fidelity: pd.DataFrame) -> "Evidence":
        """The Evidence with these compared images added."""
        return self._replace(fidelity=pd.concat([frame for frame in (self.fidelity, fidelity) if frame is not None]))


NONE = Evidence()


def read_prices(path: AnyPath) -> dict[str, float]:
    """{gpu: USD per hour} of the GPUs in config/gpus.yaml that have a price."""
    entries = shared_yaml(path)
    return {name: entry["price_per_hour_usd"] for name, entry in entries.items() if "price_per_hour_usd" in entry}


def read_evidence(
    calls: Sequence[AnyPath], fidelity: Sequence[AnyPath], ceilings: Sequence[AnyPath], gpus: AnyPath
) -> Evidence:
    """The Evidence in these files: lists of paths, which may be empty, and the catalogue of GPUs."""
    return Evidence(
        read_calls(calls) if calls else None,
        pd.concat(map(read_fidelity, fidelity), ignore_index=True) if fidelity else None,
        read_ceilings(ceilings) if ceilings else None,
        read_prices(gpus),
    )
