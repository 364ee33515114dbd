// Makes a collection follow a folder of the server, a page or a sitemap: the difference first, then on one's word.

import { announce, el, t } from "./page.js";
import { attempts } from "./deed.js";
import { api } from "./api.js";

const MOST = 200; // names that are listed of one kind
const KINDS = ["added", "changed", "moved", "removed", "left"];

/** Make the form show the difference; the button below it carries it out. `done()` looks at the jobs again. */
export function beginSync(form, collection, done) {
  if (!form) return;
  const attempt = attempts(document.getElementById("sync-problem"));
  const shown = document.getElementById("difference");
  const path = `collections/${encodeURIComponent(collection)}/sync`;
  const ask = (wanted) => api(path, { method: "POST", json: wanted });

  const look = async () => {
    const source = { [form.elements.kind.value]: form.elements.place.value.trim() };
    shown.replaceChildren(el("p", { class: "help" }, t("sync.looking")));
    const { difference } = await ask({ ...source, dry_run: true }).catch((error) => {
      shown.replaceChildren();
      throw error;
    });
    const apply = () => attempt(() => carryOut(source, difference));
    const work = KINDS.some((kind) => kind !== "left" && difference[kind].length > 0);
    const button = el("button", { type: "button", class: `button${difference.removed.length ? " danger" : ""}`, on: { click: apply } }, t("sync.apply"));
    shown.replaceChildren(
      el("p", { role: "status" }, t(work ? "sync.found" : "sync.same", { count: difference.unchanged })),
      ...KINDS.filter((kind) => difference[kind].length > 0).map((kind) => names(kind, difference[kind])),
      ...(work ? [button] : []),
    );
  };
  const carryOut = async (source, { digest }) => {
    const { applied } = await ask({ ...source, confirm: digest });
    const said = t("sync.done", { jobs: applied.jobs, moved: applied.moved, removed: applied.removed });
    shown.replaceChildren(el("p", { role: "status" }, said), ...(applied.refused.length ? [names("left", applied.refused)] : []));
    announce(said);
    await done();
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(look);
  });
}

function names(kind, found) {
  const written = (one) => (kind === "moved" ? `${one.before} → ${one.after}` : kind === "left" ? `${one.name}: ${one.reason}` : one);
  const more = found.length > MOST ? [el("li", {}, "…")] : [];
  const items = found.slice(0, MOST).map((one) => el("li", {}, written(one)));
  return el("details", { open: kind === "removed" }, el("summary", {}, t(`sync.${kind}`, { count: found.length })), el("ul", { class: "plain-list" }, ...items, ...more));
}
