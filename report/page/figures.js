"use strict";
// Figures of the cells that the table shows, as SVG by Observable Plot.
const MOST_MARKS = 400;
const WIDTH = () => Math.max(300, Math.min(1100, document.querySelector("main").clientWidth - 10));
const columnOf = (cell) => (LABELS.torch.size > 1 ? `${nameOf(cell, "variant")}, torch ${nameOf(cell, "torch")}` : nameOf(cell, "variant"));
const ALL_COLUMNS = [...new Set(DATA.cells.map(columnOf))];
const rowOf = (cell) => `${cell.name}, batch ${cell.batch_size}`;
const PALETTE = [...d3.schemeTableau10, ...d3.schemeDark2, ...d3.schemeSet1];
const STEP = 5; // pixels between the columns of a row, so that their intervals do not overlap
const margins = { marginLeft: 60, marginBottom: 52 };
const domainOf = (points, value) => [0, 1.05 * Math.max(...points.map((point) => (isUseful(point.low, point.high) ? point.high : point[value])))];
const CHARACTER = 6.6; // pixels, about
const widest = (texts) => Math.min(330, 0.45 * WIDTH(), 14 + CHARACTER * Math.max(8, ...texts.map((text) => text.length)));
// The names of these cells' rows, and the rest of the caption: a batch size that all of them share is not repeated.
function rowsOf(cells) {
  const sizes = new Set(cells.map((cell) => cell.batch_size));
  return sizes.size > 1 ? [rowOf, ""] : [(cell) => cell.name, ` Batch size ${[...sizes][0]}.`];
}

// A row's name in this many pixels: drops the middle of the pipeline's name, because names differ at their ends.
const shortened = (pixels) => (text) => {
  const most = Math.floor(pixels / CHARACTER) - 2;
  if (text.length <= most) return text;
  const batch = (text.match(/, batch \d+$/) || [""])[0];
  const [name, left] = [text.slice(0, text.length - batch.length), Math.max(8, most - batch.length)];
  return `${name.slice(0, left - 6)}…${name.slice(-5)}${batch}`;
};
const firstOf = (shown, all) => (all.length > shown.length ? ` Only the first ${shown.length} of ${all.length} are drawn; filter to see others.` : "");

// One image with one name for a screen reader; the table has its numbers.
function draw(name, options) {
  const drawn = Plot.plot({ width: WIDTH(), style: { fontSize: "12px" }, ariaLabel: name, ...options });
  for (const part of drawn.querySelectorAll("g[aria-label]")) part.removeAttribute("aria-label");
  const images = drawn.matches("svg") ? [drawn] : drawn.querySelectorAll("svg[aria-label]");
  for (const image of images) image.setAttribute("role", "img");
  return drawn;
}

function plot(title, caption, options) {
  return framed(title, caption, options ? [draw(`${title}. ${withNote(caption)}`, options)] : []);
}

const withNote = (caption) => [caption, DATA.note].filter(Boolean).join(" ");

function framed(title, caption, drawn) {
  return make("figure", {}, make("h3", {}, title), ...drawn, make("figcaption", {}, drawn.length ? withNote(caption) : caption));
}

// A column has one colour in all figures, whatever is filtered.
function colorOf(points) {
  const domain = ALL_COLUMNS.filter((column) => points.some((point) => point.column === column));
  return { legend: true, domain, range: domain.map((column) => PALETTE[ALL_COLUMNS.indexOf(column) % PALETTE.length]) };
}

