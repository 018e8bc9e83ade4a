"""The names that users give to GPUs, torch builds, pipelines, variants and datasets; they are folders and parts of links too.

The schemas in workflow/schemas repeat the pattern; tests/unit/test_names.py compares them.
"""

import re

NAME_PATTERN = "[A-Za-z0-9][A-Za-z0-9._-]*"
NAME = re.compile(rf"{NAME_PATTERN}\Z")
EXPECTED = "a name of letters, digits, . _ -"
