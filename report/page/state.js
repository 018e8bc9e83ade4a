"use strict";
// What the page shows, and its link: the URL's fragment has every choice.
const DATA = JSON.parse(document.getElementById("data").textContent);
const AXES = { gpu: "GPU", pipeline: "Pipeline", batch_size: "Batch size", torch: "Torch", variant: "Variant", status: "Status" };
const LABELS = {};
for (const axis of Object.keys(AXES)) LABELS[axis] = new Map(DATA.dimensions[axis]);
const CELLS = new Map(DATA.cells.map((cell) => [cell.key, cell]));
const state = {};

function clear() {
  Object.assign(state, { unit: "it/s", baseline: DATA.baselines[0].key, sort: "", flagged: "", cell: "", one: "", group: "", page: 0 });
  for (const axis of Object.keys(AXES)) state[axis] = [];
}

clear();

// Ignores anything in the fragment that the page does not have.
function readLink() {
  clear();
  const asked = new URLSearchParams(location.hash.slice(1));
  for (const axis of Object.keys(AXES)) {
    state[axis] = [...new Set((asked.get(axis) || "").split(","))].filter((name) => LABELS[axis].has(name));
  }
  if (USABLE_UNITS.includes(asked.get("unit"))) state.unit = asked.get("unit");
  if (DATA.baselines.some((baseline) => baseline.key === asked.get("baseline"))) state.baseline = asked.get("baseline");
  if (CELLS.has(asked.get("cell"))) state.cell = asked.get("cell");
  if (SHOWN.some((column) => column.id === (asked.get("sort") || "").replace(/^-/, ""))) state.sort = asked.get("sort");
  if (asked.get("flagged") === "1") state.flagged = "1";
  if (LABELS.gpu.has(asked.get("one"))) state.one = asked.get("one");
  if (DATA.cells.some((cell) => groupOf(cell) === asked.get("group"))) state.group = asked.get("group");
}

function writeLink() {
  const parts = new URLSearchParams();
  for (const axis of Object.keys(AXES)) if (state[axis].length) parts.set(axis, state[axis].join(","));
  if (state.unit !== "it/s") parts.set("unit", state.unit);
  if (state.baseline !== DATA.baselines[0].key) parts.set("baseline", state.baseline);
  for (const name of ["sort", "flagged", "one", "group", "cell"]) if (state[name]) parts.set(name, state[name]);
  history.replaceState(null, "", "#" + parts);
}

// The filters in words: `GPU A100 or T4; Torch 2.0`.
function filtersOf() {
  const filters = Object.keys(AXES).filter((axis) => state[axis].length).map((axis) => `${AXES[axis]} ${state[axis].map((name) => LABELS[axis].get(name)).join(" or ")}`);
  return [...filters, ...(state.flagged ? ["flagged only"] : [])].join("; ");
}

function baselineName() {
  return DATA.baselines.find((one) => one.key === state.baseline).label;
}

function isShown(cell) {
  return Object.keys(AXES).every((axis) => !state[axis].length || state[axis].includes(cell[axis])) && (!state.flagged || cell.flags);
}

// An element with text and children; no data ever becomes markup.
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role" || name === "scope") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}
