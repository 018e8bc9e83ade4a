"""A torch build that uv makes in seconds, from wheels that hold nothing but the way to the packages of these tests."""

import os
import sys
import sysconfig
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


def write_wheel(index, package, version, files=None):
    """Add a pure wheel of that name and version to a package index; `files` maps paths in site-packages to their text."""
    info = f"{package}-{version}.dist-info"
    texts = {f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"}
    texts[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    texts.update(files or {})
    texts[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*texts, f"{info}/RECORD"])
    folder = index / package
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"{package}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in texts.items():
            wheel.writestr(path, text)
    links = "".join(f'<a href="{path.name}">{path.name}</a>\n' for path in sorted(folder.glob("*.whl")))
    (folder / "index.html").write_text(links, encoding="utf-8")


def make_index(index):
    """A package index that holds the packages of the build. Returns {package: version}."""
    versions = {package: metadata.version(package).partition("+")[0] for package in PACKAGES}
    here = {"of_the_tests.pth": sysconfig.get_path("purelib") + "\n"}
    for package, version in versions.items():
        write_wheel(index, package, version, here if package == "torch" else None)
    write_wheel(index, "extra", "1.0")
    write_wheel(index, "extra", "1.1")
    return versions


def write_environment(folder, name, pins):
    """envs/torch-<name>.yaml in a folder, with this Python and these pins."""
    lines = "\n".join(f"      - {package}=={version}" for package, version in pins.items())
    text = FILE.format(python=sys.version.split()[0], pins=lines)
    (folder / f"envs/torch-{name}.yaml").write_text(text, encoding="utf-8")


def use_index(patch, index):
    """Let uv take packages from this index alone, keep them in no cache that others use, and find this Python."""
    patch.setenv("UV_DEFAULT_INDEX", index.as_uri())
    patch.delenv("UV_FIND_LINKS", raising=False)
    patch.setenv("UV_CACHE_DIR", str(index.with_name("cache")))
    patch.setenv("PATH", os.pathsep.join([os.environ["PATH"], str(Path(sys.base_prefix) / "bin")]))
