// What was answered and what it cost: bars over days, sums by person, key, model or collection. Knows no limit.

import { el, pageData, t } from "./page.js";
import { attempts } from "./deed.js";
import { listed } from "./api.js";
import { drawBars } from "./chart.js";

const DAY = 86400000; // milliseconds
const MEASURES = {
  answers: (line) => line.answers,
  tokens: (line) => line.prompt_tokens + line.completion_tokens,
  cost: (line) => line.cost,
};
const NAMES = {
  person: (line) => line.name || t("usage.nobody"),
  model: (line) => line.model || t("why.no_model"),
  key: (line) => (line.key ? t("usage.key", { name: line.name, key: pageData.keys[line.key] ?? line.key }) : t("usage.session", { name: line.name || t("usage.nobody") })),
  collection: (line) => line.collections.map((id) => pageData.collections[id] ?? id).join(", ") || t("usage.gone"),
};
const byId = (id) => document.getElementById(id);
const attempt = attempts(byId("problem"));
const numbers = new Intl.NumberFormat("en", { maximumFractionDigits: 4 });
const form = byId("usage-filter");
let turn = 0; // a slow answer for an earlier choice must not overwrite a later one

async function load() {
  turn += 1;
  const mine = turn;
  const { days, by, measure } = Object.fromEntries(new FormData(form));
  const since = new Date(Date.now() - Number(days) * DAY).toISOString();
  const found = [];
  const path = `usage?limit=500&since=${encodeURIComponent(since)}&by=${by === "model" ? "person" : by}`;
  for await (const line of listed(path)) found.push(line);
  if (mine !== turn) return;
  const value = MEASURES[measure];
  const perDay = new Map();
  for (let back = Number(days) - 1; back >= 0; back -= 1) perDay.set(new Date(Date.now() - back * DAY).toISOString().slice(0, 10), 0);
  for (const line of found) if (perDay.has(line.day)) perDay.set(line.day, perDay.get(line.day) + value(line));
  const drawn = [...perDay].map(([day, sum]) => ({ day, value: sum }));
  drawBars(byId("plot"), drawn, t("usage.plot", { what: t(`usage.${measure}`) }), (one) => numbers.format(one));
  byId("sums").querySelector("tbody").replaceChildren(...sums(found, NAMES[by]).map(row));
  byId("no-usage").hidden = found.length > 0;
}

function sums(lines, name) {
  const found = new Map();
  for (const line of lines) {
    const sum = found.get(name(line)) ?? { name: name(line), answers: 0, prompt_tokens: 0, completion_tokens: 0, cost: 0 };
    for (const key of ["answers", "prompt_tokens", "completion_tokens", "cost"]) sum[key] += line[key];
    found.set(sum.name, sum);
  }
  return [...found.values()].sort((a, b) => b.answers - a.answers);
}

function row(sum) {
  const figures = [sum.answers, sum.prompt_tokens, sum.completion_tokens, sum.cost];
  return el("tr", {}, el("td", {}, sum.name), ...figures.map((figure) => el("td", { class: "number" }, numbers.format(figure))));
}

form.addEventListener("change", () => attempt(load));
attempt(load);
