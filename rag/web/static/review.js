// The queue of what people said of answers, for evaluators. Knows no grounding.

import { announce, el, showProblem, t } from "./page.js";
import { api } from "./api.js";
import { whyButton } from "./why.js";
import { Transcript } from "./transcript.js";

const byId = (id) => document.getElementById(id);
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

async function attempt(deed) {
  showProblem(byId("problem"), "");
  try {
    await deed();
  } catch (error) {
    showProblem(byId("problem"), error.message);
  }
}

function item(info) {
  const settle = (state) => {
    const click = () =>
      attempt(async () => {
        await api(`feedback/${encodeURIComponent(info.id)}`, { method: "PATCH", json: { state } });
        announce(t(`review.state.${state}`));
        node.remove();
        byId("none").hidden = byId("opinions").childElementCount > 0;
      });
    const label = t("admin.one", { deed: t(`review.to.${state}`), name: info.question });
    return el("button", { type: "button", class: "plain", "aria-label": label, on: { click } }, t(`review.to.${state}`));
  };
  const states = ["done", "dismissed", "open"].filter((state) => state !== info.state);
  const said = [info.reason ? t(`feedback.reason.${info.reason}`) : "", info.name, dates.format(new Date(info.created_at))];
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
    el("div", { class: "actions" }, ...states.map(settle), ...whyButton(transcript, () => {})),
  );
  return node;
}

byId("filter").addEventListener("change", () => attempt(load));
byId("more").addEventListener("click", () => attempt(() => load(following)));
attempt(load);
