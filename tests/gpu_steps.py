"""Steps of a session on a GPU, and their rows."""

import yaml
from datasets import Dataset
from worklist import all_steps, read_list


def steps_of(tmp_path, *entries):
    """The steps of a list with such entries."""
    path = tmp_path / "list.yaml"
    path.write_text(yaml.safe_dump({"config": "config/gpu.yaml", "work": list(entries)}), encoding="utf-8")
    config, found = read_list(path)
    return all_steps(found, config)


def row_of(make_row, step, **keys):
    """A row of a step on an H200."""
    cell = {"pipeline": step.pipeline, "batch_size": step.batch_size, "variant": step.variant, "round": step.round}
    place = {"gpu": "H200", "torch": "installed", "torch_version": "2.11.0+cu130", "device_id": "aaaa0000"}
    return make_row(**{**cell, **place, "definition": step.definition, **keys})


def dataset(*rows):
    found = Dataset()
    found.tables["measurements.csv"] = list(rows)
    return found


def first_steps(tmp_path):
    """The steps of one pipeline: eager and compile, two rounds."""
    return steps_of(
        tmp_path, {"name": "first", "pipelines": ["sd-txt2img"], "variants": ["eager", "compile"], "rounds": 2}
    )
