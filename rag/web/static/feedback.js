// Thumbs up or down on an answer, with a reason and a better answer. Knows no page and no grounding.

import { announce, el, showProblem, t } from "./page.js";
import { api } from "./api.js";

const REASONS = ["wrong", "incomplete", "source", "outdated", "invented", "other"];

/** The two buttons and the form below them; `rating` is what was said before, or nothing. */
export function feedbackButtons(answer, rating) {
  const path = `answers/${encodeURIComponent(answer)}/feedback`;
  const problem = el("p", { class: "problem", role: "alert", hidden: true });
  const form = reasons((details) => give("down", details));
  const buttons = { up: thumb("up"), down: thumb("down") };

  function thumb(kind) {
    const click = () => (buttons[kind].getAttribute("aria-pressed") === "true" ? takeBack() : give(kind));
    const label = t(`feedback.${kind}`);
    return el("button", { type: "button", class: `plain thumb ${kind}`, "aria-pressed": "false", on: { click } }, label);
  }

  function show(kind) {
    for (const [name, button] of Object.entries(buttons)) button.setAttribute("aria-pressed", String(name === kind));
  }

  async function attempt(deed, kind, said) {
    showProblem(problem, "");
    try {
      await deed();
      show(kind);
      announce(t(said));
    } catch (error) {
      showProblem(problem, error.message);
    }
  }

  async function give(kind, details = null) {
    await attempt(() => api(path, { method: "PUT", json: { rating: kind, ...(details ?? {}) } }), kind, "feedback.thanks");
    if (details) form.hidden = true;
    else form.hidden = kind !== "down";
    if (kind === "down" && !details) form.querySelector("select").focus();
    if (details) buttons.down.focus();
  }

  async function takeBack() {
    await attempt(() => api(path, { method: "DELETE" }), null, "feedback.taken_back");
    form.hidden = true;
  }

  show(rating ?? null);
  return [buttons.up, buttons.down, form, problem];
}

function reasons(send) {
  const reason = el(
    "select",
    { name: "reason" },
    el("option", { value: "" }, t("feedback.reason.none")),
    ...REASONS.map((name) => el("option", { value: name }, t(`feedback.reason.${name}`))),
  );
  const better = el("textarea", { name: "better", rows: "3", maxlength: "4000" });
  const submit = (event) => {
    event.preventDefault();
    send({ reason: reason.value, better: better.value });
  };
  return el(
    "form",
    { class: "reasons", hidden: true, on: { submit } },
    el("label", {}, t("feedback.reason"), reason),
    el("label", {}, t("feedback.better"), better),
    el("button", { class: "button" }, t("feedback.send")),
  );
}
