"""Another scheduler, with fewer steps."""

import inspect

from diffbench.libraries.classes import find_class
from diffbench.vocabulary.errors import SetupError, Unsupported

from .mechanism import CLASS_NAME, Mechanism, options_of
from .python_lines import arguments
from .torch_modules import name_of


def replace_scheduler(variant, setting):
    """Replace the pipeline's scheduler by one of another class, with the same configuration; `config` adds to it. The number of
    steps is part of the definition. Raises Unsupported if the class belongs to another family of noise schedules."""
    pipeline = variant.pipeline
    found, scheduler = pipeline.scheduler, find_class(setting["class"])
    needed = ["beta_schedule", *(["use_flow_sigmas"] if found.config.get("use_flow_sigmas") else [])]
    accepted = inspect.signature(scheduler.__init__).parameters
    if str(found.config.get("variance_type")).startswith("learned"):
        needed.append("variance_type")
    if "beta_schedule" not in found.config or not set(needed).issubset(accepted):
        raise Unsupported(f"{name_of(pipeline)} cannot use {setting['class']} instead of {name_of(found)}")
    unknown = sorted(set(setting.get("config", {})) - set(accepted))
    if unknown:
        raise SetupError(
            f"config/variants.yaml: scheduler.config: {setting['class']} takes no {unknown[0]!r}; correct the name"
        )
    pipeline.scheduler = scheduler.from_config(found.config, **setting.get("config", {}))
    if type(found) is scheduler and dict(found.config) == dict(pipeline.scheduler.config):
        raise Unsupported(f"{name_of(pipeline)} already has {setting['class']}")
    return f"scheduler {name_of(pipeline.scheduler)}, {variant.description['steps']} steps"


def write_lines(code, setting):
    name = code.use(setting["class"])
    code.add(f"pipe.scheduler = {name}.from_config({arguments('pipe.scheduler.config', **setting.get('config', {}))})")


SCHEDULER = Mechanism(
    name="scheduler",
    schema=options_of(
        {
            "class": CLASS_NAME,
            "steps": {"type": "integer", "minimum": 1, "expected": "an integer of 1 or more"},
            "config": {"type": "object"},
        },
        "a class of scheduler and its steps",
        required=["class", "steps"],
    ),
    apply=replace_scheduler,
    write_lines=write_lines,
    meaning="`class`, maximum number of `steps` and `config` of another scheduler.",
    evidence="Before the first call: the scheduler's class and the number of steps.",
)
