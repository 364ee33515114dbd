// One's own one-time codes: turned on with an authenticator, turned off with a code. Knows no password.

import { announce, showProblem, t } from "./page.js";
import { attempts } from "./deed.js";
import { api } from "./api.js";

const QUIET = 4; // empty squares around the picture, as the standard wants
const byId = (id) => document.getElementById(id);

/** Show how things stand, and let them change. */
export function beginCodes() {
  const attempt = attempts(byId("codes-problem"));
  let on = false;

  const show = () => {
    byId("codes-state").textContent = t(on ? "codes.on" : "codes.off");
    byId("codes-begin").hidden = on;
    byId("codes-enrol").hidden = true;
    byId("codes-form").hidden = !on;
    byId("codes-go").textContent = t(on ? "codes.turn.off" : "codes.turn.on");
    byId("codes-form").reset();
  };
  const begin = async () => {
    const { secret, squares } = await api("session/codes", { method: "POST" });
    draw(byId("codes-picture"), squares);
    byId("codes-secret").textContent = secret.match(/.{1,4}/g).join(" ");
    byId("codes-begin").hidden = true;
    byId("codes-enrol").hidden = byId("codes-form").hidden = false;
    byId("codes-code").focus();
  };
  const change = async () => {
    const json = { code: byId("codes-code").value };
    if (on) {
      await api("session/codes/off", { method: "POST", json });
      byId("codes-recovery").hidden = true;
    } else {
      const { recovery } = await api("session/codes", { method: "PUT", json });
      byId("codes-recovery").hidden = false;
      byId("codes-recovery").querySelector("pre").textContent = recovery.join("\n");
    }
    on = !on;
    show();
    announce(byId("codes-state").textContent);
  };

  byId("codes-begin").addEventListener("click", () => attempt(begin));
  byId("codes-form").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(change);
  });
  attempt(async () => {
    ({ on } = await api("session/codes"));
    show();
    showProblem(byId("codes-problem"), "");
  });
}

/** Draw rows of "1" and "0" as dark squares on white, whatever the colours of the page are. */
function draw(svg, rows) {
  const side = rows.length + 2 * QUIET;
  const node = (name, attributes) => {
    const made = document.createElementNS(svg.namespaceURI, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const dark = rows.flatMap((row, y) => [...row].map((bit, x) => (bit === "1" ? `M${x + QUIET} ${y + QUIET}h1v1h-1z` : "")));
  svg.setAttribute("viewBox", `0 0 ${side} ${side}`);
  svg.replaceChildren(node("rect", { width: side, height: side, fill: "#fff" }), node("path", { d: dark.join(""), fill: "#000" }));
}
