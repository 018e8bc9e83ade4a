"use strict";
// The table: TanStack Table sorts, filters and pages; the result is written as a plain HTML table.
const PAGE_SIZE = 100;
const COLUMNS = [
  { id: "pipeline", header: "Pipeline", value: (cell) => cell.name, text: (cell) => [cell.name, cell.mark].filter(Boolean).join(" ") },
  { id: "gpu", header: "GPU", value: (cell) => nameOf(cell, "gpu") },
  { id: "batch_size", header: "Batch", value: (cell) => Number(cell.batch_size) },
  { id: "torch", header: "Torch", value: (cell) => nameOf(cell, "torch") },
  { id: "variant", header: "Variant", value: (cell) => nameOf(cell, "variant") },
  { id: "value", header: () => state.unit, value: (cell) => valueOf(cell)[0] ?? undefined, text: printValue, after: (cell) => [valueOf(cell)[0] === null ? "" : printInterval(...valueOf(cell).slice(1)), cell.unverified ? "not verified" : ""].filter(Boolean).join(" ") },
  { id: "speedup", header: "Speed-up", value: (cell) => speedupOf(cell)?.[0], text: printSpeedup, after: (cell) => (speedupOf(cell) ? printInterval(...speedupOf(cell).slice(1, 4)) : "") },
  { id: "verdict", header: "Verdict", value: (cell) => (isBaseline(cell) ? "baseline" : speedupOf(cell)?.[3] || undefined) },
  { id: "image", header: "Image", value: (cell) => cell.fidelity },
  { id: "memory", header: MEMORY_KINDS.length === 1 ? `Peak MiB, ${MEMORY_KINDS[0]}` : "Peak MiB", value: (cell) => memoryOf(cell) ?? undefined, text: printMemory },
  { id: "flags", header: "Flags", value: (cell) => kindsOf(cell.flags) || undefined },
];
const textOf = (column, cell) => (column.text ? column.text(cell) : String(column.value(cell) ?? "-"));
const headerOf = (column) => (typeof column.header === "function" ? column.header() : column.header);
// a column that is empty in the whole dataset is left out
const SHOWN = COLUMNS.filter((column) => DATA.cells.some((cell) => column.value(cell) !== undefined) || column.id === "value");

const table = TableCore.createTable({
  data: DATA.cells,
  columns: SHOWN.map((column) => ({ id: column.id, accessorFn: column.value, sortUndefined: "last", sortingFn: column.id === "batch_size" || ["value", "speedup", "memory"].includes(column.id) ? "basic" : "alphanumeric" })),
  state: {},
  onStateChange: () => {},
  renderFallbackValue: null,
  globalFilterFn: (row) => isShown(row.original),
  getColumnCanGlobalFilter: () => true,
  getCoreRowModel: TableCore.getCoreRowModel(),
  getFilteredRowModel: TableCore.getFilteredRowModel(),
  getSortedRowModel: TableCore.getSortedRowModel(),
  getPaginationRowModel: TableCore.getPaginationRowModel(),
});

function sorting() {
  const id = state.sort.replace(/^-/, "");
  return SHOWN.some((column) => column.id === id) ? [{ id, desc: state.sort.startsWith("-") }] : [];
}

// The cells that match the filters, sorted.
function update() {
  const last = Math.max(0, Math.ceil(DATA.cells.filter(isShown).length / PAGE_SIZE) - 1);
  state.page = Math.min(state.page, last);
  // new arrays and objects: the library keeps its results until these change
  table.setOptions((options) => ({
    ...options,
    data: [...DATA.cells],
    state: { ...table.initialState, sorting: sorting(), globalFilter: JSON.stringify(state), pagination: state.all ? { pageIndex: 0, pageSize: DATA.cells.length } : { pageIndex: state.page, pageSize: PAGE_SIZE } },
  }));
  return table.getSortedRowModel().rows.map((row) => row.original);
}

function headerCell(column) {
  const [now] = sorting();
  const mine = now && now.id === column.id;
  const arrow = make("span", { "aria-hidden": "true" }, mine ? (now.desc ? " ▼" : " ▲") : "");
  const button = make("button", { type: "button" }, headerOf(column), arrow);
  button.dataset.sort = column.id;
  button.onclick = () => {
    const first = ["speedup", "value", "memory"].includes(column.id) ? "-" : "";
    const other = first ? "" : "-";
    state.page = 0;
    state.sort = !mine ? first + column.id : state.sort === first + column.id ? other + column.id : "";
    render();
    document.querySelector(`[data-sort="${column.id}"]`).focus();
  };
  return make("th", { scope: "col", "aria-sort": mine ? (now.desc ? "descending" : "ascending") : "none" }, button);
}

