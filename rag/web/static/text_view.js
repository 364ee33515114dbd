// A passage in the text around it, with the cited part marked; more on demand. Knows no panel and no answer.

import { el, t } from "./page.js";
import { api } from "./api.js";
import { Characters } from "./characters.js";

const AROUND = 3000; // characters shown before and after the passage

/** Fill `body`; `current()` says whether it is still wanted. */
export async function showText(body, source, spans, current) {
  const start = Math.max(0, source.start - AROUND);
  await load(body, source, spans, current, start, source.end + AROUND);
}

async function load(body, source, spans, current, start, end) {
  const part = await api(`documents/${encodeURIComponent(source.document)}/text?start=${start}&end=${end}`);
  if (!current()) return;
  const more = (key, from, to) => {
    const click = (event) => {
      event.currentTarget.disabled = true;
      load(body, source, spans, current, from, to);
    };
    return el("p", { class: "more" }, el("button", { type: "button", class: "plain", on: { click } }, t(key)));
  };
  body.className = "text";
  body.replaceChildren(
    part.start > 0 ? more("source.earlier", Math.max(0, part.start - 4 * AROUND), part.end) : "",
    ...marked(part, source, spans),
    part.end < part.characters ? more("source.later", part.start, part.end + 4 * AROUND) : "",
  );
  (body.querySelector("mark.cited") ?? body.querySelector("mark"))?.scrollIntoView({ block: "center" });
}

/** The nodes of a part of a document's text. Offsets are characters of the whole document. */
function marked(part, source, spans) {
  const text = new Characters(part.text);
  const inside = (place, { start, end }) => start <= place && place < end;
  const borders = [part.start, part.end, source.start, source.end, ...spans.flatMap(({ start, end }) => [start, end])];
  const ordered = [...new Set(borders)].filter((b) => part.start <= b && b <= part.end).sort((a, b) => a - b);
  return ordered.slice(0, -1).map((left, place) => {
    const words = text.slice(left - part.start, ordered[place + 1] - part.start);
    if (spans.some((span) => inside(left, span))) return el("mark", { class: "passage cited" }, words);
    return inside(left, source) ? el("mark", { class: "passage" }, words) : document.createTextNode(words);
  });
}
