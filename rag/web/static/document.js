// The page of a document: brings the cited passage into view, previews chunks, replaces, deletes, says who may read it.

import { el, pageData, showProblem, t } from "./page.js";
import { attempts, confirmed } from "./deed.js";
import { api } from "./api.js";
import { beginReaders } from "./readers.js";
import { send } from "./upload.js";

const EVERY = 700; // milliseconds between looks at a job
const ENDED = ["done", "failed", "cancelled"];
const byId = (id) => document.getElementById(id);
const attempt = attempts(byId("problem"));
const info = pageData.document;
const path = `documents/${encodeURIComponent(info.id)}`;

document.querySelector("mark.cited, mark.passage")?.scrollIntoView({ block: "center" });

const chunks = byId("chunks");
const more = chunks.querySelector("button");
let following = null; // cursor of the next page

async function load(cursor) {
  const page = await api(`${path}/chunks?limit=50${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
  chunks.querySelector("ol").append(...page.items.map(chunk));
  following = page.next;
  more.hidden = following === null;
}

function chunk(item) {
  const line = item.line ? t("source.line", { line: item.line }) : "";
  const page = item.page ? t("source.page", { page: item.page }) : line;
  const place = [item.heading, page, item.ocr ? t("source.ocr") : "", t("chunks.tokens", { count: item.tokens })].filter(Boolean).join(" · ");
  const href = `?start=${item.start}&end=${item.end}#passage`;
  return el("li", {}, el("a", { href }, t("chunks.one", { number: item.ordinal + 1 })), el("span", { class: "file-name" }, place), el("p", { class: "excerpt" }, item.text));
}

const preview = () => chunks.open && chunks.querySelector("ol").childElementCount === 0 && attempt(() => load(null));
chunks.addEventListener("toggle", preview);
more.addEventListener("click", () => attempt(() => load(following)));

function say(text) {
  showProblem(byId("said"), text);
}

/** A file under the same name becomes the next version. */
async function replace(file) {
  const base = `collections/${encodeURIComponent(info.collection)}/documents`;
  const accepted = await send(base, { file, name: info.name }, null, (share) => say(t("jobs.sent", { percent: Math.round(share * 100) })));
  let { job } = accepted;
  while (!ENDED.includes(job.state)) {
    say(t(`jobs.${job.state}`));
    await new Promise((resolve) => setTimeout(resolve, EVERY));
    job = await api(`jobs/${encodeURIComponent(job.id)}`);
  }
  say("");
  if (job.state === "done") location.assign(`/documents/${encodeURIComponent(job.document)}`);
  else showProblem(byId("problem"), job.error ?? t(`jobs.${job.state}`));
}

beginReaders(byId("readers"), info.id);
preview(); // it may have been opened before this module came
byId("replace")?.addEventListener("change", (event) => {
  const [file] = event.target.files;
  event.target.value = "";
  if (file) attempt(() => replace(file));
});
byId("delete")?.addEventListener("click", () =>
  attempt(async () => {
    if (!(await confirmed())) return;
    await api(path, { method: "DELETE" });
    location.assign(`/collections/${encodeURIComponent(info.collection)}`);
  }),
);
