// Change one tree into another in place: what is the same stays, with its focus, its scroll and what is open in it.
const OWN = new Set(["open", "aria-expanded", "aria-pressed"]); // what the reader has set, not the server

export function morph(from, to) {
  if (from.nodeType !== to.nodeType || from.nodeName !== to.nodeName) {
    from.replaceWith(document.importNode(to, true));
  } else if (from.nodeType !== Node.ELEMENT_NODE) {
    if (from.data !== to.data) from.data = to.data;
  } else if (!from.isEqualNode(to)) {
    morphAttributes(from, to);
    if (from !== document.activeElement || from.nodeName !== "INPUT") morphChildren(from, to);
  }
}

function morphAttributes(from, to) {
  for (const { name, value } of to.attributes) {
    if (!OWN.has(name) && from.getAttribute(name) !== value) from.setAttribute(name, name === "class" ? kept(from, value) : value);
  }
  for (const { name } of [...from.attributes]) {
    if (!OWN.has(name) && !to.hasAttribute(name)) from.removeAttribute(name);
  }
}

function kept(from, classes) {
  return from.classList.contains("current") ? `${classes} current` : classes;
}

function morphChildren(from, to) {
  const known = new Map([...from.children].filter((one) => one.id).map((one) => [one.id, one]));
  let next = from.firstChild;
  for (const wanted of [...to.childNodes]) {
    const same = wanted.id ? known.get(wanted.id) : undefined;
    if (same) {
      if (same === next) next = next.nextSibling;
      else from.insertBefore(same, next);
      morph(same, wanted);
    } else if (next && !next.id && !wanted.id && next.nodeName === wanted.nodeName) {
      const current = next;
      next = next.nextSibling;
      morph(current, wanted);
    } else {
      from.insertBefore(document.importNode(wanted, true), next);
    }
  }
  while (next) {
    const gone = next;
    next = next.nextSibling;
    if (!gone.dataset?.own) gone.remove(); // what scripts have added says so
  }
}
