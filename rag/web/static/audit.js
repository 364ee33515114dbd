// The audit log: filtered, page by page, and whether it is whole.

import { el, showProblem, t } from "./page.js";
import { api } from "./api.js";

const byId = (id) => document.getElementById(id);
const moments = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });
let following = null; // cursor of the next page

/** Show the newest lines and make the filter work. */
export function beginAudit() {
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
}

async function attempt(deed) {
  showProblem(byId("audit-problem"), "");
  try {
    await deed();
  } catch (error) {
    showProblem(byId("audit-problem"), error.message);
  }
}

async function load(cursor) {
  const wanted = new URLSearchParams({ limit: "100" });
  for (const [name, value] of new FormData(byId("audit-filter"))) if (value) wanted.set(name, value);
  if (cursor !== null) wanted.set("cursor", cursor);
  const page = await api(`audit?${wanted}`);
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
