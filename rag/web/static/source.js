// The source beside the answer: the drawn page or the text around a passage, the cited part marked. Knows no answer.

import { el, t } from "./page.js";
import { api } from "./api.js";
import { boxesOf, showPages } from "./page_view.js";
import { showText } from "./text_view.js";

const PDF = "application/pdf";

/** Fills and shows the panel. Escape and the close button give the focus back to where it came from. */
export class SourcePanel {
  constructor(node) {
    this.node = node;
    this.opener = null;
    this.stepped = null;
    this.drawn = true; // whether pages are shown as pictures where there are some
    this.turn = 0; // a slow answer for an earlier click must not overwrite a later one
    this.documents = new Map(); // id -> promise of what the server says of it
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !this.node.hidden) this.close();
    });
  }

  async open(source, spans, opener, number) {
    this.turn += 1;
    const focus = this.stepped ?? "h2"; // who steps through the footnotes stays on the button
    this.stepped = null;
    this.shown = { source, spans, number };
    document.querySelectorAll("[aria-current='true']").forEach((old) => old.removeAttribute("aria-current"));
    opener?.setAttribute("aria-current", "true");
    this.opener = opener;
    this.node.hidden = false;
    document.body.classList.add("with-source");
    await this.#fill(focus);
  }

  /** Get a drawn page ready that is likely to be opened next: the first one takes the server longest. */
  async prepare(source, spans) {
    if (!source?.page || !this.drawn) return;
    const info = await this.#document(source.document).catch(() => null);
    if (info?.media_type === PDF) await boxesOf(source, spans, source.page).catch(() => {});
  }

  close() {
    this.turn += 1;
    this.node.hidden = true;
    document.body.classList.remove("with-source");
    this.opener?.removeAttribute("aria-current");
    this.opener?.focus();
  }

  async #fill(focus) {
    const turn = this.turn;
    const { source, spans } = this.shown;
    const body = el("div", { class: "text", tabindex: "0", role: "region", "aria-labelledby": "source-title" });
    body.append(el("p", { class: "help" }, t("source.loading")));
    this.node.replaceChildren(this.#head(), body);
    this.#focus(focus);
    const current = () => turn === this.turn;
    try {
      const info = source.page ? await this.#document(source.document) : null;
      if (!current()) return;
      const pictures = info?.media_type === PDF;
      if (pictures) this.node.querySelector(".views").hidden = false;
      if (pictures && this.drawn && (await showPages(body, source, spans, info, current))) return;
      if (current()) await showText(body, source, spans, current);
    } catch (error) {
      if (current()) body.replaceChildren(el("p", { class: "problem", role: "alert" }, error.message));
    }
  }

  #focus(selector) {
    const wanted = this.node.querySelector(selector);
    (wanted && !wanted.disabled ? wanted : this.node.querySelector("h2")).focus({ preventScroll: true });
  }

  #document(id) {
    if (!this.documents.has(id)) {
      const asked = api(`documents/${encodeURIComponent(id)}`);
      asked.catch(() => this.documents.delete(id));
      this.documents.set(id, asked);
    }
    return this.documents.get(id);
  }

  #head() {
    const { source, spans, number } = this.shown;
    const page = source.page ? t("source.page", { page: source.page }) : null;
    const line = source.line ? t("source.line", { line: source.line }) : null;
    const facts = [source.heading, page ?? line, source.ocr ? t("source.ocr") : null, t("source.version", { version: source.version })].filter(Boolean);
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
        this.#views(),
        ...this.#steps(),
      ),
    );
  }

  /** The switch between the drawn page and the text; hidden until the document is known to have pages to draw. */
  #views() {
    const button = (drawn, key) => {
      const choose = () => {
        this.drawn = drawn;
        this.turn += 1;
        this.#fill(drawn ? ".as-page" : ".as-text");
      };
      const kind = `plain ${drawn ? "as-page" : "as-text"}`;
      return el("button", { type: "button", class: kind, "aria-pressed": String(this.drawn === drawn), on: { click: choose } }, t(key));
    };
    return el("span", { class: "views", role: "group", "aria-label": t("source.views"), hidden: true }, button(true, "source.as_page"), button(false, "source.as_text"));
  }

  /** To the footnote before and after this one, in the order of the page. */
  #steps() {
    const kind = this.opener?.classList.contains("footnote") ? ".footnote" : ".source-link";
    const stops = [...(this.opener?.closest("article")?.querySelectorAll(kind) ?? [])];
    const place = stops.indexOf(this.opener);
    if (place < 0 || stops.length < 2) return [];
    const step = (way, name, key) => {
      const other = stops[place + way];
      const go = () => {
        this.stepped = `.${name}`;
        other.click();
      };
      return el("button", { type: "button", class: `plain ${name}`, disabled: other === undefined, on: { click: go } }, t(key));
    };
    const where = el("span", { class: "where" }, t("source.place", { place: place + 1, count: stops.length }));
    return [el("span", { class: "steps" }, step(-1, "back", "source.back"), where, step(1, "next", "source.next"))];
  }
}
