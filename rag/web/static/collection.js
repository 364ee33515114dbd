// The page of a collection: its documents, uploads and their jobs, deletion.

import { announce, el, pageData, showProblem, t } from "./page.js";
import { attempts, confirmed } from "./deed.js";
import { api } from "./api.js";
import { beginAccess } from "./access.js";
import { beginChange } from "./collection_change.js";
import { Jobs } from "./jobs.js";
import { beginQuality } from "./quality.js";
import { beginSearch } from "./search_test.js";
import { beginSync } from "./sync.js";
import { MOST_FILES, dropped, picked, send } from "./upload.js";

const AT_ONCE = 2; // uploads sent at the same time
const byId = (id) => document.getElementById(id);
const attempt = attempts(byId("problem"));
const collection = pageData.collection;
const base = `collections/${encodeURIComponent(collection.id)}/documents`;
const rows = byId("documents").querySelector("tbody");
let following = null; // cursor of the next page of the list

const jobs = new Jobs(byId("jobs"), collection.id, refresh);
const sizes = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const dates = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });

async function load(cursor = null) {
  const page = await api(`${base}?limit=100${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
  if (cursor === null) rows.replaceChildren();
  rows.append(...page.items.map(row));
  following = page.next;
  byId("more").hidden = following === null;
  byId("documents").hidden = rows.childElementCount === 0;
  byId("no-documents").hidden = rows.childElementCount > 0;
}

async function refresh() {
  try {
    await load();
  } catch (error) {
    showProblem(byId("problem"), error.message);
  }
}

function row(info) {
  const remove = el(
    "button",
    { type: "button", class: "plain", "aria-label": t("documents.delete.one", { name: info.name }), on: { click: () => confirmDelete(info) } },
    t("documents.delete"),
  );
  const link = el("a", { href: `/documents/${encodeURIComponent(info.id)}` }, info.title || info.name);
  return el(
    "tr",
    {},
    el("td", {}, link, el("span", { class: "file-name" }, info.name)),
    el("td", {}, kind(info.name)),
    el("td", { class: "number" }, info.pages.length ? String(info.pages.length) : "–"),
    el("td", { class: "number" }, bytes(info.size)),
    el("td", { class: "number" }, String(info.version)),
    el("td", { class: "when" }, dates.format(new Date(info.created_at))),
    el("td", { class: "number" }, pageData.mayWrite ? remove : null),
  );
}

function kind(name) {
  const last = name.split("/").pop();
  return last.includes(".") ? last.split(".").pop().toUpperCase() : "–";
}

function bytes(size) {
  const units = ["B", "kB", "MB", "GB"];
  let value = size;
  while (value >= 1000 && units.length > 1) {
    value /= 1000;
    units.shift();
  }
  return `${sizes.format(value)} ${units[0]}`;
}

async function confirmDelete(info) {
  if (!(await confirmed(t("documents.delete.text", { name: info.title || info.name })))) return;
  await attempt(async () => {
    await api(`documents/${encodeURIComponent(info.id)}`, { method: "DELETE" });
    announce(t("documents.deleted", { name: info.name }));
    await load();
  });
}

async function upload(files) {
  showProblem(byId("problem"), files.length < MOST_FILES ? "" : t("documents.too_many", { count: MOST_FILES }));
  const waiting = files.map((one) => ({ ...one, line: jobs.sending(one.name) })).reverse();
  jobs.count();
  let batch = null;
  if (waiting.length > 1) batch = (await api("batches", { method: "POST", json: { collection: collection.id } }).catch(() => null))?.id;
  const sender = async () => {
    for (let one = waiting.pop(); one; one = waiting.pop()) {
      const { line } = one;
      line.sent(0);
      try {
        const { jobs: accepted } = await send(base, one, batch, (share) => line.sent(share));
        accepted.forEach((job, place) => jobs.accepted(place === 0 ? line : jobs.sending(job.name), job)); // an archive is many
      } catch (error) {
        jobs.refused(line, error.message);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, sender));
}

const drop = byId("drop");
for (const name of ["dragenter", "dragover"]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  dropped(event.dataTransfer).then(upload);
});
for (const id of ["files", "folder"]) {
  byId(id).addEventListener("change", (event) => {
    const files = picked(event.target.files);
    event.target.value = "";
    upload(files);
  });
}
byId("more").addEventListener("click", () => load(following));

refresh();
jobs.begin();
beginQuality(byId("quality"), collection.id);
beginSearch(byId("try"), collection.id);
beginSync(byId("sync"), collection.id, refresh);
beginChange(byId("change"), collection.id);
beginAccess(byId("access"), collection.id);
