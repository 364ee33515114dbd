// "Why this answer?": the trace of an answer in a form that a person can read. Knows the trace's fields, no connection but the API.

import { el, t } from "./page.js";
import { api } from "./api.js";

/** The button and the place below it that the trace is shown in; the trace is fetched when it is first opened. */
export function whyButton(transcript, openSource) {
  const place = el("div", { class: "why", hidden: true });
  const toggle = async () => {
    const open = place.hidden;
    place.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    if (!open || place.childElementCount > 0) return;
    try {
      const trace = await api(`answers/${encodeURIComponent(transcript.answer)}/trace`);
      place.append(...sections(trace, transcript, openSource));
    } catch (error) {
      place.append(el("p", { class: "problem", role: "alert" }, error.message));
    }
  };
  const button = el("button", { type: "button", class: "plain", "aria-expanded": "false", on: { click: toggle } }, t("answer.why"));
  return [button, place];
}

function sections(trace, transcript, openSource) {
  const facts = el(
    "dl",
    {},
    ...fact("why.searched", trace.rewritten),
    ...fact("why.decision", trace.decision || t("why.none")),
    ...fact("why.model", trace.model || t("why.no_model")),
    ...fact("why.times", times(trace.ms)),
    ...(trace.objection ? fact("why.objection", trace.objection) : []),
  );
  return [
    facts,
    section("why.evidence", evidence(trace.evidence ?? [], transcript, openSource)),
    section("why.sentences", sentences(trace.sentences ?? [])),
    section("why.generated", trace.objection && trace.generated ? el("p", { class: "verbatim" }, trace.generated) : null),
    section("why.removed", trace.removed?.length ? el("p", { class: "verbatim" }, trace.removed.join("\n")) : null),
    section("why.passages", passages(trace.retrieval, transcript)),
    section("why.dropped", dropped(trace.retrieval)),
    section("why.prompt", prompt(trace.prompt)),
  ].filter((part) => part !== null);
}

function fact(key, value) {
  return [el("dt", {}, t(key)), el("dd", {}, value)];
}

function section(key, content) {
  return content === null ? null : el("details", {}, el("summary", {}, t(key)), content);
}

function evidence(items, transcript, openSource) {
  if (items.length === 0) return null;
  return table(
    ["why.score", "why.used", "why.source", "why.text"],
    items.map((item) => {
      const source = transcript.source(item.n);
      const open = (event) => openSource(source, [{ start: item.start, end: item.end }], event.currentTarget, transcript.number(item.n));
      const button = source && el("button", { type: "button", class: "plain", on: { click: open } }, source.title);
      return [number(item.score), t(item.chosen ? "why.yes" : "why.no"), button ?? String(item.n), item.text];
    }),
  );
}

function sentences(items) {
  if (items.length === 0) return null;
  const rows = items.map((item) => [number(item.score), t(`why.verdict.${item.verdict}`), item.text]);
  return table(["why.score", "why.verdict", "why.text"], rows);
}

function passages(retrieval, transcript) {
  if (!retrieval?.candidates?.length) return null;
  const rows = retrieval.candidates.map((candidate) => {
    const stages = Object.entries(candidate.stages).map(([name, value]) => `${name} ${number(value)}`);
    return [String(transcript.number(candidate.n)), transcript.source(candidate.n)?.title ?? candidate.document, stages.join(", ")];
  });
  return table(["source.passage", "why.source", "why.stages"], rows);
}

function dropped(retrieval) {
  if (!retrieval?.dropped?.length) return null;
  const counts = new Map();
  for (const { reason } of retrieval.dropped) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return el("p", {}, [...counts].map(([reason, many]) => `${reason.replaceAll("_", " ")}: ${many}`).join(", "));
}

function prompt(read) {
  if (!read) return null;
  return el("div", {}, ...read.messages.map(({ role, content }) => el("pre", {}, `${role}\n\n${content}`)));
}

function table(keys, rows) {
  const head = el("tr", {}, ...keys.map((key) => el("th", { scope: "col" }, t(key))));
  const body = rows.map((cells) => el("tr", {}, ...cells.map((cell) => el("td", {}, cell))));
  return el("div", { class: "wide" }, el("table", {}, el("thead", {}, head), el("tbody", {}, ...body)));
}

function times(ms) {
  return Object.entries(ms ?? {})
    .map(([name, value]) => `${name.replaceAll("_", " ")} ${Math.round(value)}`)
    .join(", ");
}

function number(value) {
  return typeof value === "number" ? String(Math.round(value * 1000) / 1000) : String(value);
}
