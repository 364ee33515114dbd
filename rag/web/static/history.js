// What was asked before: searched, pinned, renamed, shared, exported, deleted. Knows no answer.

import { announce, el, t } from "./page.js";
import { attempts, confirmed } from "./deed.js";
import { api } from "./api.js";

const PAUSE = 250; // milliseconds after the last letter before the search begins
const byId = (id) => document.getElementById(id);
const attempt = attempts(byId("problem"));
const dates = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });
let following = null; // cursor of the next page
let turn = 0; // a slow answer for an earlier search must not overwrite a later one

async function load(cursor = null) {
  turn += 1;
  const mine = turn;
  const search = encodeURIComponent(byId("words").value.trim());
  const list = (pinned, rest) => api(`conversations?pinned=${pinned}&search=${search}${rest}`);
  const page = await list(false, `&limit=50${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
  const pinned = cursor === null ? await list(true, "&limit=200") : null;
  if (mine !== turn) return;
  if (pinned) {
    byId("pinned").querySelector("ul").replaceChildren(...pinned.items.map(row));
    byId("pinned").hidden = pinned.items.length === 0;
    byId("others").replaceChildren();
    byId("none").hidden = page.items.length + pinned.items.length > 0;
  }
  byId("others").append(...page.items.map(row));
  following = page.next;
  byId("more").hidden = following === null;
}

function row(info) {
  const path = `conversations/${encodeURIComponent(info.id)}`;
  const change = (json) => attempt(async () => {
    await api(path, { method: "PATCH", json });
    await load();
  });
  const act = (key, click) => {
    const label = t("admin.one", { deed: t(key), name: info.title });
    return el("button", { type: "button", class: "plain", "aria-label": label, on: { click } }, t(key));
  };
  const facts = [
    t(info.answers === 1 ? "history.count.one" : "history.count.many", { count: info.answers }),
    dates.format(new Date(info.updated_at)),
    ...(info.shared ? [t("history.shared")] : []),
  ];
  return el(
    "li",
    {},
    el("div", {}, el("a", { href: `/?conversation=${encodeURIComponent(info.id)}` }, info.title), el("span", { class: "file-name" }, facts.join(" · "))),
    el(
      "span",
      { class: "row-actions" },
      act(info.pinned ? "history.unpin" : "history.pin", () => change({ pinned: !info.pinned })),
      act("history.rename", () => rename(info, change)),
      act(info.shared ? "history.unshare" : "history.share", () => share(info, change)),
      el("a", { class: "plain", href: `/api/v1/${path}/export`, download: true, "aria-label": t("admin.one", { deed: t("history.export"), name: info.title }) }, t("history.export")),
      act("documents.delete", () => remove(info, path)),
    ),
  );
}

async function share(info, change) {
  await change({ shared: !info.shared });
  if (info.shared) return;
  const link = new URL(`/?conversation=${encodeURIComponent(info.id)}`, location.href);
  const copied = await navigator.clipboard.writeText(String(link)).then(() => true, () => false);
  announce(t(copied ? "history.link_copied" : "answer.not_copied"));
}

function rename(info, change) {
  const dialog = byId("rename");
  byId("new-title").value = info.title;
  dialog.returnValue = "";
  const closed = () => {
    const title = byId("new-title").value.trim();
    if (dialog.returnValue === "rename" && title) change({ title });
  };
  dialog.addEventListener("close", closed, { once: true });
  dialog.showModal();
  byId("new-title").select();
}

async function remove(info, path) {
  if (!(await confirmed(t("history.delete.text", { name: info.title })))) return;
  await attempt(async () => {
    await api(path, { method: "DELETE" });
    announce(t("documents.deleted", { name: info.title }));
    await load();
  });
}

let timer = 0;
byId("words").addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(() => attempt(load), PAUSE);
});
byId("search").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(load);
});
byId("rename-keep").addEventListener("click", () => byId("rename").close());
byId("more").addEventListener("click", () => attempt(() => load(following)));
attempt(load);
