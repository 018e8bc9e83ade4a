"""The default config with other keys."""

import copy

from conftest import WHOLE_CONFIG as CONFIG


def changed(**keys):
    return {**copy.deepcopy(CONFIG), **keys}
