// A search without an answer, with the scores of every stage. Knows no document list.

import { el, showProblem, t } from "./page.js";
import { api } from "./api.js";

/** Make the form search the collection; passages come below it, best first. */
export function beginSearch(form, collection) {
  const list = document.getElementById("found");
  const problem = document.getElementById("search-problem");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    showProblem(problem, "");
    const json = { question: form.elements.question.value, collection, k: 10, mode: form.elements.mode.value };
    try {
      const { passages, dropped, ms } = await api("search", { method: "POST", json });
      const times = Object.entries(ms).map(([stage, value]) => `${stage} ${Math.round(value)} ms`);
      const said = t("search.said", { count: passages.length, dropped: dropped.length, times: times.join(", ") });
      list.replaceChildren(el("li", { class: "help" }, said), ...passages.map(item));
    } catch (error) {
      showProblem(problem, error.message);
    }
  });
}

function item(passage) {
  const stages = Object.entries(passage.stages).map(([name, value]) => `${name.replaceAll("_", " ")} ${Math.round(value * 1000) / 1000}`);
  const href = `/documents/${encodeURIComponent(passage.document)}?start=${passage.start}&end=${passage.end}#passage`;
  const place = [passage.heading, passage.page ? t("source.page", { page: passage.page }) : ""].filter(Boolean).join(" · ");
  return el(
    "li",
    {},
    el("a", { href }, passage.title || passage.name),
    el("span", { class: "file-name" }, place),
    el("p", { class: "excerpt" }, passage.text),
    el("p", { class: "help" }, stages.join(", ")),
  );
}
