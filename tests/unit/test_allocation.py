"""The edges of what a job's allocation leaves for a run; test_gpus.py has the usual cases."""

import pytest

from diffbench.measurement.allocation import lower_limits
from diffbench.vocabulary.errors import SetupError


def test_half_of_the_time_may_go_into_waiting_and_no_more():
    whole_s = 10 * 60 - 90
    assert lower_limits(3600, None, 0, 10, whole_s / 2).time_s == whole_s / 2
    with pytest.raises(SetupError, match="the device was busy for 256 s of the job's 10 minutes"):
        lower_limits(3600, None, 0, 10, whole_s / 2 + 1)


@pytest.mark.parametrize(("allocated_mib", "enough"), [(1200, True), (1199, False)])
def test_a_run_needs_200_mib(allocated_mib, enough):
    if enough:
        assert lower_limits(3600, None, allocated_mib, 0, 0).memory_mib == 200
    else:
        with pytest.raises(SetupError, match="the job's allocation is 1199 MiB, of which 1000 MiB are not the run's"):
            lower_limits(3600, None, allocated_mib, 0, 0)


def test_a_limit_that_is_the_allocations_as_well_as_the_configs_is_the_configs():
    assert lower_limits(510, 1000, 2000, 10, 0) == (510, 1000, "", "")
