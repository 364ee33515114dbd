// How far a run is, while it runs. Knows no figure: when it has ended, the page is loaded with them.

import { pageData, t } from "./page.js";
import { attempts } from "./deed.js";
import { api } from "./api.js";

const EVERY = 1000; // milliseconds between looks
const byId = (id) => document.getElementById(id);
const path = `runs/${encodeURIComponent(pageData.run.id)}`;

async function follow() {
  for (let ran = false; ; ) {
    const { state, asked, total, right, error } = await api(path);
    const running = state === "running";
    // It may have ended between the making of this page and the first look.
    if (state === "finished" || (ran && !running)) return location.reload();
    ran = running;
    if (state === "failed") byId("going-said").textContent = t("runs.failed", { error });
    byId("cancel").hidden = byId("going-bar").hidden = !running;
    if (!running) return undefined;
    byId("going-said").textContent = t("runs.asking", { asked, total, right });
    byId("going-bar").max = total;
    byId("going-bar").value = asked;
    await new Promise((resolve) => setTimeout(resolve, EVERY));
  }
}

if (pageData.run.open) {
  const attempt = attempts(byId("problem"));
  byId("cancel").addEventListener("click", () => attempt(() => api(`${path}/cancel`, { method: "POST" })));
  attempt(follow);
}
