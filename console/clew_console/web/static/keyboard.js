// Keys, where no field is being written in.
import { leaveBrush } from "./charts.js";
import { toggleLive } from "./live.js";
import { closeSpan, isPanelBeside, onTracePage, openRow, traceKey } from "./trace.js";

const help = document.getElementById("help");
const TRACE_KEYS = new Set(["ArrowLeft", "ArrowRight", "e", "z"]);
let isGoing = false;

const rows = () => [...document.querySelectorAll("[data-row]")].filter((row) => row.getClientRects().length);
const current = () => document.querySelector("[data-row].current");

function move(step) {
  const all = rows();
  if (!all.length) return;
  const from = all.indexOf(current() ?? document.querySelector("[data-row].selected"));
  const row = all[Math.min(Math.max(from + step, 0), all.length - 1)];
  current()?.classList.remove("current");
  row.classList.add("current");
  row.scrollIntoView({ block: "nearest" });
  if (row.dataset.span && isPanelBeside()) openRow(row, "replace");
  const focusable = row.querySelector("summary, a[href]");
  (row.matches("a") ? row : focusable)?.focus({ preventScroll: true });
}

function enter(event) {
  const row = current();
  if (!row || event.target.closest?.("a, button, summary")) return;
  event.preventDefault();
  const details = row.querySelector(":scope > details");
  if (details) details.open = !details.open;
  else (row.matches("a") ? row : row.querySelector("a[href]"))?.click();
}

function escape() {
  const popover = document.querySelector("[data-popover][open]");
  if (popover) popover.open = false;
  else if (leaveBrush() || closeSpan()) return;
  else {
    document.querySelectorAll(".line > details[open]").forEach((line) => { line.open = false; });
    current()?.classList.remove("current");
    document.activeElement?.blur();
  }
}

function go(key) {
  document.querySelector(`[data-go="${key}"]`)?.click();
}

const keys = {
  "/": (event) => {
    event.preventDefault();
    const input = document.querySelector(".query input");
    input?.focus();
    input?.select();
  },
  "?": () => help.showModal(),
  j: () => move(1),
  k: () => move(-1),
  r: toggleLive,
  g: () => {
    isGoing = true;
    setTimeout(() => { isGoing = false; }, 1500);
  },
  Enter: enter,
  Escape: escape,
};

document.addEventListener("keydown", (event) => {
  const isWriting = event.target.closest?.("input, select, textarea, dialog");
  if (isWriting && event.key === "Escape" && !help.open) event.target.blur();
  if (isWriting || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (isGoing && /^[a-z]$/.test(event.key)) {
    isGoing = false;
    go(event.key);
  } else if (onTracePage() && TRACE_KEYS.has(event.key)) {
    traceKey(event.key, current()?.dataset.span ? current() : undefined);
  } else keys[event.key]?.(event);
});

document.getElementById("help-button").addEventListener("click", () => help.showModal());
help.addEventListener("click", (event) => event.target === help && help.close());
