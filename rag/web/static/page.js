// What every page needs: texts, DOM nodes, announcements. Knows no route of the API. Data becomes text nodes, never markup.

const page = JSON.parse(document.body.dataset.page);

/** What the server gave this page beside the texts. */
export const pageData = page;

/** The text under `key` with its `{places}` filled. */
export function t(key, values = {}) {
  const text = page.texts[key];
  if (text === undefined) throw new Error(`there is no text ${key}`);
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/** A new element. `properties` are attributes; `on` holds listeners; null and false leave an attribute out. */
export function el(name, properties = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "on") {
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    } else if (value === true) {
      node.setAttribute(key, "");
    } else if (value !== null && value !== undefined && value !== false) {
      node.setAttribute(key, value);
    }
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Tell those who cannot see the page. */
export function announce(text) {
  document.getElementById("announce").textContent = text;
}

/** Make `parent` hold exactly `nodes`, moving only what stands elsewhere, so that focus stays where it is. */
export function arrange(parent, nodes) {
  let place = parent.firstChild;
  for (const node of nodes) {
    if (node === place) {
      place = place.nextSibling;
    } else {
      parent.insertBefore(node, place);
    }
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

/** Show an error under a form, or hide it with an empty text. */
export function showProblem(node, text) {
  node.textContent = text;
  node.hidden = text === "";
}
