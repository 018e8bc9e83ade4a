"use strict";
// One cell: its rounds, calls, start, memory, image, flags, provenance, and the command that measures it again.
const KIND_NAMES = ["first call", "warm-up", "measured"];
const ROUND_COLUMNS = ["round", "status", "iterations_per_second", "latency_s", "first_call_s", "startup_s", "cache", "calls", "stopped_by", "started_at"];
const START_COLUMNS = ["first_call_cold_s", "first_call_warm_s", "startup_cold_s", "startup_warm_s", "breakeven_cold_images", "breakeven_warm_images", "graphs", "graph_breaks"];
const MEMORY_COLUMNS = ["start_peak_process_mib", "peak_process_mib", "start_peak_reserved_mib", "peak_reserved_mib", "start_peak_allocated_mib", "peak_allocated_mib", "start_peak_rss_mib", "peak_rss_mib"];
const WORK_COLUMNS = ["step_gflop", "ceiling_percent", "bound", "energy_per_image_j", "price_per_1000_images_usd"];
const IMAGE_COLUMNS = ["fidelity", "psnr_db", "ssim", "latents_difference", "noise_floor_db"];

const printed = (value) => (typeof value === "number" || value === "inf" ? digits(value) : String(value));

function list(pairs) {
  const entries = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "");
  return make("dl", {}, ...entries.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, printed(value))]));
}

// A cell's values in these columns, with their headings; a break-even is against the dataset's own baseline.
function listOf(cell, columns) {
  const isBreakeven = (column) => column.startsWith("breakeven_");
  const headingOf = (column) => DATA.headings[column] + (isBreakeven(column) ? `, against ${DATA.baselines[0].label}` : "");
  return list(columns.map((column) => [headingOf(column), isBreakeven(column) && cell[column] === "inf" ? "never" : cell[column]]));
}

function section(title, ...children) {
  return children.length ? [make("h3", {}, title), ...children] : [];
}

function roundsOf(cell) {
  if (!cell.rounds) return [];
  const names = ROUND_COLUMNS.filter((name) => cell.rounds.some((round) => name in round));
  const head = make("tr", {}, ...names.map((name) => make("th", { scope: "col" }, DATA.headings[name])));
  const rows = cell.rounds.map((round) => make("tr", {}, ...names.map((name) => make("td", {}, name in round ? printed(round[name]) : "-"))));
  const details = cell.rounds.filter((round) => round.detail || round.evidence || round.unverified).map((round) => make("p", {}, `Round ${round.round}: ${[round.detail, round.evidence, round.unverified && `not verified: ${round.unverified}`].filter(Boolean).join("; ")}`));
  const grid = make("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "Rounds" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows)));
  return [grid, ...details];
}

function callsOf(cell) {
  if (!cell.calls) return [];
  const count = {};
  const points = cell.calls.map(([round, kind, seconds]) => ({ call: (count[round] = (count[round] || 0) + 1), round: `round ${round}`, kind: KIND_NAMES[kind], seconds }));
  const warm = points.filter((point) => point.kind === "measured");
  const [first, rest] = [points.filter((point) => point.kind === "first call"), points.filter((point) => point.kind !== "first call")];
  const firstCalls = first.map((point) => `${point.round}: ${digits(point.seconds)} s`).join(", ");
  const drawn = plot("Calls", `Seconds of each call, in order: hollow during warm-up, filled when measured (${warm.length} ${warm.length === 1 ? "call" : "calls"}).${firstCalls ? ` First calls, not drawn: ${firstCalls}.` : ""}`, rest.length && {
    width: Math.min(WIDTH(), 900),
    height: 260,
    ...margins,
    color: { legend: true, scheme: "Tableau10" },
    x: { label: "call", tickFormat: (call) => (Number.isInteger(call) ? String(call) : "") },
    y: { label: "seconds", grid: true, zero: true },
    marks: [Plot.dot(rest, { x: "call", y: "seconds", stroke: "round" }), Plot.dot(warm, { x: "call", y: "seconds", fill: "round", tip: true, title: (point) => `${point.round}, ${point.kind}\n${digits(point.seconds)} s` })],
  });
  return [drawn];
}

function stripOf(cell) {
  const source = DATA.strips[[cell.gpu, cell.torch, cell.pipeline, cell.batch_size].join("/")];
  const parts = cell.fidelity ? [listOf(cell, IMAGE_COLUMNS)] : [];
  if (cell.fidelity && !source) parts.push(make("p", { className: "note" }, "This page does not include the images."));
  if (source) parts.push(make("img", { src: source, alt: `Images of ${cell.name} by variant, next to the baseline's: this one is ${cell.fidelity || "not compared"}` }));
  return parts;
}

function provenanceOf(cell) {
  const known = DATA.provenances[cell.provenance];
  const own = ["measured_on", "device_name", "torch_version", "diffusers_version", "dtype", "scale", "weights"].map((name) => [name, cell[name]]);
  return [list([["source", DATA.source], ...(known ? Object.entries(known) : own), ["definition", cell.definition]])];
}

function renderCell() {
  const dialog = document.getElementById("cell");
  const cell = CELLS.get(state.cell);
  if (!cell) return dialog.open && dialog.close();
  const close = make("button", { type: "button", id: "close" }, "Close");
  close.onclick = () => dialog.close();
  const heading = make("h2", { id: "cell-heading" }, `${cell.name}, batch size ${cell.batch_size}, ${nameOf(cell, "variant")}, torch ${nameOf(cell, "torch")}, ${nameOf(cell, "gpu")}`);
  const speedup = speedupOf(cell);
  const copy = make("button", { type: "button" }, "Copy the command");
  const copied = make("p", { role: "status" });
  copy.onclick = () => copyText(cell.commands, "The command", copied);
  dialog.replaceChildren(
    make("header", {}, heading, close),
    ...(DATA.note ? [make("p", { className: "warning" }, DATA.note)] : []),
    list([
      [UNITS[state.unit], `${printValue(cell)} ${valueOf(cell)[0] === null ? "" : printInterval(...valueOf(cell).slice(1))}`.trim()],
      [`Speed-up against ${baselineName()}`, speedup && `${printSpeedup(cell)} ${printInterval(...speedup.slice(1, 4))} ${speedup[3]}`.trim()],
      [DATA.headings.status, LABELS.status.get(cell.status)],
      [DATA.headings.detail, cell.detail],
      [DATA.headings.mark, cell.mark && [cell.mark, DATA.marks[cell.mark]].filter(Boolean).join(": ")],
      [DATA.headings.flags, cell.flags],
      [DATA.headings.unverified, cell.unverified],
      ["Conditions that differ from that baseline", differencesOf(cell)],
    ]),
    ...section("Rounds", ...roundsOf(cell)),
    ...callsOf(cell),
    ...(cell.startup_cold_s === undefined && cell.startup_warm_s === undefined ? [] : section("Start", listOf(cell, START_COLUMNS))),
    ...(memoryOf(cell) === null ? [] : section("Memory and work", listOf(cell, [...MEMORY_COLUMNS, ...WORK_COLUMNS]))),
    ...section("Image", ...stripOf(cell)),
    ...section("Provenance", ...provenanceOf(cell)),
    ...section(cell.rounds || cell.status === "open" ? "Measure this cell again" : "Measure this cell with the installed torch", make("pre", {}, cell.commands), copy, copied),
  );
  if (dialog.open) {
    close.focus();
    dialog.scrollTop = 0;
  } else dialog.showModal();
}

function openCell(key) {
  state.cell = key;
  writeLink();
  renderCell();
}
