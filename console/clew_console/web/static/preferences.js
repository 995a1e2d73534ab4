// Theme and time zone are cookies, so that the server sends each page as it is to look.
import { refresh } from "./live.js";

const YEAR_SECONDS = 31536000;
const root = document.documentElement;
const browserZone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

function remember(name, value) {
  document.cookie = `${name}=${value}; path=/; max-age=${YEAR_SECONDS}; samesite=strict`;
}

function isDark() {
  return (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
}

document.getElementById("theme").addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  remember("clew_theme", root.dataset.theme);
});

async function useZone(zone) {
  remember("clew_zone", zone);
  root.dataset.zone = zone;
  showZone();
  await refresh();
}

function showZone() {
  for (const button of document.querySelectorAll("[data-zone-switch]")) {
    const isUtc = root.dataset.zone === "UTC";
    button.hidden = browserZone === "UTC";
    button.textContent = isUtc ? `Use ${browserZone}` : "Use UTC";
  }
  for (const name of document.querySelectorAll("[data-zone-name]")) name.textContent = root.dataset.zone || "this machine's zone";
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-zone-switch]")) useZone(root.dataset.zone === "UTC" ? browserZone : "UTC");
});

if (!root.dataset.zone) useZone(browserZone);
else showZone();
