"""One stage of a pipeline on one device: loaded, with the arguments of its call and the recorders of its loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from diffbench.catalogue.call_arguments import describe_unknown, named_arguments
from diffbench.mechanisms.registry import compiles
from diffbench.vocabulary.errors import SetupError
from diffbench.vocabulary.sizes import NATIVE, dimensions

from .call_size import size_arguments
from .flops import WorkRecorder
from .inputs import InputMaker
from .load import load_pipeline, native_image_size
from .outputs import OutputRecorder
from .timer import CallSample, LoopRecorder, clock_s
from .variant import Variant

if TYPE_CHECKING:
    from collections.abc import Mapping


SEED = 0
BATCH_ARGUMENT = "num_images_per_prompt"
RUN_ARGUMENTS = ("num_inference_steps", "generator")


class Stage:
    """One stage on one device: a loaded pipeline, its call's arguments and the recorders of its loop and its output."""

    def __init__(
        self, description: Mapping[str, Any], definition: Mapping[str, Any], device: torch.device, dtype: torch.dtype
    ) -> None:
        self.device = device
        self.batch_size = definition["batch_size"]
        self.size = definition.get("size", NATIVE)
        call = {**description["call"], **size_arguments(description, self.size)}
        # an offloaded pipeline may be larger than the device's memory
        place = torch.device("cpu") if "offload" in definition["variant"] else device
        self.pipeline = load_pipeline(description, definition["weights"], place, dtype)
        modules = description["modules"]
        check_description(self.pipeline, description)
        images = image_size(self.pipeline, {**call, **dimensions(self.size)})
        maker = InputMaker(images, self.batch_size, device, dtype)
        self.arguments = {name: maker.make(value) for name, value in call.items()}
        self.arguments["num_inference_steps"] = description["steps"]
        batch_argument = description.get("batch_argument", BATCH_ARGUMENT)
        if batch_argument is not None:  # without one the inputs carry the batch
            self.arguments[batch_argument] = self.batch_size
        self.work = WorkRecorder(self.pipeline, modules)
        self.variant = Variant(self.pipeline, description, definition["variant"], device, self.batch_size)
        self.work.watch(self.pipeline)
        self.recorder = LoopRecorder(self.pipeline, modules, device, compiles(definition["variant"]))
        self.outputs = OutputRecorder(self.pipeline, modules)

    def call(self, record: bool = False) -> CallSample:
        """One call of the pipeline with the fixed seed. Returns its sample. With `record` (not for measured calls) its
        output is kept and checked."""
        self.outputs.recording = record
        generator = torch.Generator(self.device).manual_seed(SEED)
        self.recorder.reset()
        start_s = clock_s(self.device)
        with self.variant.around_call():
            output = self.pipeline(**self.arguments, generator=generator)
        latency_s = clock_s(self.device) - start_s
        if record:
            self.outputs.images = next(iter(output.values()))
        return CallSample(latency_s, self.recorder.loop_s, self.recorder.iterations, self.recorder.denoiser_calls)


def image_size(pipeline: Any, call: Mapping[str, Any]) -> tuple[int, int] | None:
    """(height, width) in pixels of the call's images: the call's own arguments, else the pipeline's size; None if unknown."""
    native = native_image_size(pipeline)
    size = call.get("height", native), call.get("width", native)
    return None if None in size else size


def check_description(pipeline: Any, description: Mapping[str, Any]) -> None:
    """Raises SetupError if the catalogue names a module that the pipeline lacks, or an argument that its call does not
    take."""
    missing = [name for name in description["modules"] if getattr(pipeline, name, None) is None]
    if missing:
        raise SetupError(
            f"config/pipelines.yaml: modules: {description['class']} has no {missing[0]!r}; correct the name"
        )
    accepted = named_arguments(pipeline.__call__)
    batch_argument = description.get("batch_argument", BATCH_ARGUMENT)
    places = {**dict.fromkeys([*description["call"], *RUN_ARGUMENTS], "call"), batch_argument: "batch_argument"}
    for name, place in places.items():
        if name is not None and name not in accepted:
            problem = describe_unknown(description["class"], name, accepted)
            raise SetupError(f"config/pipelines.yaml: {place}: {problem}")
