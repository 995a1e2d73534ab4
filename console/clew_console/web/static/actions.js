// Small things: copying, forms that send themselves, pop-overs, what a log line's labels offer when it is opened.
const announcement = document.getElementById("announcement");

async function copy(button) {
  const source = button.dataset.copy ? document.getElementById(button.dataset.copy).textContent : button.dataset.copyText;
  await navigator.clipboard.writeText(source);
  announcement.textContent = "Copied";
  button.classList.add("done");
  setTimeout(() => button.classList.remove("done"), 1200);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy], [data-copy-text]");
  if (button) copy(button);
  for (const popover of document.querySelectorAll("[data-popover][open]")) {
    if (!popover.contains(event.target)) popover.open = false;
  }
});

document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-auto]");
  const sendsItself = event.target instanceof HTMLSelectElement ? event.target.name : event.target.dataset.keys;
  if (form && sendsItself) form.requestSubmit();
});

// Empty fields stay out of addresses, so that those can be read and shared.
document.addEventListener("formdata", (event) => {
  for (const [key, value] of [...event.formData]) if (value === "") event.formData.delete(key);
});

document.addEventListener("input", (event) => {
  const list = event.target.dataset.filter && document.getElementById(event.target.dataset.filter);
  if (!list) return;
  const wanted = event.target.value.toLowerCase();
  const isWhole = [...list.querySelectorAll("li")].some((item) => item.dataset.name.toLowerCase() === wanted);
  for (const item of list.querySelectorAll("li")) item.hidden = !isWhole && !item.dataset.name.toLowerCase().includes(wanted);
  for (const section of list.querySelectorAll("section")) section.hidden = !section.querySelector("li:not([hidden])");
});

const icon = (name) => document.getElementById("icon-template").content.querySelector(`[data-icon="${name}"] > svg`).cloneNode(true);
const quoted = (text) => `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;

function offer(row, query) {
  const label = row.querySelector("dt").textContent;
  const value = row.querySelector("dd").textContent;
  const acts = document.createElement("span");
  acts.className = "acts";
  acts.dataset.own = "1";
  const copyButton = document.createElement("button");
  copyButton.type = "button";
  copyButton.dataset.copyText = value;
  const filter = document.createElement("a");
  const address = new URL(location.href);
  const time = [...address.searchParams].filter(([key]) => ["range", "from", "to"].includes(key));
  filter.href = `${document.body.dataset.base}/logs?${new URLSearchParams([["query", `${query} | ${label}=${quoted(value)}`], ...time])}`;
  for (const [one, name, text] of [[copyButton, "copy", `Copy ${label}`], [filter, "filter", `Only lines with this ${label}`]]) {
    one.className = "act";
    one.title = text;
    one.setAttribute("aria-label", text);
    one.append(icon(name));
    acts.append(one);
  }
  row.querySelector("dd").append(acts);
}

document.addEventListener("toggle", (event) => {
  const line = event.target;
  if (!line.matches?.(".line > details[open]") || line.querySelector(".acts")) return;
  const query = line.closest("[data-query]")?.dataset.query || '{service_name=~".+"}';
  for (const row of line.querySelectorAll(".pairs > div")) offer(row, query);
}, true);