// Dots with intervals, one row per pipeline; with intervals, columns are one below the other.
function dotsOf(points, value, unit, facet) {
  const columns = [...new Set(points.map((point) => point.column))];
  const isLimited = (point) => isUseful(point.low, point.high);
  const isWide = (point) => point.low != null && !isLimited(point);
  const step = points.some(isLimited) ? STEP : 0;
  const marks = columns.flatMap((column, place) => {
    const [mine, dy] = [points.filter((point) => point.column === column), step * (place - (columns.length - 1) / 2)];
    const title = (point) => [point.row, point.column, ...(facet ? [point[facet]] : []), `${digits(point[value])}${unit}${point.perImage ? " per image" : ""}`].join("\n");
    return [
      Plot.ruleY(mine.filter(isLimited), { y: "row", fy: facet, x1: "low", x2: "high", stroke: "column", dy, clip: true }),
      Plot.dot(mine, { x: value, y: "row", fy: facet, fill: "column", r: step ? 3.5 : 4.5, dy, tip: true, title }),
      Plot.text(mine.filter((point) => point.other), { x: value, y: "row", fy: facet, text: () => DATA.other_image, dx: 11, dy }),
    ];
  });
  const intervals = [step ? "; thin lines are 95% intervals" : "", points.some(isWide) ? "; without a line, too few rounds for an interval" : ""].join("");
  return { marks, height: Math.max(18, 10 + step * columns.length), intervals };
}

function choice(id, label, options, value) {
  const select = make("select", { id }, ...options.map(([name, text]) => make("option", { value: name, selected: name === value }, text)));
  select.onchange = () => {
    state[id] = select.value;
    render();
    document.getElementById(id).focus();
  };
  return make("p", {}, make("label", {}, `${label} `, select));
}

function speedupsByGpu(cells) {
  const all = cells.filter((cell) => Number.isFinite(speedupOf(cell)?.[0]) && !isBaseline(cell));
  const shown = all.slice(0, MOST_MARKS);
  const [row, sizes] = rowsOf(shown);
  const points = shown.map((cell) => ({ gpu: nameOf(cell, "gpu"), row: row(cell), column: columnOf(cell), speedup: speedupOf(cell)[0], low: speedupOf(cell)[1], high: speedupOf(cell)[2], other: cell.fidelity === "different", perImage: speedupOf(cell)[4] }));
  if (!points.length) return plot("Speed-up by GPU", "No cell in the table has a speed-up over this baseline.");
  const rows = [...new Set(points.map((point) => point.row))];
  const gpus = [...new Set(points.map((point) => point.gpu))].map((gpu) => ({ gpu }));
  const dots = dotsOf(points, "speedup", "x", "gpu");
  const other = points.some((point) => point.other) ? ` ${DATA.other_image}: the image differs from the baseline's.` : "";
  const left = widest(rows);
  const perImage = anyPerImage(shown) ? ", per image where step counts differ" : "";
  return plot("Speed-up by GPU", `Over the chosen baseline${perImage}; the line at 1 is the baseline itself${dots.intervals}.${sizes}${other}${firstOf(shown, all)}`, {
    marginLeft: left,
    marginTop: 30,
    marginBottom: margins.marginBottom,
    height: 90 + gpus.length * (30 + dots.height * rows.length),
    color: colorOf(points),
    x: { grid: true, label: `speed-up (times${perImage})`, domain: domainOf([{ speedup: 1 }, ...points], "speedup") },
    y: { label: null, domain: rows, tickFormat: shortened(left) },
    fy: { axis: null, padding: gpus.length > 1 ? 0.15 : 0 },
    marks: [Plot.ruleX([1]), ...dots.marks, Plot.text(gpus, { fy: "gpu", text: "gpu", frameAnchor: "top-right", dy: -14, fontWeight: 600 })],
  });
}

