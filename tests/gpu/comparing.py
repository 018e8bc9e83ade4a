"""What a session's runs made, compared with what the baseline made of the same seed: on the machine, for images do not travel."""

import importlib
import tempfile
import traceback

from datasets import key_of, rows_in


class Comparing:
    """Compares each run with the baseline's first of its cell that is on this machine. `gpu` names the device, `baseline` is the
    config's, `fidelity` the rows so far, `runs` the (step, folder) that were measured before."""

    def __init__(self, gpu, baseline, fidelity, runs):
        known = {key_of(row) for row in fidelity}
        self.variant, self.baseline, self.fidelity, self.runs = baseline["variant"], baseline, fidelity, list(runs)
        self.waiting = [(step, folder) for step, folder in self.runs if step.key(gpu) not in known]

    def add(self, step, folder):
        """Take in a run that was just measured."""
        self.runs.append((step, folder))
        self.waiting.append((step, folder))

    def compare(self):
        """Compare what waits and has a baseline. Whatever goes wrong is printed: it must not end the session."""
        importlib.import_module("diffbench.statistics.fidelity")  # takes seconds: the first run starts meanwhile
        later = []
        for step, folder in self.waiting:
            bases = [path for other, path in self.runs if other.variant == self.variant and other[1:4] == step[1:4]]
            if not bases:
                later.append((step, folder))
                continue
            try:
                self.fidelity += rows_of(step, [*bases, *({folder} - set(bases))], self.baseline)
            except Exception as error:  # a damaged file, or a package that is missing
                print(f"  {step.name}: not compared: {traceback.format_exception_only(error)[-1].strip()}")
        self.waiting = later


def rows_of(step, folders, baseline):
    """The rows of fidelity.csv of a run, which is in one of the folders; the baseline's runs are in the others."""
    from diffbench.data.fidelity_csv import write_fidelity
    from diffbench.data.outputs import read_runs
    from diffbench.statistics.fidelity import compare_runs

    found = compare_runs(read_runs([folder / "run.csv" for folder in folders]), baseline)
    with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
        write_fidelity(found[(found["variant"] == step.variant) & (found["round"] == step.round)], file)
        file.seek(0)
        return rows_in(file.read())
