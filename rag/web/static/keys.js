// API keys: the list, a new one whose secret is shown once, rotation, revocation. Knows no password.

import { announce, el, pageData, showProblem, t } from "./page.js";
import { api, listed } from "./api.js";

const DAY = 86400000; // milliseconds
const byId = (id) => document.getElementById(id);
const dates = new Intl.DateTimeFormat("en", { dateStyle: "medium" });
const day = (moment) => (moment ? dates.format(new Date(moment)) : "–");

/** Fill the section of `keys.html` and make its form work. */
export function beginKeys() {
  const form = byId("new-key");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
      const days = Number(form.elements.days.value);
      const json = {
        name: form.elements.name.value,
        scopes: [...form.querySelectorAll("[name=scope]:checked")].map((box) => box.value),
        person: form.elements.person?.value || null,
        expires_at: days ? new Date(Date.now() + days * DAY).toISOString() : null,
      };
      reveal(await api("keys", { method: "POST", json }));
      form.elements.name.value = "";
    });
  });
  byId("copy-secret").addEventListener("click", async () => {
    await navigator.clipboard.writeText(byId("secret").textContent).catch(() => {});
    announce(t("answer.copied"));
  });
  attempt(async () => {});
}

async function attempt(deed) {
  showProblem(byId("keys-problem"), "");
  try {
    await deed();
    const rows = [];
    for await (const key of listed("keys?limit=500")) if (!key.revoked_at) rows.push(row(key));
    byId("keys").querySelector("tbody").replaceChildren(...rows);
  } catch (error) {
    showProblem(byId("keys-problem"), error.message);
  }
}

function reveal(made) {
  byId("secret").textContent = made.secret;
  byId("new-secret").hidden = false;
}

function row(key) {
  const path = `keys/${encodeURIComponent(key.id)}`;
  const rotate = async () => reveal(await api(`${path}/rotate`, { method: "POST", json: {} }));
  const revoke = async () => api(path, { method: "DELETE" });
  return el(
    "tr",
    {},
    el("td", {}, key.name || key.id),
    el("td", {}, key.person === pageData.viewer ? t("keys.mine") : key.person_name),
    el("td", {}, key.scopes.join(", ")),
    el("td", {}, day(key.expires_at)),
    el("td", {}, day(key.last_used_at)),
    el("td", { class: "number" }, button(t("keys.rotate"), key, rotate), button(t("keys.revoke"), key, revoke)),
  );
}

function button(text, key, deed) {
  const label = t("admin.one", { deed: text, name: key.name || key.id });
  return el("button", { type: "button", class: "plain", "aria-label": label, on: { click: () => attempt(deed) } }, text);
}
