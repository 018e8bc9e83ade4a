"""Signals that ask Snakemake to end."""

import os
import signal

import pytest

import ending
from measurement import starting


@pytest.fixture(autouse=True)
def handlers():
    """The signals' handlers are put back."""
    before = [signal.getsignal(number) for number in starting.SIGNALS]
    yield
    for number, handler in zip(starting.SIGNALS, before):
        signal.signal(number, handler)


@pytest.mark.parametrize("number", starting.SIGNALS)
def test_a_signal_interrupts_snakemake(number):
    signal.signal(number, signal.SIG_DFL)
    ending.interruptible()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)


def test_under_nohup_a_hangup_does_not_end_snakemake():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    ending.interruptible()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_while_snakemake_ends_another_interrupt_does_nothing(monkeypatch):
    handler = ending.Interrupts()
    with pytest.raises(KeyboardInterrupt):
        handler(signal.SIGINT, None)
    handler(signal.SIGINT, None)
    monkeypatch.setattr(ending, "PATIENCE_S", 0)
    with pytest.raises(KeyboardInterrupt):
        handler(signal.SIGINT, None)
