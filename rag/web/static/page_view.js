// Pages of a document as the server draws them, with a passage boxed; more pages on demand. Knows no panel.

import { el, t } from "./page.js";
import { api } from "./api.js";

const WIDTHS = [800, 1200, 1600]; // pixels that pages are drawn in: few, so that the server draws each once

/** Fill `body` with the pages that hold the passage; false when they cannot be drawn. `current()`: is it still wanted? */
export async function showPages(body, source, spans, info, current) {
  const numbers = info.pages.filter(({ start, end }) => start < source.end && end > source.start).map(({ number }) => number);
  if (numbers.length === 0) return false;
  const sheets = await Promise.all(numbers.map((number) => sheet(body, source, spans, number))).catch(() => null);
  if (!current()) return true;
  if (sheets === null) return false;
  const stack = el("div", { class: "pages" }, ...sheets);
  const last = Math.max(...info.pages.map(({ number }) => number));
  body.className = "text drawn";
  body.replaceChildren(more("source.page_before", -1), stack, more("source.page_after", 1));
  (stack.querySelector(".box.cited") ?? stack.querySelector(".box"))?.scrollIntoView({ block: "center" });
  return true;

  function more(key, way) {
    const open = way < 0 ? numbers[0] : numbers.at(-1);
    if (way < 0 ? open <= 1 : open >= last) return "";
    const add = async () => {
      const number = (way < 0 ? numbers[0] : numbers.at(-1)) + way;
      if (way < 0) numbers.unshift(number);
      else numbers.push(number);
      button.disabled = true;
      const added = await sheet(body, source, spans, number).catch((error) => el("p", { class: "problem" }, error.message));
      stack[way < 0 ? "prepend" : "append"](added);
      button.disabled = false;
      button.hidden = way < 0 ? number <= 1 : number >= last;
    };
    const button = el("button", { type: "button", class: "plain", on: { click: add } }, t(key));
    return el("p", { class: "more" }, button);
  }
}

/** Where the passage stands on a page, as shares of its sides. Throws when the server has no picture of it. */
export function boxesOf(source, spans, number) {
  const marks = [...spans.slice(0, 10), source].map(({ start, end }) => `highlight=${start},${end}`).join("&");
  return api(`${pagePath(source, number)}/boxes?${marks}`);
}

function pagePath(source, number) {
  return `documents/${encodeURIComponent(source.document)}/pages/${number}`;
}

/** One page with its boxes. Throws when the server has no picture of it. */
async function sheet(body, source, spans, number) {
  const { boxes, ratio } = await boxesOf(source, spans, number);
  const wanted = (body.clientWidth || 600) * (window.devicePixelRatio || 1);
  const width = WIDTHS.find((one) => one >= wanted) ?? WIDTHS.at(-1);
  const alt = t("source.picture", { page: number, title: source.title });
  const picture = el("img", { src: `/api/v1/${pagePath(source, number)}?width=${width}`, alt, width, height: Math.round(width * ratio) });
  const marked = boxes.map((box) => {
    const node = el("span", { class: box.span < Math.min(10, spans.length) ? "box cited" : "box" });
    for (const side of ["left", "top", "width", "height"]) node.style.setProperty(side, `${100 * box[side]}%`);
    return node;
  });
  return el("div", { class: "page-picture" }, picture, ...marked);
}
