// Cross-hair with the values under it, and choosing a time by dragging.
const readings = new WeakMap();
const SVG_MARGIN = 5;

function reading(figure) {
  const known = readings.get(figure);
  if (known?.text === figure.dataset.chart) return known.value;
  const value = JSON.parse(figure.dataset.chart);
  readings.set(figure, { text: figure.dataset.chart, value });
  return value;
}

const clock = (milliseconds) => {
  const zone = document.documentElement.dataset.zone || undefined;
  return new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone: zone }).format(milliseconds);
};

function place(figure, clientX) {
  const box = figure.querySelector(".plot").getBoundingClientRect();
  return Math.min(Math.max((clientX - box.left) / box.width, 0), 0.9999);
}

function tipOf(figure) {
  let tip = figure.querySelector(".tip");
  if (!tip) {
    tip = document.createElement("div");
    tip.className = "tip";
    figure.append(tip);
  }
  return tip;
}

function row(series, index) {
  const line = document.createElement("tr");
  const [name, value] = [document.createElement("td"), document.createElement("td")];
  const mark = document.createElement("span");
  mark.className = typeof series.colour === "number" ? `mark s${series.colour}` : `mark ${series.colour}`;
  name.append(mark, series.name);
  value.textContent = series.texts[index];
  line.append(name, value);
  return line;
}

function showTip(figure, clientX) {
  const data = reading(figure);
  const share = place(figure, clientX);
  const index = Math.floor(share * data.count);
  const cross = figure.querySelector(".cross");
  for (const end of ["x1", "x2"]) cross.setAttribute(end, `${(100 * (index + 0.5)) / data.count}%`);
  cross.setAttribute("visibility", "visible");
  if (!data.series.length) return;
  const tip = tipOf(figure);
  const head = document.createElement("div");
  head.className = "muted";
  head.textContent = clock(data.from + index * data.step);
  const table = document.createElement("table");
  const told = data.series.filter((one) => one.texts[index] !== "–" && one.texts[index] !== "0");
  table.append(...told.map((one) => row(one, index)));
  tip.replaceChildren(head, table);
  const plot = figure.querySelector(".plot").getBoundingClientRect();
  const left = plot.left - figure.getBoundingClientRect().left + share * plot.width;
  tip.style.left = `${share > 0.6 ? left - tip.offsetWidth - 12 : left + 12}px`;
  tip.style.top = "8px";
}

function hideTip(figure) {
  figure.querySelector(".cross")?.setAttribute("visibility", "hidden");
  figure.querySelector(".tip")?.remove();
}

document.addEventListener("pointermove", (event) => {
  const figure = event.target.closest?.(".chart");
  for (const other of document.querySelectorAll(".chart .tip")) if (other.parentNode !== figure) hideTip(other.parentNode);
  if (figure && event.target.closest(".plot")) showTip(figure, event.clientX);
  else if (figure) hideTip(figure);
});
document.addEventListener("pointerleave", () => document.querySelectorAll(".chart").forEach(hideTip));
document.addEventListener("dragstart", (event) => event.target.closest?.(".plot") && event.preventDefault());

let drag;

document.addEventListener("pointerdown", (event) => {
  document.querySelector(".asking:not(:hover)")?.remove();
  const figure = event.target.closest?.(".chart[data-brush]");
  if (!figure || !event.target.closest(".plot") || event.button !== 0) return;
  drag = { figure, x: event.clientX, y: event.clientY, isMoved: false };
});

function draw(event) {
  const { figure } = drag;
  const box = figure.querySelector(".plot").getBoundingClientRect();
  const isBox = figure.dataset.brush === "traces";
  const [x1, x2] = [drag.x, event.clientX].sort((a, b) => a - b).map((x) => Math.min(Math.max(x - box.left, 0), box.width));
  const [y1, y2] = isBox ? [drag.y, event.clientY].sort((a, b) => a - b).map((y) => Math.min(Math.max(y - box.top, 0), box.height)) : [0, box.height];
  const brush = figure.querySelector(".brush");
  for (const [name, value] of [["x", x1], ["y", y1], ["width", x2 - x1], ["height", y2 - y1], ["visibility", "visible"]]) brush.setAttribute(name, value);
  drag.share = { x1: x1 / box.width, x2: x2 / box.width, y1: y1 / box.height, y2: y2 / box.height };
}

document.addEventListener("pointermove", (event) => {
  if (!drag) return;
  if (!drag.isMoved && Math.hypot(event.clientX - drag.x, event.clientY - drag.y) < SVG_MARGIN) return;
  drag.isMoved = true;
  drag.figure.classList.add("brushing");
  draw(event);
  event.preventDefault();
});

document.addEventListener("pointerup", (event) => {
  if (!drag) return;
  const { figure, isMoved, share } = drag;
  drag = undefined;
  figure.classList.remove("brushing");
  if (!isMoved) return;
  addEventListener("click", (click) => { click.preventDefault(); click.stopPropagation(); }, { capture: true, once: true });
  setTimeout(() => document.body.click(), 0);
  const data = reading(figure);
  const at = (part) => Math.round(data.from + part * data.step * data.count);
  if (figure.dataset.brush === "time") location.assign(zoomed(at(share.x1), at(share.x2)));
  else ask(figure, event, data, share, at);
});

function zoomed(from, to) {
  const address = new URL(location.href);
  address.searchParams.delete("range");
  address.searchParams.set("from", from);
  address.searchParams.set("to", Math.max(to, from + 1000));
  return address;
}

function ask(figure, event, data, share, at) {
  const value = (part) => data.low * (data.high / data.low) ** (1 - part) / 1e6;
  const apart = new URL(`${document.body.dataset.base}/changed`, location.href);
  const query = new URL(location.href).searchParams;
  for (const key of ["range", "from", "to", "q"]) if (query.has(key)) apart.searchParams.set(key, query.get(key));
  const limits = { least: Math.floor(value(share.y2)), most: Math.ceil(value(share.y1)), since: at(share.x1), until: at(share.x2) };
  for (const [key, limit] of Object.entries(limits)) apart.searchParams.set(key, limit);
  const box = document.createElement("div");
  box.className = "asking";
  for (const [text, href] of [["What sets these apart?", apart], ["Zoom to this time", zoomed(limits.since, limits.until)]]) {
    const link = document.createElement("a");
    link.className = "button";
    link.href = href;
    link.textContent = text;
    box.append(link);
  }
  figure.append(box);
  const frame = figure.getBoundingClientRect();
  box.style.left = `${Math.min(Math.max(event.clientX - frame.left - 80, 0), Math.max(frame.width - box.offsetWidth, 0))}px`;
  box.style.top = `${Math.min(event.clientY - frame.top + 8, frame.height)}px`;
  box.querySelector("a").focus({ preventScroll: true });
}

export function leaveBrush() {
  const asking = document.querySelector(".asking");
  asking?.remove();
  document.querySelectorAll(".brush").forEach((one) => one.setAttribute("visibility", "hidden"));
  return Boolean(asking);
}
