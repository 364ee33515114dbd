// The audit log: filtered, page by page, and whether it is whole.

import { el, t } from "./page.js";
import { attempts } from "./deed.js";
import { api } from "./api.js";

const byId = (id) => document.getElementById(id);
const attempt = attempts(byId("audit-problem"));
const moments = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });
let following = null; // cursor of the next page

byId("audit-filter").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(() => load(null));
});
byId("audit-more").addEventListener("click", () => attempt(() => load(following)));
byId("verify").addEventListener("click", () =>
  attempt(async () => {
    const { lines, hash } = await api("audit/verify");
    byId("audit-whole").textContent = t("audit.whole", { lines, hash });
    byId("audit-whole").hidden = false;
  }),
);
attempt(() => load(null));

/** What the form asks for; `until` is the last day that counts. */
function wanted() {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(byId("audit-filter"))) {
    if (!value) continue;
    const day = name === "since" || name === "until" ? new Date(`${value}T00:00:00Z`) : null;
    if (name === "until") day.setUTCDate(day.getUTCDate() + 1);
    query.set(name, day ? day.toISOString() : value);
  }
  return query;
}

async function load(cursor) {
  const query = wanted();
  byId("audit-export").href = `/api/v1/audit/export?${query}`; // what is shown is what is exported
  query.set("limit", "100");
  if (cursor !== null) query.set("cursor", cursor);
  const page = await api(`audit?${query}`);
  const rows = byId("audit").querySelector("tbody");
  if (cursor === null) rows.replaceChildren();
  rows.append(...page.items.map(row));
  following = page.next;
  byId("audit-more").hidden = following === null;
}

function row(line) {
  const cells = [moments.format(new Date(line.at)), line.actor_name, line.via, line.action, line.object];
  return el("tr", {}, ...cells.map((text) => el("td", {}, text)));
}
