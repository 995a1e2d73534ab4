// Completion for TraceQL and LogQL: names and values as recent data has them.
const MOST = 12;
const OPERATORS = ["=", "!=", "=~", "!~", ">", "<", ">=", "<="];
let known;

async function suggestions() {
  if (!known) {
    const time = new URL(location.href).searchParams;
    const asked = new URLSearchParams([...time].filter(([key]) => ["range", "from", "to"].includes(key)));
    known = fetch(`${document.body.dataset.base}/suggest?${asked}`).then((answer) => answer.json()).catch(() => ({ traceql: {}, logql: { selector: {}, line: {} } }));
  }
  return known;
}

const starting = (wanted) => (one) => one.toLowerCase().includes(wanted.toLowerCase());
const byPlace = (wanted) => (a, b) => (a.toLowerCase().indexOf(wanted.toLowerCase()) - b.toLowerCase().indexOf(wanted.toLowerCase()));
const chosen = (all, part) => all.filter(starting(part)).sort(part ? byPlace(part) : () => 0).slice(0, MOST);

function traceql(data, before) {
  const value = /([\w.\-/:"]+)\s*(=~|!~|!=|>=|<=|=|>|<)\s*("?[^"&|(){}]*)$/.exec(before);
  if (value) return { part: value[3], all: chosen(data.traceql[value[1]] ?? [], value[3].replace('"', "")), ending: " " };
  const operator = /(?:^|[{(&|\s])([\w.\-/:]+)\s+([=!<>~]*)$/.exec(before);
  if (operator && operator[1] in data.traceql) return { part: operator[2], all: OPERATORS.filter((one) => one.startsWith(operator[2])), ending: " " };
  const name = /(?:^|[{(&|\s])([\w.\-/:]*)$/.exec(before);
  if (name && !/["\w}]\s+$/.test(before)) return { part: name[1], all: chosen(Object.keys(data.traceql), name[1]), ending: " = ", opening: "{ " };
  if (/["\w]\s+$/.test(before)) return { part: "", all: ["&&", "||", "}"], ending: " " };
  return undefined;
}

function logql(data, before) {
  const isLine = /^[^"]*(?:"(?:[^"\\]|\\.)*"[^"]*)*}/.test(before);
  const names = isLine ? { ...data.logql.line, ...data.logql.selector } : data.logql.selector;
  const value = /(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)$/.exec(before);
  if (value) return { part: value[3], all: chosen(names[value[1]] ?? [], value[3]), ending: isLine ? '" ' : '"' };
  const name = (isLine ? /\|\s*(\w*)$/ : /(?:^|[{,])\s*(\w*)$/).exec(before);
  if (name) return { part: name[1], all: chosen(Object.keys(names), name[1]), ending: '="', opening: "{" };
  if (/}\s*$/.test(before)) return { part: "", all: ['|= "', "| "], ending: "" };
  return undefined;
}

class Completion {
  constructor(input) {
    this.input = input;
    this.list = document.createElement("ul");
    this.list.className = "suggestions";
    this.list.id = `suggestions-${input.name}`;
    this.list.hidden = true;
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", "Suggestions");
    input.after(this.list);
    for (const [name, value] of [["role", "combobox"], ["aria-expanded", "false"], ["aria-controls", this.list.id], ["aria-autocomplete", "list"]]) input.setAttribute(name, value);
    input.addEventListener("input", () => this.show());
    input.addEventListener("focus", () => this.show());
    input.addEventListener("blur", () => setTimeout(() => this.hide(), 150));
    input.addEventListener("keydown", (event) => this.key(event));
    this.list.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      const item = event.target.closest("li");
      if (item) this.take([...this.list.children].indexOf(item));
    });
  }

  async show() {
    const data = await suggestions();
    if (document.activeElement !== this.input) return;
    const before = this.input.value.slice(0, this.input.selectionStart);
    this.found = (this.input.dataset.language === "logql" ? logql : traceql)(data, before);
    if (!this.found?.all.length) return this.hide();
    this.list.replaceChildren(...this.found.all.map((text, index) => {
      const item = document.createElement("li");
      item.id = `${this.list.id}-${index}`;
      item.textContent = text;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", "false");
      return item;
    }));
    this.place = -1;
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
  }

  hide() {
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  move(step) {
    this.place = (this.place + step + this.list.children.length) % this.list.children.length;
    [...this.list.children].forEach((item, index) => item.setAttribute("aria-selected", String(index === this.place)));
    this.list.children[this.place].scrollIntoView({ block: "nearest" });
    this.input.setAttribute("aria-activedescendant", this.list.children[this.place].id);
  }

  take(index) {
    const { part, ending, opening, all } = this.found;
    const caret = this.input.selectionStart;
    const head = this.input.value.slice(0, caret - part.length);
    const start = opening && !this.input.value.trim().startsWith("{") ? opening : "";
    const text = start + head + all[index] + (all[index] === "}" ? "" : ending);
    this.input.value = text + this.input.value.slice(caret);
    this.input.setSelectionRange(text.length, text.length);
    this.show();
  }

  key(event) {
    if (event.key === "Escape" && !this.list.hidden) {
      event.stopPropagation();
      return this.hide();
    }
    if (this.list.hidden) return undefined;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      this.move(event.key === "ArrowDown" ? 1 : this.place < 0 ? 0 : -1);
    } else if ((event.key === "Enter" || event.key === "Tab") && (this.place >= 0 || (event.key === "Tab" && this.input.value))) {
      event.preventDefault();
      this.take(Math.max(this.place, 0));
    }
    return undefined;
  }
}

for (const input of document.querySelectorAll("input[data-language]")) new Completion(input);

for (const input of document.querySelectorAll("input[data-keys]")) {
  input.addEventListener("focus", async () => {
    const data = await suggestions();
    const list = input.list;
    const listed = new Set([...list.options].map((one) => one.value));
    for (const name of Object.keys(data.traceql)) {
      if (/^(span|resource)\./.test(name) && !listed.has(name)) list.append(new Option("", name));
    }
  });
}
