// What was lost of each file, worst first. Knows no upload.

import { el, t } from "./page.js";
import { api } from "./api.js";

/** Fill a disclosure when it is opened. */
export function beginQuality(details, collection) {
  const body = details.querySelector("tbody");
  const more = details.querySelector("button");
  let following = null; // cursor of the next page
  const load = async (cursor) => {
    const path = `collections/${encodeURIComponent(collection)}/documents/report?limit=50`;
    const page = await api(cursor ? `${path}&cursor=${encodeURIComponent(cursor)}` : path);
    if (!cursor) body.replaceChildren();
    body.append(...page.items.map(row));
    following = page.next;
    more.hidden = following === null;
  };
  const opened = () => details.open && load(null);
  details.addEventListener("toggle", opened);
  opened(); // it may have been opened before this module came
  more.addEventListener("click", () => load(following));
}

function row(item) {
  const lost = [item.error, ...(item.report.dropped ?? [])].filter(Boolean);
  const pages = item.report.pages_without_text?.length;
  if (pages) lost.unshift(t("quality.pages", { count: pages }));
  const name = item.document ? el("a", { href: `/documents/${encodeURIComponent(item.document)}` }, item.name) : item.name;
  const percent = Math.round(item.score * 100);
  return el(
    "tr",
    {},
    el("td", { class: "number" }, t("quality.score", { percent })),
    el("td", {}, name),
    el("td", {}, lost.length ? lost.join("; ") : t("quality.whole")),
  );
}
