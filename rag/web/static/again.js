// Asking the same question once more, perhaps of another model. Knows no answer.

import { el, t } from "./page.js";
import { api } from "./api.js";

/** A disclosure with the models that there are; `ask({model, mode})` asks. Models are fetched when it is opened. */
export function againButton(ask) {
  const choice = el("select", { "aria-label": t("again.with") });
  const go = () => {
    const [kind, name] = [choice.value.slice(0, 1), choice.value.slice(1)];
    details.open = false;
    ask(kind === "m" ? { model: name } : { mode: "quote" });
  };
  const button = el("button", { type: "button", class: "button small", on: { click: go } }, t("again.go"));
  const opened = async () => {
    if (!details.open || choice.childElementCount > 0) return;
    const { items } = await api("models").catch(() => ({ items: [] }));
    const models = items.filter(({ ready }) => ready).map(({ name, title }) => el("option", { value: `m${name}` }, title || name));
    choice.replaceChildren(...models, el("option", { value: "q" }, t("again.quote")));
  };
  const details = el("details", { class: "again", on: { toggle: opened } }, el("summary", { class: "plain" }, t("answer.again")), el("span", {}, choice, button));
  return details;
}