function pipelinesOnOne(cells, gpu) {
  const all = cells.filter((cell) => cell.gpu === gpu && Number.isFinite(valueOf(cell)[0]));
  const shown = all.slice(0, MOST_MARKS);
  if (!shown.length) return plot("Pipelines on one GPU", "No cell in the table has a number in this unit on this GPU.");
  const [row, sizes] = rowsOf(shown);
  const points = shown.map((cell) => ({ row: row(cell), column: columnOf(cell), value: valueOf(cell)[0], low: valueOf(cell)[1], high: valueOf(cell)[2] }));
  const rows = [...new Set(points.map((point) => point.row))];
  const dots = dotsOf(points, "value", ` ${state.unit}`);
  const left = widest(rows);
  return plot(`Pipelines on ${LABELS.gpu.get(gpu)}`, `In ${UNITS[state.unit]}${dots.intervals}.${sizes}${firstOf(shown, all)}`, {
    marginLeft: left,
    height: 80 + dots.height * rows.length,
    marginBottom: margins.marginBottom,
    color: colorOf(points),
    x: { grid: true, label: state.unit, domain: domainOf(points, "value") },
    y: { label: null, domain: rows, tickFormat: shortened(left) },
    marks: dots.marks,
  });
}

function batchSizes(cells, gpu) {
  const images = cells.some((cell) => cell.images);
  const throughput = (cell) => (images ? cell.images?.[0] : cell.iterations_per_second && cell.iterations_per_second * Number(cell.batch_size));
  const shown = cells.filter((cell) => cell.gpu === gpu && cell.stage === 1 && cell.status === "ok" && throughput(cell));
  const points = shown.map((cell) => ({ pipeline: cell.name, column: columnOf(cell), size: Number(cell.batch_size), value: throughput(cell) }));
  if (new Set(points.map((point) => point.size)).size < 2) return plot("Batch-size scaling", "The table's cells on this GPU have fewer than two batch sizes.");
  const [title, unit] = [`Batch-size scaling on ${LABELS.gpu.get(gpu)}`, images ? "images/s" : "batch size × it/s"];
  const color = colorOf(points);
  const sizes = points.map((point) => point.size);
  const x = { type: "log", base: 2, domain: d3.extent(sizes), inset: 8, ticks: [...new Set(sizes)], tickFormat: String, label: "batch size" };
  const drawn = [...d3.group(points, (point) => point.pipeline)].map(([name, mine]) =>
    draw(`${title}: ${name}`, {
      width: Math.min(340, WIDTH()),
      height: 210,
      ...margins,
      marginTop: 34,
      color: { ...color, legend: false },
      x,
      y: { grid: true, zero: true, label: unit },
      marks: [
        Plot.text([name], { frameAnchor: "top", dy: -26, fontWeight: 600 }),
        Plot.lineY(mine, { x: "size", y: "value", stroke: "column", z: "column" }),
        Plot.dot(mine, { x: "size", y: "value", fill: "column", tip: true, title: (point) => `${point.column}, batch ${point.size}\n${digits(point.value)}` }),
      ],
    }),
  );
  const caption = `${images ? "Images per second of whole calls" : "Batch size times iterations per second: the denoising loop alone"}; first stages only; each pipeline has its own scale.`;
  return framed(title, caption, [Plot.legend({ color }), make("div", { className: "multiples" }, ...drawn)]);
}

const groupOf = (cell) => [cell.gpu, cell.pipeline, cell.batch_size, cell.stage].join("/");

