// Grants: who may do what with which collection. Knows no password and no key.

import { el, pageData, t } from "./page.js";
import { nameOf } from "./named.js";
import { api } from "./api.js";
import { all, attempt, whenSent } from "./people.js";

const byId = (id) => document.getElementById(id);

/** Make the form work; gives the function that shows grants and whom one can grant to. */
export function beginGrants() {
  const refresh = async () => {
    const grants = await all("grants?limit=500");
    byId("grants").querySelector("tbody").replaceChildren(...grants.map((grant) => row(grant, refresh)));
  };
  whenSent("new-grant", "grants-problem", refresh, ({ collection, who, level }) => {
    const [kind, id] = who.value.split(" ");
    return api("grants", { method: "POST", json: { collection: collection.value, level: level.value, [kind]: id } });
  });
  return async (people, groups) => {
    byId("grant-who").replaceChildren(
      ...groups.map((group) => el("option", { value: `group ${group.id}` }, t("grants.group", { name: group.name }))),
      ...people.map((person) => el("option", { value: `person ${person.id}` }, person.name)),
    );
    await refresh();
  };
}

function row(grant, refresh) {
  const collection = pageData.collections.find(({ id }) => id === grant.collection);
  const who = nameOf(grant);
  const take = () => attempt("grants-problem", refresh, () => api(`grants/${encodeURIComponent(grant.id)}`, { method: "DELETE" }));
  const label = t("admin.one", { deed: t("grants.take"), name: who });
  return el(
    "tr",
    {},
    el("td", {}, collection ? collection.name : grant.collection),
    el("td", {}, who),
    el("td", {}, t(`access.level.${grant.level}`)),
    el("td", { class: "number" }, el("button", { type: "button", class: "plain", "aria-label": label, on: { click: take } }, t("grants.take"))),
  );
}
