// People and groups: the lists, new ones, roles, suspension, memberships. Knows no grant.

import { el, pageData, showProblem, t } from "./page.js";
import { api, listed } from "./api.js";

const byId = (id) => document.getElementById(id);
let people = [];

/** Show everybody; `changed(people, groups)` is called whenever they may be others than before. */
export function beginPeople(changed) {
  const refresh = async () => {
    people = await all("people?limit=500");
    const groups = await all("groups?limit=500");
    byId("people").querySelector("tbody").replaceChildren(...people.map((person) => personRow(person, refresh)));
    byId("groups").replaceChildren(...groups.map((group) => groupLine(group, refresh)));
    await changed(people, groups);
  };
  whenSent("new-person", "people-problem", refresh, ({ name, role, password }) =>
    api("people", { method: "POST", json: { name: name.value, role: role.value, password: password.value || null } }),
  );
  whenSent("new-group", "groups-problem", refresh, ({ name }) =>
    api("groups", { method: "POST", json: { name: name.value } }),
  );
  attempt("people-problem", refresh, async () => {});
}

/** Do what a form asks, then refresh; a refusal is shown under the form. */
export function whenSent(id, problem, refresh, deed) {
  byId(id).addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(problem, refresh, async () => {
      await deed(event.target.elements);
      event.target.reset();
    });
  });
}

/** Do something, then refresh; a refusal is shown in the paragraph `problem`. */
export async function attempt(problem, refresh, deed) {
  showProblem(byId(problem), "");
  try {
    await deed();
  } catch (error) {
    showProblem(byId(problem), error.message);
  }
  await refresh().catch((error) => showProblem(byId(problem), error.message));
}

/** Every item of a list. */
export async function all(path) {
  const found = [];
  for await (const item of listed(path)) found.push(item);
  return found;
}

function personRow(person, refresh) {
  const path = `people/${encodeURIComponent(person.id)}`;
  const change = (json) => attempt("people-problem", refresh, () => api(path, { method: "PATCH", json }));
  const roles = el(
    "select",
    { "aria-label": t("people.role.of", { name: person.name }), on: { change: (event) => change({ role: event.target.value }) } },
    ...pageData.roles.map((role) => el("option", { selected: role === person.role }, role)),
  );
  const suspended = person.state === "suspended";
  const text = suspended ? t("people.restore") : t("people.suspend");
  const label = t("admin.one", { deed: text, name: person.name });
  const toggle = () => change({ state: suspended ? "active" : "suspended" });
  return el(
    "tr",
    {},
    el("td", {}, person.name),
    el("td", {}, roles),
    el("td", {}, suspended ? t("people.suspended") : t("people.active")),
    el("td", { class: "number" }, el("button", { type: "button", class: "plain", "aria-label": label, on: { click: toggle } }, text)),
  );
}

function groupLine(group, refresh) {
  const path = `groups/${encodeURIComponent(group.id)}`;
  const act = (method, rest) => attempt("groups-problem", refresh, () => api(path + rest, { method }));
  const members = people.filter((person) => group.members.includes(person.id));
  const others = people.filter((person) => !group.members.includes(person.id));
  const join = el(
    "select",
    {
      "aria-label": t("groups.join", { name: group.name }),
      on: { change: (event) => act("PUT", `/members/${encodeURIComponent(event.target.value)}`) },
    },
    el("option", { value: "" }, t("groups.add")),
    ...others.map((person) => el("option", { value: person.id }, person.name)),
  );
  const label = t("admin.one", { deed: t("documents.delete"), name: group.name });
  return el(
    "li",
    {},
    el("span", { class: "job-name" }, group.name),
    el("span", {}, ...members.map((person) => leaveButton(group, person, act)), join),
    el("button", { type: "button", class: "plain", "aria-label": label, on: { click: () => act("DELETE", "") } }, t("documents.delete")),
  );
}

function leaveButton(group, person, act) {
  const label = t("groups.leave", { name: person.name, group: group.name });
  const leave = () => act("DELETE", `/members/${encodeURIComponent(person.id)}`);
  return el("button", { type: "button", class: "plain", "aria-label": label, on: { click: leave } }, `${person.name} ×`);
}
