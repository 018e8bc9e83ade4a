"""The Python that a user pastes, as text. Each mechanism adds its lines."""

import json


def literal(value):
    """A value of a catalogue as Python code."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def arguments(*first, **options):
    """The arguments of a call, as Python code."""
    return ", ".join([*first, *(f"{name}={literal(value)}" for name, value in options.items())])


class Code:
    """The lines for the stages of a pipeline, one stage at a time, and their imports. `versions` are those of torch, Diffusers
    and transformers that the lines are for; None is the newest release."""

    def __init__(self, device, versions):
        self.device, self.versions = device, versions
        self.imports, self.lines, self.contexts, self.stage = {}, [], [], None

    def use(self, path):
        """Import a class or function, such as `torchao.quantization.quantize_`, or X (of diffusers). Returns its name."""
        library, _, name = path.rpartition(".")
        self.imports.setdefault(library or "diffusers", set()).add(name)
        return name

    def add(self, *lines):
        """Add lines."""
        self.lines += lines

    def modules(self):
        """The stage's modules, the denoiser first, as in `pipe.unet`."""
        return [f"pipe.{name}" for name in self.stage["modules"]]

    def every(self, method):
        """A list of the parameters or modules of all of the stage's modules, as Python code."""
        return f"[{', '.join(f'*{module}.{method}()' for module in self.modules())}]"

    def text(self):
        """The program."""
        imported = [
            f"from {library} import {', '.join(sorted(names))}" for library, names in sorted(self.imports.items())
        ]
        return "\n".join(["import torch", *imported, *self.lines]) + "\n"
