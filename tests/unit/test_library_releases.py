"""Whether a version is the release that was named."""

import pytest

from diffbench.libraries.releases import same_release


@pytest.mark.parametrize(
    ("found", "named", "same"),
    [
        ("2.13.0", "2.13.0", True),
        ("2.13.0+cpu", "2.13.0", True),
        ("2.13.0+cpu", "2.13.0+cpu", True),
        ("2.13.0+cpu", "2.13.0+cu128", False),
        ("2.13.0", "2.13.0+cpu", False),
        ("2.13.0+cpu", "2.13", False),
        ("2.1.3", "2.13", False),
        (None, "2.13.0", False),
    ],
)
def test_a_build_is_its_release_but_a_build_that_is_named_is_that_one(found, named, same):
    assert same_release(found, named) is same
