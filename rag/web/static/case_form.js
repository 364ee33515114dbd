// The form of one case of a suite, for new ones and for those that are changed in place. Knows no route of the API.

import { el, t } from "./page.js";
import { attempts } from "./deed.js";

const KINDS = ["answerable", "unanswerable", "offtopic"];
const RULES = ["facts", "spans", "must_cite", "must_not_say", "tags"]; // rarely needed: folded away
let made = 0; // so that labels find their fields

/** What a case looks like without any rule. */
export const EMPTY = { question: "", kind: "answerable", answers: [], facts: [], spans: [], must_cite: [], must_not_say: [], tags: [] };

/** A form filled with a case. `save(case)` may fail, which is shown; `leave()` puts it away. `before` stands on top. */
export function caseForm(found, save, leave, ...before) {
  made += 1;
  const value = { ...EMPTY, ...found };
  const problem = el("p", { class: "problem", role: "alert", hidden: true });
  const attempt = attempts(problem);
  const field = (name, node) => [el("label", { for: node.id }, t(`case.${name}`)), node];
  const area = (name, lines, rows) => {
    const node = el("textarea", { id: `case-${made}-${name}`, rows, maxlength: 4000 });
    node.value = lines;
    return node;
  };
  const question = area("question", value.question, 2);
  question.required = true;
  const kind = el("select", { id: `case-${made}-kind` }, ...KINDS.map((one) => el("option", { value: one, selected: one === value.kind }, t(`case.kind.${one}`))));
  const answers = area("answers", value.answers.join("\n"), 2);
  const rules = Object.fromEntries(RULES.map((name) => [name, area(name, written(name, value[name]), 2)]));
  const used = RULES.some((name) => value[name].length > 0);
  const expected = el("div", {}, ...field("answers", answers));
  const show = () => {
    expected.hidden = kind.value !== "answerable";
  };
  kind.addEventListener("change", show);
  show();
  const read = () => ({
    question: question.value.trim(),
    kind: kind.value,
    answers: kind.value === "answerable" ? lines(answers) : [],
    ...Object.fromEntries(RULES.map((name) => [name, name === "spans" ? lines(rules[name]).map(span) : lines(rules[name])])),
  });
  const submit = (event) => {
    event.preventDefault();
    attempt(() => save(read()));
  };
  const pressed = (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    leave();
  };
  const form = el(
    "form",
    { class: "form case-form", on: { submit, keydown: pressed } },
    ...before,
    ...field("question", question),
    ...field("kind", kind),
    expected,
    el("details", { open: used }, el("summary", {}, t("case.more")), ...RULES.flatMap((name) => field(name, rules[name]))),
    problem,
    el("p", { class: "actions" }, el("button", { class: "button" }, t("case.save")), el("button", { type: "button", class: "plain", on: { click: leave } }, t("case.keep"))),
  );
  return form;
}

const lines = (node) => node.value.split("\n").map((line) => line.trim()).filter(Boolean);

function written(name, values) {
  return values.map((value) => (name === "spans" ? `${value.document} | ${value.text}` : value)).join("\n");
}

function span(line) {
  const [document, ...text] = line.split("|");
  return { document: document.trim(), text: text.join("|").trim() };
}
