"""Files whose content a test gives, such as those of /proc."""

from pathlib import Path

import pytest


@pytest.fixture
def files(monkeypatch):
    """{path: content} of the files that `Path.read_text` finds; there are no others."""
    contents = {}

    def read_text(path, *arguments, **keys):
        if str(path) not in contents:
            raise FileNotFoundError(path)
        return contents[str(path)]

    monkeypatch.setattr(Path, "read_text", read_text)
    return contents
