"use strict";
// The controls, and what happens when one of them, or the link, changes.
function filterOf(axis) {
  const chosen = state[axis];
  const details = make("details", { name: "filter" }, make("summary", {}, chosen.length ? `${AXES[axis]} (${chosen.length})` : AXES[axis]));
  details.dataset.axis = axis;
  if (chosen.length) details.dataset.active = "";
  const boxes = DATA.dimensions[axis].map(([name, label]) => {
    const box = make("input", { type: "checkbox", value: name, checked: chosen.includes(name) });
    box.onchange = () => {
      state[axis] = box.checked ? [...state[axis], name] : state[axis].filter((other) => other !== name);
      state.page = 0;
      details.firstChild.textContent = state[axis].length ? `${AXES[axis]} (${state[axis].length})` : AXES[axis];
      details.toggleAttribute("data-active", state[axis].length > 0);
      render();
    };
    return make("label", {}, box, ` ${label}`);
  });
  // an open filter covers other controls, so it closes when the keyboard focus leaves it
  details.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !details.contains(event.relatedTarget)) details.open = false;
  });
  details.append(make("fieldset", {}, make("legend", { className: "unseen" }, AXES[axis]), ...boxes));
  return details;
}

function renderControls() {
  document.getElementById("filters").replaceChildren(...Object.keys(AXES).filter((axis) => DATA.dimensions[axis].length > 1).map(filterOf));
  const fill = (id, options) => {
    const select = document.getElementById(id);
    select.replaceChildren(...options.map(([value, text]) => make("option", { value, selected: value === state[id] }, text)));
  };
  fill("unit", USABLE_UNITS.map((unit) => [unit, unit]));
  fill("baseline", DATA.baselines.map((baseline) => [baseline.key, baseline.label]));
  const leftOut = DATA.baselines_left_out;
  if (leftOut) document.getElementById("baseline").append(make("option", { disabled: true }, `${leftOut} more: too many for one page`));
  document.getElementById("flagged").checked = Boolean(state.flagged);
}

function render() {
  const cells = update();
  document.getElementById("copied").textContent = "";
  renderTable(cells);
  renderFigures(cells);
  writeLink();
}

function follow() {
  readLink();
  renderControls();
  render();
  renderCell();
}

// Copies a text and says so in `place`; without permission to use the clipboard, by the browser's older method.
async function copyText(text, name, place) {
  let copied = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const [focused, area] = [document.activeElement, make("textarea", { value: text })];
    place.append(area);
    area.select();
    copied = document.execCommand("copy");
    area.remove();
    focused.focus();
  }
  place.textContent = copied ? `${name} was copied.` : `${name} could not be copied: this browser does not allow it.`;
}

for (const id of ["unit", "baseline"]) {
  document.getElementById(id).onchange = (event) => {
    state[id] = event.target.value;
    render();
  };
}
document.getElementById("flagged").onchange = (event) => {
  state.flagged = event.target.checked ? "1" : "";
  state.page = 0;
  render();
};
document.getElementById("reset").onclick = () => {
  clear();
  renderControls();
  render();
};
document.getElementById("copy").onclick = () => copyText(toMarkdown(update()), "The table", document.getElementById("copied"));
document.getElementById("controls").onsubmit = (event) => event.preventDefault();
document.querySelector("[data-skip]").onclick = (event) => {
  event.preventDefault();
  document.getElementById("table-heading").focus();
};
document.getElementById("cell").addEventListener("close", () => {
  const key = state.cell;
  state.cell = "";
  writeLink();
  // if a link opened the cell, the browser has returned the focus to that link
  if (document.activeElement === document.body) document.querySelector(`[data-cell="${CSS.escape(key)}"]`)?.focus();
});
// a headline link that sets filters moves the focus to the filtered table
for (const link of document.querySelectorAll(".headline a")) {
  if (!link.hash.includes("cell=")) link.addEventListener("click", () => requestAnimationFrame(() => document.getElementById("table-heading").focus()));
}
document.addEventListener("click", (event) => {
  for (const details of document.querySelectorAll("#filters details[open]")) if (!details.contains(event.target)) details.open = false;
});
document.addEventListener("keydown", (event) => {
  const open = event.key === "Escape" && document.querySelector("#filters details[open]");
  if (open) {
    open.open = false;
    open.firstChild.focus();
  }
});
for (const [event, printing] of [["beforeprint", true], ["afterprint", false]]) {
  addEventListener(event, () => {
    const origin = document.querySelector(".origin");
    state.all = printing;
    if (printing) origin.dataset.open = origin.open;
    origin.open = printing || origin.dataset.open === "true";
    render();
  });
}
addEventListener("hashchange", follow);
follow();
