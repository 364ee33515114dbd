// The source beside the answer: a passage in the text around it, with the cited part marked. Knows no answer.

import { el, t } from "./page.js";
import { api } from "./api.js";
import { Characters } from "./characters.js";

const AROUND = 3000; // characters shown before and after the passage; more on demand

/** Fills and shows the panel. Escape and the close button give the focus back to where it came from. */
export class SourcePanel {
  constructor(node) {
    this.node = node;
    this.opener = null;
    this.turn = 0; // a slow answer for an earlier click must not overwrite a later one
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !this.node.hidden) this.close();
    });
  }

  async open(source, spans, opener, number) {
    this.turn += 1;
    const turn = this.turn;
    document.querySelectorAll("[aria-current='true']").forEach((old) => old.removeAttribute("aria-current"));
    opener?.setAttribute("aria-current", "true");
    this.opener = opener;
    const body = el("div", { class: "text", tabindex: "0", role: "region", "aria-labelledby": "source-title" });
    body.append(el("p", { class: "help" }, t("source.loading")));
    this.node.replaceChildren(this.#head(source, spans, number), body);
    this.node.hidden = false;
    document.body.classList.add("with-source");
    const from = Math.max(0, source.start - AROUND);
    try {
      const part = await api(`documents/${encodeURIComponent(source.document)}/text?start=${from}&end=${source.end + AROUND}`);
      if (turn !== this.turn) return;
      this.#show(body, new Passage(source, spans, part));
    } catch (error) {
      if (turn === this.turn) body.replaceChildren(el("p", { class: "problem", role: "alert" }, error.message));
    }
    this.node.querySelector("h2").focus({ preventScroll: true });
  }

  close() {
    this.turn += 1;
    this.node.hidden = true;
    document.body.classList.remove("with-source");
    this.opener?.removeAttribute("aria-current");
    this.opener?.focus();
  }

  #head(source, spans, number) {
    const page = source.page ? t("source.page", { page: source.page }) : null;
    const facts = [source.heading, page, t("source.version", { version: source.version })].filter(Boolean);
    const cited = spans.length ? `&cited=${spans[0].start}-${spans[0].end}` : "";
    const original = `/api/v1/documents/${encodeURIComponent(source.document)}/original`;
    const close = { type: "button", class: "plain close", on: { click: () => this.close() } };
    return el(
      "header",
      {},
      el("button", close, t("source.close")),
      el("h2", { id: "source-title", tabindex: "-1" }, el("span", { class: "number" }, String(number)), ` ${source.title}`),
      el("ul", { class: "facts" }, ...facts.map((fact) => el("li", {}, fact))),
      el(
        "p",
        { class: "links" },
        el("a", { href: `${source.url}${cited}#passage` }, t("source.open")),
        el("a", { href: original }, t("source.original")),
      ),
    );
  }

  #show(body, passage) {
    body.replaceChildren(
      passage.before ? this.#more(t("source.earlier"), body, passage, -1) : "",
      ...passage.nodes(),
      passage.after ? this.#more(t("source.later"), body, passage, 1) : "",
    );
    const target = body.querySelector("mark.cited") ?? body.querySelector("mark");
    target?.scrollIntoView({ block: "center" });
  }

  #more(label, body, passage, way) {
    const load = async (event) => {
      event.currentTarget.disabled = true;
      const turn = this.turn;
      const start = Math.max(0, passage.start - (way < 0 ? AROUND * 4 : 0));
      const end = passage.end + (way > 0 ? AROUND * 4 : 0);
      const part = await api(`documents/${encodeURIComponent(passage.source.document)}/text?start=${start}&end=${end}`);
      if (turn === this.turn) this.#show(body, new Passage(passage.source, passage.spans, part));
    };
    return el("p", { class: "more" }, el("button", { type: "button", class: "plain", on: { click: load } }, label));
  }
}

/** A part of a document's text with its marks. Offsets are characters of the whole document. */
class Passage {
  constructor(source, spans, part) {
    Object.assign(this, { source, spans, start: part.start, end: part.end });
    this.before = part.start > 0;
    this.after = part.end < part.characters;
    this.text = new Characters(part.text);
  }

  nodes() {
    const inside = (place, { start, end }) => start <= place && place < end;
    const borders = [this.start, this.end, this.source.start, this.source.end];
    borders.push(...this.spans.flatMap(({ start, end }) => [start, end]));
    const ordered = [...new Set(borders)].filter((b) => this.start <= b && b <= this.end).sort((a, b) => a - b);
    return ordered.slice(0, -1).map((left, place) => {
      const text = this.text.slice(left - this.start, ordered[place + 1] - this.start);
      if (this.spans.some((span) => inside(left, span))) return el("mark", { class: "passage cited" }, text);
      return inside(left, this.source) ? el("mark", { class: "passage" }, text) : document.createTextNode(text);
    });
  }
}
