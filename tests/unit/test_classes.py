"""A class that a release lacks is no outcome of a broken package, and the other way round."""

import sys

import pytest

from diffbench.libraries import classes
from diffbench.vocabulary.errors import SetupError, Unsupported

PACKAGE = """import importlib, sys, types

__version__ = "1.0"


def __getattr__(name):
    if not name.startswith("Has"):
        raise AttributeError(f"module diffusers has no attribute {name}")
    try:
        return importlib.import_module("diffusers.part").Found
    except Exception as error:
        raise RuntimeError(f"Failed to import diffusers.part: {error}") from error
"""


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Write a library whose classes `Has…` need a module with this content, and `needed`, with that one."""

    def write(part, needed=""):
        for name, text in {"diffusers/__init__": PACKAGE, "diffusers/part": part, "needed/__init__": needed}.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / f"{name}.py").write_text(text)

    saved = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "diffusers"}
    for name in saved:
        del sys.modules[name]
    monkeypatch.syspath_prepend(str(tmp_path))
    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] in ("diffusers", "needed")]:
        del sys.modules[name]
    sys.modules.update(saved)


def test_a_class_that_is_there_is_found(library):
    library("class Found: pass")
    assert classes.find_class("HasFound").__name__ == "Found"


@pytest.mark.parametrize(
    ("path", "part", "needed"),
    [
        ("Newer", "", ""),
        ("diffusers.newer.Has", "", ""),
        ("Has", "import nowhere_installed", ""),
        ("Has", "from needed import Newer", ""),
        ("Has", "import needed.newer", ""),
        ("Has", "import needed; needed.newer", ""),
        ("Has", "raise ValueError('unsupported type torch.Tensor')", ""),
    ],
)
def test_what_this_release_lacks_is_unsupported(library, path, part, needed):
    library(part, needed)
    with pytest.raises(Unsupported, match="^diffusers(.newer)? 1.0 has no class"):
        classes.find_class(path)


@pytest.mark.parametrize(
    ("needed", "said"),
    [
        ("raise ImportError('libx.so: undefined symbol: f')", "ImportError: libx.so: undefined symbol: f"),
        ("raise RuntimeError('broken')", "RuntimeError: broken"),
        ("import needed.gone", "ModuleNotFoundError: No module named 'needed.gone'"),
        ("from needed import gone", "ImportError: cannot import name 'gone'"),
        ("def", "SyntaxError: invalid syntax"),
        ("raise SystemExit(0)", "SystemExit: 0"),
    ],
)
def test_a_package_that_is_broken_is_a_set_up_error(library, needed, said):
    library("import needed", needed)
    with pytest.raises(SetupError) as caught:
        classes.find_class("Has")
    assert str(caught.value).startswith(f"Has cannot be imported: {said}")
    assert str(caught.value).endswith("; a package is broken: install it again")
    assert len(str(caught.value)) <= 200
