// Live: ask for the same page again and again, and change what is different.
import { morph } from "./morph.js";

const RESTS = 3; // after each answer rest at least so many times as long as it took
const liveButton = () => document.getElementById("live");
const seconds = document.getElementById("refresh-seconds"); // where a page has a time; others take what was chosen there
const content = () => document.getElementById("content");
const isSettled = () => liveButton()?.dataset.settled === "1";
let isAsking = false;
let isWantedByHand = false;

export async function refresh() {
  if (isAsking || !content()) return;
  isAsking = true;
  try {
    const answer = await fetch(location.href, { headers: { "x-clew-refresh": "1" } });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("content");
    if (!fresh || !content() || document.body.dataset.page !== page.body.dataset.page) return;
    morph(content(), fresh);
    refreshMoments(page);
    document.dispatchEvent(new CustomEvent("clew:refreshed"));
  } catch {
    // The console is away; the next round tries again.
  } finally {
    isAsking = false;
  }
}

// The time is beside the content; what the reader has typed stays.
function refreshMoments(page) {
  const [label, told] = [document, page].map((one) => one.querySelector(".when summary span"));
  if (label && told) label.textContent = told.textContent;
  for (const own of document.querySelectorAll("input[type=datetime-local]")) {
    const fresh = page.querySelector(`input[type=datetime-local][name=${own.name}]`);
    const isUntouched = Date.parse(own.value) === Date.parse(own.defaultValue); // browsers leave out seconds of 0
    if (fresh && isUntouched) own.value = own.defaultValue = fresh.defaultValue;
  }
}

const isBusy = () => document.hidden || document.querySelector("[data-popover][open], .asking, .brushing");
const isOn = () => liveButton()?.getAttribute("aria-pressed") === "true";
const sleep = (milliseconds) => new Promise((wake) => setTimeout(wake, milliseconds));
const chosenSeconds = () => Number(seconds?.value || localStorage.getItem("clew_refresh")) || 2;

async function follow() {
  while (isOn()) {
    const before = performance.now();
    if (!isBusy()) await refresh();
    if (isSettled() && !isWantedByHand) return press(false);
    const took = performance.now() - before;
    await sleep(Math.max(chosenSeconds() * 1000, RESTS * took));
  }
}

function press(isWanted) {
  const button = liveButton();
  if (!button || button.disabled) return;
  const was = isOn();
  button.setAttribute("aria-pressed", String(isWanted));
  if (isWanted && !was) follow();
}

export function toggleLive() {
  if (!liveButton() || liveButton().disabled) return;
  isWantedByHand = !isOn();
  localStorage.setItem("clew_live", String(isWantedByHand));
  press(isWantedByHand);
}

if (seconds) {
  seconds.value = localStorage.getItem("clew_refresh") ?? "2";
  if (!seconds.value) seconds.value = "2";
  seconds.addEventListener("change", () => localStorage.setItem("clew_refresh", seconds.value));
}
document.addEventListener("click", (event) => event.target.closest("#live") && toggleLive());
if (liveButton() && !isSettled() && localStorage.getItem("clew_live") !== "false") sleep(500).then(() => press(true));
