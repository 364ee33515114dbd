// Who alone may read one document; nobody named: whoever reads its collection. Knows no collection.

import { attempts } from "./deed.js";
import { api } from "./api.js";
import { t } from "./page.js";
import { line, whenNamed } from "./named.js";

/** Show the readers when the part is opened, and let them be named and taken out. */
export function beginReaders(place, document) {
  if (place === null) return;
  const attempt = attempts(place.querySelector(".problem"));
  const form = place.querySelector("form");
  const path = `documents/${encodeURIComponent(document)}/readers`;
  let readers = [];

  const draw = (told) => {
    ({ readers } = told);
    const take = (gone) => () => attempt(() => put(readers.filter((one) => one !== gone)));
    place.querySelector("ul").replaceChildren(...readers.map((one) => line(one, t("access.reads"), take(one))));
    place.querySelector(".nobody").hidden = readers.length > 0;
  };
  const put = async (wanted) => {
    const json = {
      people: wanted.filter(({ group }) => !group).map(({ person }) => person),
      groups: wanted.filter(({ group }) => group).map(({ group }) => group),
    };
    draw(await api(path, { method: "PUT", json }));
  };
  whenNamed(form, (kind, name) =>
    attempt(async () => {
      await put([...readers, { person: null, group: null, [kind]: name }]);
      form.reset();
    }),
  );
  const show = () => place.open && attempt(async () => draw(await api(path)));
  place.addEventListener("toggle", show);
  show();
}
