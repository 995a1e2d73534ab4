// The waterfall: collapse, zoom, the span beside it, logs in place.
const body = () => document.querySelector(".trace-body");
const rows = () => [...document.querySelectorAll("#waterfall > [data-depth]")];
const spans = () => rows().filter((row) => row.dataset.span);
const state = { collapsed: new Set(), from: 0, to: 100, areLogsShown: false };

function hideCollapsed() {
  let limit = Infinity;
  for (const row of rows()) {
    const depth = Number(row.dataset.depth);
    const isLog = !row.dataset.span;
    if (depth > limit) {
      row.hidden = true;
      continue;
    }
    limit = Infinity;
    row.hidden = isLog && !state.areLogsShown;
    if (!isLog && state.collapsed.has(row.dataset.span)) limit = depth;
    row.querySelector(".caret")?.setAttribute("aria-expanded", String(!state.collapsed.has(row.dataset.span)));
  }
}

function collapse(id, isWanted) {
  if (isWanted) state.collapsed.add(id);
  else state.collapsed.delete(id);
  hideCollapsed();
}

const UNITS = [[60e9, "min"], [1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]];
function durationText(ns) {
  const [size, unit] = UNITS.find(([one]) => ns >= one) ?? [1, "ns"];
  return `${Number((ns / size).toPrecision(3))} ${unit}`;
}

function zoom(from, to) {
  [state.from, state.to] = [Math.max(from, 0), Math.min(to, 100)];
  const scale = 100 / (state.to - state.from);
  const x = (value) => (value - state.from) * scale;
  for (const one of document.querySelectorAll("#waterfall [data-x]")) {
    const [left, width] = [Number(one.dataset.x), Number(one.dataset.w ?? 0)];
    if (one.nodeName === "circle") one.setAttribute("cx", `${x(left)}%`);
    else if (one.nodeName === "text") placeText(one, x(left), x(left + width));
    else placeBar(one, x(left), Math.max(width * scale, 0.3));
  }
  const isWhole = state.from === 0 && state.to === 100;
  document.getElementById("zoom-out").hidden = isWhole;
  const frame = document.querySelector(".zoom-window");
  frame.setAttribute("x", state.from);
  frame.setAttribute("width", isWhole ? 0 : state.to - state.from);
  const total = Number(body().dataset.total);
  document.querySelectorAll(".axis text").forEach((text, index) => {
    text.textContent = durationText((total * (state.from + ((state.to - state.from) * index) / 4)) / 100);
  });
}

function placeBar(bar, left, width) {
  const start = Math.max(left, -1);
  bar.setAttribute("x", `${start}%`);
  bar.setAttribute("width", `${Math.max(Math.min(left + width, 101) - start, 0)}%`);
}

function placeText(text, left, right) {
  const hasRoom = right <= 88;
  const isLeft = !hasRoom && left > 12;
  text.classList.toggle("left", isLeft);
  text.classList.toggle("inside", !hasRoom && !isLeft);
  text.setAttribute("x", `${isLeft ? left : Math.min(right, 100)}%`);
  text.setAttribute("visibility", right < 0 || left > 100 ? "hidden" : "visible");
}

async function open(id, how) {
  for (const row of spans()) row.classList.toggle("selected", row.dataset.span === id);
  if (how !== "none") {
    const address = new URL(location.href);
    address.searchParams.set("span", id);
    address.hash = "";
    history[how === "push" ? "pushState" : "replaceState"](null, "", address);
  }
  state.wanted = id;
  const answer = await fetch(`${document.body.dataset.base}/trace/${body().dataset.trace}/span/${id}`);
  if (!answer.ok || state.wanted !== id) return;
  const panel = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector(".panel");
  document.getElementById("panel").replaceChildren(document.importNode(panel, true));
  body().classList.add("chosen");
}

function close() {
  if (!body().classList.contains("chosen")) return false;
  body().classList.remove("chosen");
  const address = new URL(location.href);
  address.searchParams.delete("span");
  history.pushState(null, "", address);
  return true;
}