function breakEven(cells) {
  const known = cells.filter((cell) => cell.images?.[0] && cell.startup_cold_s !== undefined && cell.status === "ok");
  const groups = new Map(known.map((cell) => [groupOf(cell), `${rowOf(cell)}, ${nameOf(cell, "gpu")}`]));
  if (!groups.size) return [plot("Break-even", "No cell in the table has a known start-up time.")];
  const group = groups.has(state.group) ? state.group : groups.keys().next().value;
  const shown = known.filter((cell) => groupOf(cell) === group);
  // a crossing is marked if both lines are drawn: the cell's and its own baseline's
  const [own, other] = [DATA.baselines[0], (cell) => shown.some((base) => isBaseline(base, own.key) && (own.key.includes("torch:") || base.torch === cell.torch))];
  const ends = shown.filter((cell) => Number.isFinite(cell.breakeven_cold_images) && cell.breakeven_cold_images > 0 && other(cell)).map((cell) => ({ images: cell.breakeven_cold_images, column: columnOf(cell) }));
  const last = Math.max(100, 2 * Math.max(0, ...ends.map((end) => end.images)));
  const points = shown.flatMap((cell) => [0, last].map((images) => ({ images, column: columnOf(cell), seconds: cell.startup_cold_s + images / cell.images[0] })));
  const drawn = plot(`Break-even: ${groups.get(group)}`, `Time to make that many images, including a cold start. Dashed: the number of images at which the variant catches up with ${own.label}, whichever baseline is chosen.`, {
    height: 340,
    ...margins,
    color: colorOf(points),
    x: { label: "images", grid: true },
    y: { label: "seconds", grid: true },
    marks: [
      Plot.ruleX(ends, { x: "images", stroke: "column", strokeDasharray: "3 3" }),
      Plot.lineY(points, { x: "images", y: "seconds", stroke: "column", z: "column", strokeWidth: 2 }),
      Plot.text(ends, { x: "images", frameAnchor: "top", textAnchor: "start", text: (end) => `${digits(end.images)} images`, fill: "column", dx: 4, dy: 4 }),
    ],
  });
  return [choice("group", "Break-even of", [...groups], group), drawn];
}

function roofline(cells) {
  const known = cells.filter((cell) => cell.achieved_tflops && cell.step_mib && cell.step_gflop && cell.status === "ok");
  if (!known.length) return plot("Roofline", "The work of the table's cells was not counted.");
  const points = known.map((cell) => ({ intensity: (cell.step_gflop * 1e9) / (cell.step_mib * 2 ** 20), tflops: cell.achieved_tflops, column: columnOf(cell), name: rowOf(cell) }));
  const limits = known.filter((cell) => cell.matmul_tflops && cell.copy_gib_per_second);
  const span = [0.5 * Math.min(...points.map((point) => point.intensity)), 4 * Math.max(...points.map((point) => point.intensity))];
  const roofs = [...new Map(limits.map((cell) => [`${cell.matmul_tflops}/${cell.copy_gib_per_second}`, cell])).values()].flatMap((cell, number) => {
    const bytes = (cell.copy_gib_per_second * 2 ** 30) / 1e12;
    const knee = cell.matmul_tflops / bytes;
    return [span[0], ...(knee > span[0] && knee < span[1] ? [knee] : []), span[1]].map((intensity) => ({ number, intensity, tflops: Math.min(cell.matmul_tflops, intensity * bytes) }));
  });
  return plot("Roofline", `FLOP of a denoising step per byte that it must move, and the TFLOP/s reached${roofs.length ? "; lines: the measured ceiling of the device" : ""}.`, {
    height: 380,
    ...margins,
    color: colorOf(points),
    x: { type: "log", label: "FLOP per byte", grid: true, tickFormat: "~g" },
    y: { type: "log", nice: true, label: "TFLOP/s", grid: true, tickFormat: ".0e" },
    marks: [Plot.line(roofs, { x: "intensity", y: "tflops", z: "number", stroke: "#525c6b" }), Plot.dot(points, { x: "intensity", y: "tflops", fill: "column", r: 4.5, tip: true, title: (point) => `${point.name}\n${point.column}\n${digits(point.tflops)} TFLOP/s` })],
  });
}

function renderFigures(cells) {
  const gpus = DATA.dimensions.gpu.filter(([name]) => cells.some((cell) => cell.gpu === name));
  const gpu = gpus.some(([name]) => name === state.one) ? state.one : gpus[0]?.[0];
  const one = gpus.length ? [choice("one", "GPU of the next two figures", gpus, gpu)] : [];
  document.getElementById("figures").replaceChildren(speedupsByGpu(cells), ...one, pipelinesOnOne(cells, gpu), batchSizes(cells, gpu), ...breakEven(cells), roofline(cells));
}
