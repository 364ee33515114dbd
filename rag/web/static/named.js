// A list of people and groups, each taken out with a button, and a form that names another. Knows no route.

import { el, t } from "./page.js";

/** The name of whoever `one` is about; a group says that it is one, and a deleted one that it is gone. */
export function nameOf({ group, name }) {
  if (!group) return name;
  return t("grants.group", { name: name || t("access.gone") });
}

/** One line: who, what is said of them, and the button that calls `take`. */
export function line(one, said, take) {
  const name = nameOf(one);
  const label = t("admin.one", { deed: t("grants.take"), name });
  const button = el("button", { type: "button", class: "plain", "aria-label": label, on: { click: take } }, t("grants.take"));
  return el("li", {}, el("span", {}, name, el("span", { class: "file-name" }, said)), button);
}

/** When the form is sent, `put(kind, name, elements)` is called, where kind is "person" or "group". */
export function whenNamed(form, put) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { kind, name } = form.elements;
    put(kind.value, name.value.trim(), form.elements);
  });
}
