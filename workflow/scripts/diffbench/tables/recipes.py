"""The lines of Python for every chosen cell, without repetition."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache

from diffbench.catalogue.definition import catalogue
from diffbench.catalogue.labels import Labels, escape, label_of
from diffbench.vocabulary.errors import DiffbenchError

from .cell_results import CellResult
from .keys import CellKey
from .recipe import write_recipe

# the lines for one variant of a pipeline can differ in these
TORCH = "torch"
ASPECTS = ("device", "batch size", "Diffusers", "transformers", TORCH)


def write_recipes(chosen: Mapping[CellKey, Iterable[CellResult]], labels: Labels) -> list[str]:
    """A heading and a fenced block of Python for each pipeline, variant and dtype that was chosen, one for each device, batch
    size and release of Diffusers that needs different lines."""
    known: dict[
        str, dict[str, list[tuple[object, ...]]]
    ] = {}  # {heading: {block: the ASPECTS of each cell that it is for}}
    gpus = catalogue("gpus")
    for (gpu, _, pipeline, batch_size), results in chosen.items():
        device = gpus.get(gpu, {}).get("device", "cuda")
        for result in results:
            row = result.rows[0]
            dtype = row["dtype"] or "float16"
            names = [label_of(labels, "pipelines", pipeline), label_of(labels, "variants", result.variant), dtype]
            heading = "#### " + escape(f"{names[0]}: {', '.join(names[1:])}")
            releases = (row["diffusers_version"], row["transformers_version"], row["torch_version"])
            block = write_block(pipeline, batch_size, result.variant, dtype, device, *releases)
            known.setdefault(heading, {}).setdefault(block, []).append((device, batch_size, *releases))
    return [text for heading, blocks in known.items() for text in print_blocks(heading, blocks)]


@cache
def write_block(
    pipeline: str,
    batch_size: int,
    variant: str,
    dtype: str,
    device: str,
    diffusers_version: str,
    transformers_version: str,
    torch_version: str,
) -> str:
    """The lines for a cell as a fenced block, or why there are none."""
    releases = {
        "diffusers_version": diffusers_version,
        "transformers_version": transformers_version,
        "torch_version": torch_version,
    }
    try:
        return f"```python\n{write_recipe(pipeline, batch_size, variant, dtype, device, **releases)}```"
    except DiffbenchError as error:
        return escape(f"No lines: {error}")


def print_blocks(heading: str, blocks: Mapping[str, Sequence[tuple[object, ...]]]) -> Iterator[str]:
    """The blocks below a heading, which names the ASPECTS in which they differ; `blocks`: {block: the aspects of its cells}."""
    aspects = [[list(dict.fromkeys(values)) for values in zip(*cells)] for cells in blocks.values()]
    differing = [number for number, _ in enumerate(ASPECTS) if len({str(of[number]) for of in aspects}) > 1]
    others = [number for number in differing if ASPECTS[number] != TORCH]
    if len({str([of[number] for number in others]) for of in aspects}) == len(blocks):
        differing = others  # most releases of torch differ along with those of Diffusers
    for block, of in zip(blocks, aspects):
        names = [f"{ASPECTS[number]} {' and '.join(map(str, of[number]))}" for number in differing]
        where = f" ({', '.join(names)})" if names else ""
        yield f"{heading}{where}\n\n{block}\n"
