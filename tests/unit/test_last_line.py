"""Signals that ask Snakemake to end."""

import os
import signal

import pytest

from diffbench.system import program_start
from diffbench.terminal import last_line


@pytest.fixture(autouse=True)
def handlers():
    """The signals' handlers are put back."""
    before = [signal.getsignal(number) for number in program_start.SIGNALS]
    yield
    for number, handler in zip(program_start.SIGNALS, before):
        signal.signal(number, handler)


@pytest.mark.parametrize("number", program_start.SIGNALS)
def test_a_signal_interrupts_snakemake(number):
    signal.signal(number, signal.SIG_DFL)
    last_line.interruptible()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)


def test_under_nohup_a_hangup_does_not_end_snakemake():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    last_line.interruptible()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_while_snakemake_ends_another_interrupt_does_nothing(monkeypatch):
    handler = last_line.Interrupts()
    with pytest.raises(KeyboardInterrupt):
        handler(signal.SIGINT, None)
    handler(signal.SIGINT, None)
    monkeypatch.setattr(last_line, "PATIENCE_S", 0)
    with pytest.raises(KeyboardInterrupt):
        handler(signal.SIGINT, None)
