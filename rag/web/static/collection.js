// The documents of a collection: the list, uploads and their jobs, deletion.

import { announce, el, pageData, showProblem, t } from "./page.js";
import { api } from "./api.js";
import { Jobs } from "./jobs.js";

const AT_ONCE = 2; // uploads sent at the same time
const byId = (id) => document.getElementById(id);
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
    el("td", {}, dates.format(new Date(info.created_at))),
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

function confirmDelete(info) {
  const dialog = byId("confirm");
  byId("confirm-text").textContent = t("documents.delete.text", { name: info.title || info.name });
  dialog.returnValue = "";
  dialog.addEventListener(
    "close",
    async () => {
      if (dialog.returnValue !== "delete") return;
      try {
        await api(`documents/${encodeURIComponent(info.id)}`, { method: "DELETE" });
        announce(t("documents.deleted", { name: info.name }));
        await load();
      } catch (error) {
        showProblem(byId("problem"), error.message);
      }
    },
    { once: true },
  );
  dialog.showModal();
}

async function upload(files) {
  showProblem(byId("problem"), "");
  const waiting = [...files];
  const sender = async () => {
    while (waiting.length > 0) {
      const file = waiting.shift();
      const line = jobs.sending(file.name);
      try {
        const headers = { "Content-Type": file.type || "application/octet-stream" };
        const accepted = await api(`${base}?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file, headers });
        jobs.accepted(line, accepted.job);
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
  upload(event.dataTransfer.files);
});
byId("files").addEventListener("change", (event) => {
  upload(event.target.files).finally(() => (event.target.value = ""));
});
byId("more").addEventListener("click", () => load(following));

refresh();
jobs.begin();
