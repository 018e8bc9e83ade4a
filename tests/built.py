"""A torch build that uv makes in seconds, from wheels that hold nothing but the way to the packages of these tests."""

import os
import site
import sys
import zipfile
from importlib import metadata
from pathlib import Path

PACKAGES = ("torch", "diffusers", "transformers", "accelerate")
FILE = """\
channels: [conda-forge, nodefaults]
dependencies:
  - python={python}
  - pip=25.0.1
  - pip:
{pins}
variables:
  DIFFBENCH_CUDA: "13.0"
"""


def write_wheel(folder, package, version, files=None):
    """A pure wheel of that name and version; `files` maps paths within site-packages to their text."""
    info = f"{package}-{version}.dist-info"
    texts = {f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"}
    texts[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    texts.update(files or {})
    texts[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*texts, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{package}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in texts.items():
            wheel.writestr(path, text)


def write_wheels(folder):
    """The wheels of the build in `folder`. Returns {package: version}."""
    folder.mkdir()
    versions = {package: metadata.version(package).partition("+")[0] for package in PACKAGES}
    here = {"of_the_tests.pth": "\n".join(path for path in sys.path if path in site.getsitepackages()) + "\n"}
    for package, version in versions.items():
        write_wheel(folder, package, version, here if package == "torch" else None)
    write_wheel(folder, "extra", "1.0")
    write_wheel(folder, "extra", "1.1")
    return versions


def write_environment(folder, name, pins):
    """envs/torch-<name>.yaml in a folder, with this Python and these pins."""
    lines = "\n".join(f"      - {package}=={version}" for package, version in pins.items())
    text = FILE.format(python=sys.version.split()[0], pins=lines)
    (folder / f"envs/torch-{name}.yaml").write_text(text, encoding="utf-8")


def offline(patch, wheels):
    """Let uv take packages from the folder `wheels` alone, keep them in no cache that others use, and find this Python."""
    patch.setenv("UV_FIND_LINKS", str(wheels))
    patch.setenv("UV_NO_INDEX", "1")
    patch.setenv("UV_CACHE_DIR", str(wheels.parent / "cache"))
    patch.setenv("PATH", os.pathsep.join([os.environ["PATH"], str(Path(sys.base_prefix) / "bin")]))
