"""How many of a model's repeated blocks run compiled, on modules that dynamo compiles for real."""

from types import SimpleNamespace

import pytest
import torch

from diffbench.mechanisms.compiled_blocks import REGION, check_blocks, judge, shows_compiled_code
from diffbench.vocabulary.errors import Invalid

pytestmark = pytest.mark.skipif(not shows_compiled_code(), reason="this torch does not show compiled code in a profile")


class Block(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layer = torch.nn.Linear(width, width)

    def forward(self, value):
        return self.layer(value).relu()


class Model(torch.nn.Module):
    """Blocks of two classes, the second of which no one compiles; with `idle` a block that is never called."""

    def __init__(self, widths, idle=False):
        super().__init__()
        self.blocks = torch.nn.ModuleList(map(Block, widths))
        self.idle = Block(3) if idle else None

    def forward(self):
        for width, block in zip((4, 5, 6, 7), self.blocks):
            block(torch.ones(2, width))


def evidence(model, kinds=("Block",)):
    """The evidence after the model's first call."""
    checks = []
    variant = SimpleNamespace(compiled={"unet": model}, check=lambda mechanism, run: checks.append(run))
    check_blocks(variant, "unet", kinds)
    with torch.no_grad():
        model()
        (look,) = checks
        return look(model)


@pytest.fixture(autouse=True)
def fresh():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def test_all_blocks_are_compiled_and_no_check_compiles_them_again():
    model = Model([4, 5, 6])
    for block in model.blocks:
        block.compile(backend="eager", dynamic=False)
    compiled = [block._compiled_call_impl for block in model.blocks]
    assert evidence(model) == "3 of 3 Block of unet compiled"
    assert [block._compiled_call_impl for block in model.blocks] == compiled


@pytest.mark.skipif(not hasattr(torch._dynamo.config, "recompile_limit"), reason="the limit is of each block here")
def test_blocks_beyond_the_limit_of_recompilations_run_as_they_are_written():
    """dynamo compiles a block's code once for each width, up to its limit, and then runs it eagerly without an error."""
    model = Model([4, 5, 6, 7])
    with torch._dynamo.config.patch(recompile_limit=2):
        for block in model.blocks:
            block.compile(backend="eager", dynamic=False)
        assert evidence(model) == "2 of 4 Block of unet compiled"


def test_blocks_that_are_not_compiled_or_never_called_are_not_counted():
    model = Model([4, 5, 6], idle=True)
    for block in [model.blocks[0], model.idle]:
        block.compile(backend="eager")
    assert evidence(model) == "1 of 4 Block of unet compiled"


def test_no_compiled_block_is_invalid():
    with pytest.raises(Invalid, match="regional compilation had no effect: 0 of 2 Block of unet compiled"):
        evidence(Model([4, 5]))


def test_regions_of_accelerate_are_counted():
    model = Model([4, 5])
    model.blocks[0] = torch.compile(model.blocks[0], backend="eager")
    model.idle = torch.compile(Block(3), backend="eager")
    assert evidence(model, {REGION}) == "1 of 2 regions of unet compiled"


def test_a_profile_that_shows_nothing_leaves_what_is_compiled_and_called():
    assert judge("unet", ["Block"] * 3, [True, True, False], {0, 2}, None) == "1 of 3 Block of unet compiled"
