// How the service is: what is ready, its figures, its models, its settings with their source. Changes only which version of a model speaks.

import { announce, el, showProblem, t } from "./page.js";
import { attempts } from "./deed.js";
import { api, send } from "./api.js";

const byId = (id) => document.getElementById(id);
const attempt = attempts(byId("problem"));
const numbers = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

async function health() {
  const response = await fetch("/api/v1/health/ready");
  const { ready, checks } = await response.json();
  const badge = el("span", { class: `badge ${ready ? "answered" : "failed"}` }, t(ready ? "system.ready" : "system.not_ready"));
  byId("ready").replaceChildren(badge);
  const figures = Object.entries(checks).map(([name, said]) => [t(`system.check.${name}`), said]);
  const metrics = await (await send("/api/v1/metrics", { headers: { Accept: "text/plain" } })).text();
  byId("figures").replaceChildren(...[...figures, ...parsed(metrics)].map(([name, said]) => el("div", {}, el("dt", {}, name), el("dd", {}, said))));
}

/** The figures of the text that Prometheus reads, by their help line. */
function parsed(text) {
  const help = new Map();
  const found = [];
  for (const line of text.split("\n")) {
    const described = /^# HELP (\S+) (.*)$/.exec(line);
    if (described) help.set(described[1], described[2].replace(/\.$/, ""));
    const [, name, labels, value] = /^([a-z_]+)(\{[^}]*\})? (\S+)$/.exec(line) ?? [];
    if (!name) continue;
    const state = /"(.*)"/.exec(labels ?? "")?.[1];
    found.push([[help.get(name) ?? name, state].filter(Boolean).join(": "), numbers.format(Number(value))]);
  }
  return found;
}

const speeds = (measured) => Object.entries(measured ?? {}).map(([name, value]) => `${name.replaceAll("_", " ")} ${numbers.format(value)}`).join(", ") || "–";

async function models() {
  const { items } = await api("models");
  const rows = items.map((model) => {
    const facts = [model.quantisation, model.version ? t("source.version", { version: model.version }) : "", model.licence];
    const state = model.problem || t(model.ready ? "system.ready" : "system.not_loaded");
    const cells = [model.name, model.title, facts.filter(Boolean).join(", "), numbers.format(model.context), speeds(model.measured), state];
    return el("tr", {}, ...cells.map((text) => el("td", {}, text)));
  });
  byId("models").querySelector("tbody").replaceChildren(...rows);
  versions(items);
}

/** The versions of local models, and the way to another one. */
function versions(items) {
  const rows = items.flatMap((model) => (model.versions ?? []).map((version) => [model, version]));
  const change = (model, deed, json) => attempt(async () => {
    await api(`models/${encodeURIComponent(model.name)}/${deed}`, { method: "POST", json });
    announce(t("system.changed"));
    await models();
  });
  const button = (key, name, click) => el("button", { type: "button", class: "plain", "aria-label": t("admin.one", { deed: t(key), name }), on: { click } }, t(key));
  byId("versions").hidden = rows.length === 0;
  byId("versions").querySelector("tbody").replaceChildren(
    ...rows.map(([model, version]) => {
      const name = `${model.name} ${version.version}`;
      const speaks = version.version === model.version;
      const deed = speaks ? button("system.rollback", name, () => change(model, "rollback")) : button("system.promote", name, () => change(model, "promote", { version: version.version }));
      const facts = [version.quantisation, version.origin, `${numbers.format(version.size / 1e6)} MB`].filter(Boolean).join(", ");
      const marked = speaks ? el("span", { class: "badge answered" }, t("system.speaks")) : null;
      return el("tr", {}, el("td", {}, model.name), el("td", { class: "number" }, String(version.version)), el("td", {}, facts, " ", marked ?? ""), el("td", {}, speeds(version.measured)), el("td", { class: "number" }, deed));
    }),
  );
}

async function settings() {
  const { items } = await api("settings");
  const rows = items.map((setting) => {
    const shown = Array.isArray(setting.value) ? setting.value.join(", ") : String(setting.value);
    const name = el("td", {}, el("code", {}, setting.name), el("span", { class: "file-name" }, setting.help));
    return el("tr", { class: setting.origin === "default" ? null : "changed" }, name, el("td", {}, shown || "–"), el("td", {}, setting.origin));
  });
  byId("settings").querySelector("tbody").replaceChildren(...rows);
}

for (const part of [health, models, settings]) part().catch((error) => showProblem(byId("problem"), error.message));
byId("setting-filter").addEventListener("input", (event) => {
  const wanted = event.target.value.trim().toLowerCase();
  for (const node of byId("settings").querySelectorAll("tbody tr")) node.hidden = !node.textContent.toLowerCase().includes(wanted);
});