function showSelected() {
  const id = new URL(location.href).searchParams.get("span");
  if (!id) return body().classList.remove("chosen");
  document.getElementById(`s${id}`)?.scrollIntoView({ block: "nearest" });
  return open(id, "none");
}

export const onTracePage = () => Boolean(body());
export const closeSpan = () => onTracePage() && close();
export const isPanelBeside = () => matchMedia("(min-width: 1101px)").matches;
export const openRow = (row, how) => open(row.dataset.span, how);

export function traceKey(key, row) {
  const id = (row ?? document.querySelector(".span.selected"))?.dataset.span;
  if (key === "e") return nextError();
  if (!id) return undefined;
  if (key === "ArrowLeft") collapse(id, true);
  if (key === "ArrowRight") collapse(id, false);
  if (key === "z") zoomTo(document.getElementById(`s${id}`));
  return undefined;
}

function zoomTo(row) {
  if (state.from !== 0 || state.to !== 100) return zoom(0, 100);
  const bar = row.querySelector(".bar");
  const [left, width] = [Number(bar.dataset.x), Number(bar.dataset.w)];
  return zoom(left - width * 0.1, left + width * 1.1);
}

function nextError() {
  const failed = spans().filter((row) => row.classList.contains("failed"));
  if (!failed.length) return;
  const current = failed.findIndex((row) => row.classList.contains("selected"));
  const row = failed[(current + 1) % failed.length];
  state.collapsed.clear();
  hideCollapsed();
  row.scrollIntoView({ block: "center" });
  open(row.dataset.span, "push");
}

function restore() {
  hideCollapsed();
  zoom(state.from, state.to);
}

function onClick(event) {
  const target = event.target;
  if (target.closest("[data-close]")) {
    event.preventDefault();
    close();
  } else if (target.closest(".caret")) {
    const id = target.closest(".span").dataset.span;
    collapse(id, !state.collapsed.has(id));
  } else if (target.closest("#waterfall .span") && !(event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    open(target.closest(".span").dataset.span, "push");
  }
}

const buttons = {
  critical: (button) => body().classList.toggle("no-path", button.getAttribute("aria-pressed") === "false"),
  "show-logs": (button) => {
    state.areLogsShown = button.getAttribute("aria-pressed") === "true";
    hideCollapsed();
  },
  "collapse-all": () => {
    const isAny = state.collapsed.size > 0;
    state.collapsed = new Set(isAny ? [] : spans().filter((row) => row.querySelector(".caret") && row.dataset.depth !== "0").map((row) => row.dataset.span));
    document.getElementById("collapse-all").textContent = isAny ? "Collapse all" : "Expand all";
    hideCollapsed();
  },
  "next-error": nextError,
  "zoom-out": () => zoom(0, 100),
};

function press(event) {
  const button = event.target.closest("button[id]");
  if (!button || !(button.id in buttons)) return;
  if (button.hasAttribute("aria-pressed")) button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
  buttons[button.id](button);
}

function dragMinimap() {
  let start;
  const place = (event) => {
    const box = document.getElementById("minimap").getBoundingClientRect();
    return Math.min(Math.max((100 * (event.clientX - box.left)) / box.width, 0), 100);
  };
  document.addEventListener("pointerdown", (event) => {
    if (event.target.closest("#minimap")) start = place(event);
  });
  document.addEventListener("pointermove", (event) => {
    if (start === undefined) return;
    const [from, to] = [start, place(event)].sort((a, b) => a - b);
    if (to - from > 0.5) zoom(from, to);
  });
  document.addEventListener("pointerup", (event) => {
    if (start !== undefined && Math.abs(place(event) - start) <= 0.5) zoom(0, 100);
    start = undefined;
  });
}

if (onTracePage()) {
  document.addEventListener("click", onClick);
  document.addEventListener("click", press);
  document.addEventListener("clew:refreshed", restore);
  addEventListener("popstate", showSelected);
  dragMinimap();
  document.querySelector(".span.selected")?.scrollIntoView({ block: "nearest" });
}
