// Who may do what with one collection. Knows no document; without the right to manage there is nothing to show.

import { attempts } from "./deed.js";
import { api, listed } from "./api.js";
import { t } from "./page.js";
import { line, whenNamed } from "./named.js";

/** Show the grants when the part is opened, and let them be given and taken back. */
export function beginAccess(place, collection) {
  if (place === null) return;
  const attempt = attempts(place.querySelector(".problem"));
  const form = place.querySelector("form");
  const refresh = async () => {
    const lines = [];
    for await (const grant of listed(`grants?limit=500&collection=${encodeURIComponent(collection)}`)) {
      const take = () => act(() => api(`grants/${encodeURIComponent(grant.id)}`, { method: "DELETE" }));
      lines.push(line(grant, t(`access.level.${grant.level}`), take));
    }
    place.querySelector("ul").replaceChildren(...lines);
    place.querySelector(".nobody").hidden = lines.length > 0;
  };
  const act = (deed) => attempt(async () => {
    await deed();
    await refresh();
  });
  whenNamed(form, (kind, name, { level }) =>
    act(async () => {
      await api("grants", { method: "POST", json: { collection, level: level.value, [kind]: name } });
      form.reset();
    }),
  );
  const show = () => place.open && attempt(refresh);
  place.addEventListener("toggle", show);
  show();
}
