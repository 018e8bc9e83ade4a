"use strict";
// Numbers in the chosen unit, and speed-ups over the chosen baseline.
const UNITS = DATA.units; // {unit: its words}

// [value, low, high] in a unit, each null if it is unknown.
function valueOf(cell, unit = state.unit) {
  let values = unit.includes("image") ? cell.images : [cell.iterations_per_second, cell.iterations_per_second_low, cell.iterations_per_second_high];
  if (cell.status !== "ok" || !values || !values[0]) return [null, null, null];
  values = values.map((value) => value ?? null);
  if (!unit.startsWith("s/")) return values;
  return [values[0], values[2], values[1]].map(inverse);
}

// The units in which the dataset has a number.
const USABLE_UNITS = Object.keys(UNITS).filter((unit) => unit === "it/s" || DATA.cells.some((cell) => valueOf(cell, unit)[0] !== null));

function inverse(value) {
  return value === null ? null : value === "inf" ? 0 : value === 0 ? "inf" : 1 / value;
}

// [speed-up, low, high, verdict, 1 if it is per image, index of DATA.differences] over the baseline; null if there is none.
function speedupOf(cell, baseline = state.baseline) {
  return cell.speedups[baseline] || null;
}

function isBaseline(cell, baseline = state.baseline) {
  return baseline.split(",").every((part) => cell[part.split(":")[0]] === part.slice(part.indexOf(":") + 1));
}

function digits(value) {
  if (value === null || value === undefined) return "-";
  if (value === "inf") return "∞";
  if (Number.isInteger(value)) return String(value);
  const size = Math.abs(value);
  if (size >= 1e6) return value.toExponential(2);
  return size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : size >= 1 ? value.toFixed(2) : Number(value.toPrecision(3)).toString();
}

function printValue(cell) {
  if (cell.status !== "ok") return cell.failure;
  const [value] = valueOf(cell);
  if (cell.text && state.unit === "it/s") return cell.text;
  return value === null ? "-" : digits(value);
}

// Whether an interval is narrow enough to be drawn.
function isUseful(low, high) {
  return low > 0 && high !== "inf" && high <= DATA.widest_interval * low;
}

// An interval, or `too few rounds` if it is too wide; a speed-up with a clear verdict always has its interval printed.
function printInterval(low, high, verdict = "unclear") {
  if (low === null || low === undefined) return "";
  return verdict === "unclear" && !isUseful(low, high) ? "(too few rounds)" : `(${digits(low)} to ${digits(high)})`;
}

function printSpeedup(cell) {
  const found = speedupOf(cell);
  if (!found) return "-";
  const times = found[0] === "inf" || found[0] < 0.1 ? digits(found[0]) : found[0].toFixed(2);
  return `${cell.fidelity === "different" ? `${DATA.other_image} other image: ` : ""}${times}x${found[4] ? " per image" : ""}`;
}

function nameOf(cell, axis) {
  return LABELS[axis].get(cell[axis]);
}

// The differences between a cell and the chosen baseline besides the one compared: "driver 535.1 and 550.2".
function differencesOf(cell) {
  return DATA.differences[speedupOf(cell)?.[5] ?? 0];
}

// Whether any of these cells has a speed-up per image, because its step count is not the baseline's.
function anyPerImage(cells) {
  return cells.some((cell) => speedupOf(cell)?.[4]);
}

// The peak memory, warm, in MiB; the tables print the same.
function memoryOf(cell) {
  return cell.memory?.[1] ?? null;
}

const MEMORY_KINDS = [...new Set(DATA.cells.flatMap((cell) => (cell.memory ? [cell.memory[2]] : [])))];

function printMemory(cell) {
  return digits(memoryOf(cell)) + (MEMORY_KINDS.length > 1 && cell.memory ? ` (${cell.memory[2]})` : "");
}

// `spread (round 2): …; drift (round 1): …` as its kinds.
function kindsOf(flags) {
  return [...new Set((flags || "").split("; ").filter(Boolean).map((flag) => flag.split(" (")[0]))].join(", ");
}
