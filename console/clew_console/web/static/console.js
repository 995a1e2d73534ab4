"use strict";

// Everything works without this file; it adds live refresh, copying, and forms that submit on change.
const REFRESH_MS = 2000;
const live = document.getElementById("live");
const content = () => document.getElementById("content");

function openTarget() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.scrollIntoView({ block: "center" });
  }
}

async function refresh() {
  if (document.hidden || content().querySelector("details[open]")) return;
  const answer = await fetch(location.href);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("content");
  if (fresh && fresh.innerHTML !== content().innerHTML) content().replaceWith(document.importNode(fresh, true));
}

async function refreshForever() {
  while (live.getAttribute("aria-pressed") === "true") {
    await new Promise((wake) => setTimeout(wake, REFRESH_MS));
    await refresh().catch(() => undefined); // the console is away; the next round tries again
  }
}

function setLive(isOn) {
  const was = live.getAttribute("aria-pressed") === "true";
  live.setAttribute("aria-pressed", String(isOn));
  localStorage.setItem("live", String(isOn));
  if (isOn && !was) refreshForever();
}

if (live) {
  live.hidden = false;
  live.addEventListener("click", () => setLive(live.getAttribute("aria-pressed") !== "true"));
  setLive(localStorage.getItem("live") !== "false");
}

for (const form of document.querySelectorAll("form[data-auto]")) {
  form.addEventListener("change", (event) => event.target instanceof HTMLSelectElement && form.requestSubmit());
}

for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
  });
}

addEventListener("hashchange", openTarget);
openTarget();
