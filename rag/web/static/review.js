// The queue of what people said of answers, for evaluators. Knows no grounding.

import { announce, el, pageData, t } from "./page.js";
import { attempts } from "./deed.js";
import { api, listed } from "./api.js";
import { caseForm } from "./case_form.js";
import { whyButton } from "./why.js";
import { Transcript } from "./transcript.js";

const byId = (id) => document.getElementById(id);
const attempt = attempts(byId("problem"));
const dates = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });
let following = null; // cursor of the next page

async function load(cursor = null) {
  const wanted = new URLSearchParams({ limit: "50" });
  for (const [name, value] of new FormData(byId("filter"))) if (value) wanted.set(name, value);
  if (cursor !== null) wanted.set("cursor", cursor);
  const page = await api(`feedback?${wanted}`);
  if (cursor === null) byId("opinions").replaceChildren();
  byId("opinions").append(...page.items.map(item));
  following = page.next;
  byId("more").hidden = following === null;
  byId("none").hidden = byId("opinions").childElementCount > 0;
}

function item(info) {
  const settled = async (state) => {
    await api(`feedback/${encodeURIComponent(info.id)}`, { method: "PATCH", json: { state } });
    announce(t(`review.state.${state}`));
    node.remove();
    byId("none").hidden = byId("opinions").childElementCount > 0;
  };
  const settle = (state) => {
    const click = () => attempt(() => settled(state));
    const label = t("admin.one", { deed: t(`review.to.${state}`), name: info.question });
    return el("button", { type: "button", class: "plain", "aria-label": label, on: { click } }, t(`review.to.${state}`));
  };
  const states = ["done", "dismissed", "open"].filter((state) => state !== info.state);
  const said = [info.reason ? t(`feedback.reason.${info.reason}`) : "", info.name, dates.format(new Date(info.created_at))];
  const make = el("button", { type: "button", class: "plain", on: { click: () => attempt(() => beginCase(info, node, settled)) } }, t("case.make"));
  const transcript = new Transcript(info.question);
  transcript.answer = info.answer;
  const node = el(
    "li",
    {},
    el("h2", {}, info.question),
    el("p", { class: "status" }, el("span", { class: `badge ${info.rating === "down" ? "failed" : "answered"}` }, t(`feedback.${info.rating}`)), said.filter(Boolean).join(" · ")),
    el("p", { class: "verbatim" }, info.text || t(`status.${info.status}`)),
    info.better ? el("p", { class: "better" }, el("strong", {}, t("review.better")), ` ${info.better}`) : null,
    info.comment ? el("p", {}, info.comment) : null,
    el("div", { class: "actions" }, pageData.evaluates ? make : null, ...states.map(settle), ...whyButton(transcript, () => {})),
  );
  return node;
}

/** A case of what was asked, in a suite over the collection that was asked; afterwards the opinion is done. */
async function beginCase(info, node, settled) {
  const [asked] = info.collections;
  const suites = [];
  for await (const suite of listed("suites?limit=500")) if (suite.collection === asked) suites.push(suite);
  const name = t("case.suite.name", { collection: pageData.collections[asked] ?? asked });
  const options = suites.map((suite) => el("option", { value: suite.id }, suite.name));
  const fresh = suites.some((suite) => suite.name === name) ? [] : [el("option", { value: "" }, t("case.suite.new", { name }))];
  const choice = el("select", { id: `suite-of-${info.id}` }, ...options, ...fresh);
  const found = {
    question: info.question,
    kind: info.reason === "invented" && !info.better ? "unanswerable" : "answerable",
    answers: info.better ? [info.better] : [],
    tags: ["review", info.reason].filter(Boolean),
  };
  const save = async (made) => {
    const suite = choice.value || (await api("suites", { method: "POST", json: { name, collection: asked } })).id;
    await api(`suites/${encodeURIComponent(suite)}/cases`, { method: "POST", json: { ...made, id: info.id } });
    await settled("done");
  };
  const leave = () => form.remove();
  const form = caseForm(found, save, leave, el("label", { for: choice.id }, t("case.suite")), choice);
  node.querySelector("form")?.remove();
  node.append(form);
  form.querySelector("textarea").focus();
}

byId("filter").addEventListener("change", () => attempt(load));
byId("more").addEventListener("click", () => attempt(() => load(following)));
attempt(load);