function bodyCell(column, cell) {
  if (column.id === "pipeline") {
    const button = make("button", { type: "button" }, cell.name);
    button.dataset.cell = cell.key;
    button.onclick = () => openCell(cell.key);
    return make("th", { scope: "row" }, button, cell.mark ? ` ${cell.mark}` : "");
  }
  const text = textOf(column, cell);
  const entry = make("td", {}, text);
  if (column.id === "verdict") entry.className = text;
  if (column.id === "value" && cell.status !== "ok") Object.assign(entry, { className: "failed", title: cell.detail || "" });
  if (column.id === "value" && cell.unverified) entry.title = `not verified: ${cell.unverified}`;
  if (column.id === "speedup" && differencesOf(cell)) entry.title = `other conditions than the baseline: ${differencesOf(cell)}`;
  const after = column.after ? column.after(cell) : "";
  if (after) entry.append(" ", make("span", { className: "interval" }, after));
  return entry;
}

// How much of the dataset is shown, the unit, the baseline and the filters.
function shownOf(cells) {
  const count = cells.length === DATA.cells.length ? `All ${cells.length}` : `${cells.length} of ${DATA.cells.length}`;
  const pages = Math.ceil(cells.length / PAGE_SIZE);
  const page = pages > 1 && !state.all ? `, page ${state.page + 1} of ${pages}` : "";
  // speed-ups compare the denoising loop, even if the numbers are for whole calls
  const perImage = anyPerImage(cells) ? ", per image where step counts differ" : "";
  const speedups = `speed-ups against ${baselineName()}${state.unit.includes("image") ? ", of iterations per second" : ""}${perImage}`;
  return [`${count} cells and stages${page}`, `in ${UNITS[state.unit]}`, speedups, filtersOf()].filter(Boolean).join("; ");
}

function renderTable(cells) {
  const rows = table.getPaginationRowModel().rows.map((row) => make("tr", {}, ...SHOWN.map((column) => bodyCell(column, row.original))));
  const body = rows.length ? rows : [make("tr", {}, make("td", { colSpan: SHOWN.length }, "No cell matches these filters."))];
  const caption = make("caption", { className: "unseen" }, `${DATA.title}: ${UNITS[state.unit]}`);
  document.getElementById("cells").replaceChildren(caption, make("thead", {}, make("tr", {}, ...SHOWN.map(headerCell))), make("tbody", {}, ...body));
  document.getElementById("shown").textContent = `${shownOf(cells)}.`;
  renderPages(cells.length);
}

function renderPages(count) {
  const pages = Math.ceil(count / PAGE_SIZE);
  const go = (text, page) => {
    const button = make("button", { type: "button", disabled: page < 0 || page >= pages }, text);
    button.onclick = () => {
      state.page = page;
      render();
      const buttons = [...document.querySelectorAll("#pages button:enabled")];
      (buttons.find((one) => one.textContent === text) || buttons[0]).focus({ preventScroll: true });
      document.getElementById("shown").scrollIntoView();
    };
    return button;
  };
  const parts = [go("Previous", state.page - 1), ` page ${state.page + 1} of ${pages} `, go("Next", state.page + 1)];
  document.getElementById("pages").replaceChildren(...(pages > 1 ? parts : []));
}

const escapeMarkdown = (text) => text.replace(/[\p{C}\s]+/gu, " ").trim().replace(/[\\`*_[\]|~$]/g, "\\$&").replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

// All pages of the table as Markdown, with the notes that a reader needs below.
function toMarkdown(cells) {
  const line = (texts) => `| ${texts.map(escapeMarkdown).join(" | ")} |`;
  const rows = cells.map((cell) => line(SHOWN.map((column) => [textOf(column, cell), column.after ? column.after(cell) : ""].filter(Boolean).join(" "))));
  const notes = [`${DATA.title}.`, DATA.source && `Source: ${DATA.source}.`, `${shownOf(cells)}.`, ...[...document.querySelectorAll("header p.warning, .origin p")].map((one) => one.textContent)];
  return [line(SHOWN.map(headerOf)), `|${SHOWN.map(() => ":--").join("|")}|`, ...rows, "", escapeMarkdown(notes.filter(Boolean).join(" ")), ""].join("\n");
}
