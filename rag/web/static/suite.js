// The page of a suite: its cases edited in place, a file of cases added, a run begun. Knows no run's figures.

import { announce, el, pageData, t } from "./page.js";
import { attempts, confirmed } from "./deed.js";
import { api } from "./api.js";
import { caseForm } from "./case_form.js";

const byId = (id) => document.getElementById(id);
const attempt = attempts(byId("problem"));
const { suite } = pageData;
const path = `suites/${encodeURIComponent(suite.id)}`;
let { cases } = pageData;

function show() {
  const wanted = byId("find").value.trim().toLowerCase();
  const found = cases.filter((one) => [one.question, one.id, ...one.tags].join(" ").toLowerCase().includes(wanted));
  byId("cases").replaceChildren(...found.map(item));
  byId("count").textContent = String(cases.length);
  byId("no-cases").hidden = cases.length > 0;
}

function item(one) {
  const act = (key, click) => el("button", { type: "button", class: "plain", "aria-label": t("admin.one", { deed: t(key), name: one.question }), on: { click } }, t(key));
  const expected = one.kind === "answerable" ? [...one.answers, ...one.facts].join(" / ") : t(`case.kind.${one.kind}`);
  const node = el(
    "li",
    { "data-case": one.id },
    el("h3", {}, one.question),
    el("p", { class: "help" }, `${t("case.expects")} ${expected}`),
    el("p", { class: "file-name" }, [one.id, ...one.tags].join(" · ")),
    el("div", { class: "actions" }, act("suites.edit", () => edit(one, node)), act("suites.remove", () => remove(one))),
  );
  return node;
}

function edit(one, node) {
  const back = () => {
    const again = item(cases.find(({ id }) => id === one.id) ?? one);
    form.replaceWith(again);
    again.querySelector("button").focus();
  };
  const save = async (changed) => {
    const saved = await api(`${path}/cases/${encodeURIComponent(one.id)}`, { method: "PUT", json: changed });
    cases = cases.map((other) => (other.id === one.id ? saved : other));
    announce(t("suites.saved"));
    back();
  };
  const form = el("li", {}, caseForm(one, save, back));
  node.replaceWith(form);
  form.querySelector("textarea").focus();
}

function add() {
  const leave = () => {
    byId("new-case").replaceChildren();
    byId("add").focus();
  };
  const save = async (made) => {
    cases = [...cases, await api(`${path}/cases`, { method: "POST", json: made })];
    announce(t("suites.saved"));
    show();
    add();
  };
  byId("new-case").replaceChildren(caseForm({}, save, leave));
  byId("new-case").querySelector("textarea").focus();
}

async function remove(one) {
  await attempt(async () => {
    await api(`${path}/cases/${encodeURIComponent(one.id)}`, { method: "DELETE" });
    cases = cases.filter(({ id }) => id !== one.id);
    show();
    byId("add").focus();
  });
}

async function takeIn(file) {
  const { cases: count } = await api(`${path}/import`, { method: "POST", json: { text: await file.text() } });
  announce(t("suites.imported", { count }));
  location.reload();
}

async function models() {
  const { items } = await api("models");
  byId("run-model").append(...items.filter(({ ready }) => ready).map(({ name, title }) => el("option", { value: name }, title || name)));
}

byId("find").addEventListener("input", show);
byId("add").addEventListener("click", add);
byId("import").addEventListener("change", (event) => {
  const [file] = event.target.files;
  if (file) attempt(() => takeIn(file));
  event.target.value = "";
});
byId("delete").addEventListener("click", () =>
  attempt(async () => {
    if (!(await confirmed(t("suites.delete.text", { name: suite.name })))) return;
    await api(path, { method: "DELETE" });
    location.assign("/runs");
  }),
);
byId("run").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => {
    const { model, mode } = event.target.elements;
    const run = await api("runs", { method: "POST", json: { suite: suite.id, model: model.value, mode: mode.value } });
    location.assign(`/runs/${encodeURIComponent(run.id)}`);
  });
});
show();
attempt(models);
