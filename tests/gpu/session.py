"""A session on a GPU: works through the list of work within its minutes, and keeps what is measured after every step."""

import os
import re
import shutil
import tempfile
import time
from datetime import UTC, datetime

import minutes
import worklist
import yaml
from comparing import Comparing
from datasets import CHECKS, PASSED, RUN, Dataset, key_of, name_of, read_archive, read_folder, rows_in, write_archive
from processes import start, wait

from diffbench.catalogue.definition import ROOT
from diffbench.measurement.start_method import OWNER_VARIABLE
from diffbench.vocabulary.columns import PHASES
from diffbench.vocabulary.errors import DiffbenchError

ENDING_S = 15  # of the minutes, kept for stopping what runs and for the comparison of the last images
LOG_CHARACTERS = 20000  # of a run that failed, the last
NO_TESTS_LEFT = 5  # pytest's exit code


class Session:
    """One session: `steps` are all of the list, `dataset` what was measured into this output folder, `spent` seconds by phase.

    `arguments` are those of run.py, `begin_s` when it started. Raises DiffbenchError for what is wrong with the list.
    """

    def __init__(self, arguments, gpu, torch_version, begin_s):
        self.arguments, self.gpu, self.begin_s = arguments, gpu, begin_s
        self.ends_s = self.begin_s + 60 * arguments.minutes - ENDING_S
        self.config, entries = worklist.read_list(arguments.list or worklist.LIST)
        if arguments.rehearse:
            self.config["scale"] = "tiny"
        self.name = name_of(gpu, torch_version)
        self.config = {**self.config, "gpus": [gpu], "torch": [worklist.INSTALLED]}
        self.steps = worklist.all_steps(chosen(entries, arguments.only), self.config)
        self.committed = read_folder(ROOT / "resources/measured" / self.name)
        self.archive = arguments.output / f"{self.name}.zip"
        self.dataset = read_archive(self.archive)[1] if self.archive.is_file() else Dataset()
        self.spent, self.finished, self.failed = {}, [], []
        done = {(*key_of(row), row["definition"]) for row in self.dataset.rows()}
        runs = [
            step for step in self.steps if isinstance(step, worklist.Run) and (*step.key(gpu), step.definition) in done
        ]
        kept = [(step, self.folder(step)) for step in runs if (self.folder(step) / "run.csv").is_file()]
        self.comparing = Comparing(gpu, self.config["baseline"], self.dataset.tables["fidelity.csv"], kept)

    def folder(self, step):
        """The folder of a run."""
        return self.arguments.output / "runs" / "-".join(map(str, [*step[1:6], step.definition]))

    def left(self):
        """The steps that are missing, but for those that could not be set up just now."""
        found = worklist.missing(self.steps, [self.committed, self.dataset], self.gpu)
        return [step for step in found if step.name not in self.failed]

    def expected_s(self, step):
        """How long a step will take, in seconds. A cell that was measured on this machine has a compiler cache here."""
        rounds = range(1, step.rounds + 1) if isinstance(step, worklist.Run) else ()
        is_cached = any((self.folder(step._replace(round=number)) / "run.csv").is_file() for number in rounds)
        return worklist.expected_s(step, self.gpu, [self.committed, self.dataset], is_cached)

    def next_step(self):
        """The first step that is left and fits into the time; None if none does."""
        left_s = self.ends_s - time.monotonic()
        return next((step for step in self.left() if self.expected_s(step) <= left_s), None)

    def measure(self):
        """Work through the list until nothing is left or fits."""
        while (step := self.next_step()) is not None:
            print(f"{step.of}: {step.name}: {self.ends_s - time.monotonic():.0f} s left", flush=True)
            begin_s = time.monotonic()
            done = self.do(step, begin_s)
            self.save()
            if not done:
                self.spend("lost", time.monotonic() - begin_s)
            if done is None:
                print("  stopped: the time is over")
                return
            print(f"  {'done' if done else 'FAILED'} in {time.monotonic() - begin_s:.1f} s", flush=True)
            (self.finished if done else self.failed).append(step.name)
            if len(self.failed) > 2 and not self.finished:
                print("the first three failed: stopping")
                return

    def do(self, step, begin_s):
        """Do one step. Returns whether it gave what it is for; None if the time was over before."""
        if isinstance(step, worklist.Run):
            return self.do_run(step, begin_s)
        is_ceilings = isinstance(step, worklist.Ceilings)
        done = self.do_ceilings(step) if is_ceilings else self.do_check(step)
        if done:
            self.spend("ceilings" if is_ceilings else "checks", time.monotonic() - begin_s)
        return done

    def spend(self, name, seconds):
        """Note what the minutes are spent on."""
        self.spent[name] = self.spent.get(name, 0) + seconds

    def do_run(self, step, begin_s):
        """Measure one round of one cell, as measure.py does."""
        folder = self.folder(step)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        watch = minutes.Watch(folder / "events.jsonl")
        command = worklist.measure_command(step, self.config, self.gpu, folder)
        process = start([*command, "--events", watch.path], {OWNER_VARIABLE: str(os.getpid())})
        # what was measured before is compared while this run starts, and measures nothing yet
        code = wait(process, self.ends_s, self.comparing.compare, watch.look)
        end_s, events = time.monotonic(), watch.events()
        if code != 0:
            return None if code is None else False
        rows = rows_in((folder / "run.csv").read_text(encoding="utf-8"))
        if self.arguments.revision:
            rows = [{**row, "code_revision": self.arguments.revision} for row in rows]
        self.dataset.tables["measurements.csv"] += rows
        self.dataset.add("calls.csv", (folder / "calls.csv").read_text(encoding="utf-8"))
        if any(row["status"] != "ok" for row in rows):
            log = (folder / "measure.log").read_text(encoding="utf-8", errors="replace")
            self.dataset.texts[f"logs/{folder.name}.txt"] = log[-LOG_CHARACTERS:]
        compile_s = sum(float(row["compile_s"] or 0) for row in rows)
        phases = minutes.phases_of(begin_s, watch.found_s, events, end_s, compile_s)
        for phase, seconds in phases.items():
            self.spend(phase, seconds)
        line = dict(zip(RUN, step.key(self.gpu))) | {"definition": step.definition, "started_at": rows[0]["started_at"]}
        line |= {"wall_s": end_s - begin_s} | {PHASES[phase]: seconds for phase, seconds in phases.items()}
        self.dataset.tables["minutes.csv"].append(
            {name: f"{value:.2f}" if isinstance(value, float) else value for name, value in line.items()}
        )
        self.comparing.add(step, folder)
        return True

    def do_ceilings(self, step):
        """Measure what the device can do at most."""
        target = self.arguments.output / "ceilings.csv"
        target.unlink(missing_ok=True)
        command = [
            ROOT / "workflow/scripts/ceiling.py",
            "--gpu",
            self.gpu,
            "--output",
            target,
            "--dtypes",
            *step.dtypes,
        ]
        code = wait(start(command, {}), self.ends_s)
        if code != 0:
            return None if code is None else False
        self.dataset.add("ceilings.csv", target.read_text(encoding="utf-8"))
        return True

    def do_check(self, step):
        """Run a command and keep what it prints. Tests that have passed already are left out, and those that pass are kept also
        if the time is over."""
        name = f"{CHECKS}/{step.name}.txt"
        before = "".join(dataset.texts.get(name, "") for dataset in (self.committed, self.dataset))
        passed = re.findall(r"^(\S+::\S.*?) (?:PASSED|SKIPPED)", before, flags=re.MULTILINE)
        deselected = [f"--deselect={test}" for test in passed]
        with (
            tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output,
            tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log,
        ):
            process = start([*step.command, *deselected], {}, stdout=output, stderr=log)
            code = wait(process, self.ends_s)
            output.seek(0), log.seek(0)
            printed, logged = output.read(), log.read()[-LOG_CHARACTERS:]
        print(printed, end="", flush=True)
        head = f"# {self.gpu}, {datetime.now(UTC):%Y-%m-%d}, python {' '.join(map(str, step.command))}\n"
        has_passed = code in (0, NO_TESTS_LEFT)
        ending = f"# {PASSED}\n" if has_passed else f"# stopped or failed: {code}\n"
        kept = "".join(f"{test} PASSED (before)\n" for test in passed)
        self.dataset.texts[name] = head + kept + printed + ending
        if not has_passed:
            print(logged, end="", flush=True)
            self.dataset.texts[f"logs/{step.name}.txt"] = logged
        return None if code is None else has_passed

    def save(self):
        """Put what is measured into the archive, whole or not at all."""
        rows = self.dataset.rows()
        of = {"pipelines": "pipeline", "variants": "variant", "batch_sizes": "batch_size", "sizes": "size"}
        own = {key: list(dict.fromkeys(row[axis] for row in rows)) for key, axis in of.items()}
        own["batch_sizes"] = list(map(int, own["batch_sizes"]))
        kept = {key: value for key, value in self.config.items() if key not in ("external", "documents")}
        self.dataset.texts["config.yaml"] = yaml.safe_dump({**kept, **own}, sort_keys=False, allow_unicode=True)
        write_archive(self.archive, self.name, self.dataset)
        if self.arguments.copy:
            write_archive(self.arguments.copy / self.archive.name, self.name, self.dataset)

    def report(self):
        """Say what was measured, what comes next and how the minutes were spent."""
        left = self.left()
        print(f"measured: {len(self.finished)} steps; failed: {len(self.failed)}")
        print(*worklist.describe(self.steps, left), sep="\n")
        for step in left[:3]:
            print(f"next: {step.of}: {step.name}, about {self.expected_s(step):.0f} s")
        print(*minutes.describe(self.spent, time.monotonic() - self.begin_s), sep="\n")
        print(f"in {self.archive}; python tests/gpu/merge.py puts it into resources/measured/{self.name}/")


def chosen(entries, only):
    """The entries named, in that order; all if none is. Raises DiffbenchError for an unknown name."""
    by_name = {found["name"]: found for found in entries}
    for name in only:
        if name not in by_name:
            raise DiffbenchError(f"--only: unknown name {name!r}; the list has: {', '.join(by_name)}")
    return [by_name[name] for name in only] or entries
