"""The columns of every CSV, by topic and file. Each is one record with its name, type, meaning, unit and label.

outcome.py, speed.py, machine.py and provenance.py have the records of run.csv, summary.py those of summary.csv, other_files.py
the rest. The checks of rows, the headings of the page and the tables in docs/method.md come from them, and so do the lists here.
"""

from __future__ import annotations

from . import machine, other_files, outcome, provenance, speed, summary
from .column import heading_of, names_of

IDENTITY = names_of(outcome.IDENTITY)
CELL = [name for name in IDENTITY if name not in ("stage", "round")]
KEY = [*CELL, "stage"]  # one row of a summary
OUTCOME = names_of(outcome.OUTCOME)
RATE = names_of(speed.RATE)
START = names_of(speed.START)
MEMORY = names_of(machine.MEMORY)
WORK = names_of(machine.WORK)
EVIDENCE = names_of(outcome.EVIDENCE)
MACHINE = names_of(machine.MACHINE)
PROVENANCE = names_of(provenance.PROVENANCE)
RUN = {  # name: record, of run.csv and measurements.csv
    column.name: column
    for group in (
        *(outcome.IDENTITY, outcome.OUTCOME, speed.RATE, speed.START, machine.MEMORY, machine.WORK, outcome.EVIDENCE),
        *(machine.MACHINE, provenance.PROVENANCE),
    )
    for column in group
}
COLUMNS = list(RUN)
CALL_COLUMNS = [*IDENTITY, "definition", *names_of(other_files.CALL)]
CEILINGS = names_of(other_files.CEILING)
CEILING_COLUMNS = [
    *("gpu", "torch", "dtype"),
    *CEILINGS,
    *("device_name", "torch_version", "cuda_version", "threads", "started_at"),
]
FIDELITY_MEASURES = names_of(other_files.FIDELITY_MEASURES)
FIDELITY_COLUMNS = [
    *KEY,
    "round",
    *names_of(other_files.FIDELITY_ROUND, other_files.FIDELITY_MEASURES, other_files.FIDELITY_NOTES),
]
PHASES = {column.label: column.name for column in other_files.PHASE}  # of a run's time in a session on a GPU
MINUTE_COLUMNS = [*CELL, "round", "definition", "started_at", *names_of(other_files.WALL, other_files.PHASE)]

START_PEAKS = {  # column of run.csv: the same from before loading to the end of the warm-up
    "peak_allocated_mib": "start_peak_allocated_mib",
    "peak_reserved_mib": "start_peak_reserved_mib",
    "peak_process_mib": "start_peak_process_mib",
    "peak_rss_mib": "start_peak_rss_mib",
}
MEDIANS = [  # of summary.csv: the medians over the rounds of columns of run.csv
    "iterations",
    "iterations_per_second",
    "denoiser_calls_per_second",
    "images_per_second",
    "latency_s",
    "graphs",
    "graph_breaks",
    "recompilations",
    "peak_allocated_mib",
    "peak_reserved_mib",
    "peak_process_mib",
    "peak_rss_mib",
    "start_peak_allocated_mib",
    "start_peak_reserved_mib",
    "start_peak_process_mib",
    "start_peak_rss_mib",
    "energy_per_image_j",
    "step_gflop",
    "step_mib",
]
RELEASES = [  # of summary.csv: the same in every round of a cell, as its definition is
    "torch_version",
    "cuda_version",
    "python_version",
    "diffusers_version",
    "transformers_version",
    "accelerate_version",
    "compiler_version",
    "dtype",
    "scale",
    "weights",
    "threads",
]
JOINED = [  # of summary.csv: the different texts of the rounds
    "device_name",
    *RELEASES,
    "host_cpu",
    "host_cores",
    "driver_version",
    "libraries",
    "environment_variables",
    "weights_digest",
    "attention_kernels",
    "unverified",
]
STARTS = {  # column of run.csv: its medians over the rounds that started with a cold cache, and over those with a warm one
    "first_call_s": {"cold": "first_call_cold_s", "warm": "first_call_warm_s"},
    "compile_s": {"cold": "compile_cold_s", "warm": "compile_warm_s"},
    "startup_s": {"cold": "startup_cold_s", "warm": "startup_warm_s"},
}
BREAKEVEN = {"cold": "breakeven_cold_images", "warm": "breakeven_warm_images"}
INTERVALS = {  # column of summary.csv: the ends of its 95% interval
    "iterations_per_second": ("iterations_per_second_low", "iterations_per_second_high"),
    "speedup": ("speedup_low", "speedup_high"),
    "breakeven_cold_images": ("breakeven_cold_images_low", "breakeven_cold_images_high"),
    "breakeven_warm_images": ("breakeven_warm_images_low", "breakeven_warm_images_high"),
}
IMAGE = [name for name in names_of(summary.IMAGE) if name != "fidelity"]
SUMMARY = {  # name: record, of the columns that only summary.csv has, or in another sense
    column.name: column
    for group in (
        *(summary.ROUNDS, summary.RATE, summary.SPEEDUP, summary.START, summary.BREAKEVEN, summary.IMAGE),
        *(summary.CEILING, summary.PRICE, summary.REMARKS, summary.ORIGIN),
    )
    for column in group
}
SUMMARY_COLUMNS = [
    *KEY,
    *OUTCOME,
    *names_of(summary.ROUNDS),
    *MEDIANS,
    *names_of(summary.RATE, summary.SPEEDUP, summary.START, summary.BREAKEVEN, summary.IMAGE, summary.CEILING),
    *names_of(summary.PRICE, summary.REMARKS),
    *JOINED,
    *names_of(summary.ORIGIN),
]
SUMMARY_NUMBERS = [
    name
    for name in SUMMARY_COLUMNS
    if name in ("batch_size", "stage", *MEDIANS) or (name in SUMMARY and SUMMARY[name].type.is_number)
]
HEADINGS = {  # name: how the page heads it
    name: heading_of(column) for name, column in {**RUN, **SUMMARY}.items() if column.label
}
TABLES = {  # name of a table in docs/method.md: its columns
    "identity": outcome.IDENTITY + outcome.OUTCOME,
    "rates": speed.RATE,
    "start": speed.START,
    "memory": machine.MEMORY + machine.WORK,
    "evidence": outcome.EVIDENCE,
    "machine": machine.MACHINE,
    "provenance": provenance.PROVENANCE,
    "calls": other_files.CALL,
    "summary": tuple(SUMMARY.values()),
    "fidelity": other_files.FIDELITY_ROUND + other_files.FIDELITY_MEASURES + other_files.FIDELITY_NOTES,
    "ceilings": other_files.CEILING,
    "minutes": other_files.WALL + other_files.PHASE,
}
