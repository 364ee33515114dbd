// One question with its answer on the page, drawn again as events arrive. Knows no connection.

import { el, t, announce, arrange } from "./page.js";
import { againButton } from "./again.js";
import { feedbackButtons } from "./feedback.js";
import { whyButton } from "./why.js";

let count = 0;

/**
 * `openSource(source, spans, button, number)` shows a passage; `spans` are the cited parts, perhaps none.
 * `again({model, mode})` asks once more, where that may be, and `ask(question)` something else; `rating` is what was
 * said of the answer before.
 */
export class AnswerView {
  constructor(transcript, openSource, { again = null, ask = null, rating = null } = {}) {
    this.ask = ask;
    this.again = again;
    this.rating = rating;
    this.transcript = transcript;
    this.stored = transcript.ended; // what was said long ago is not announced
    this.openSource = openSource;
    this.drawn = new Map(); // signature -> node, so that a button keeps its focus while text arrives
    count += 1;
    const id = `question-${count}`;
    this.badge = el("span", { class: "badge" });
    this.detail = el("span", { class: "detail" });
    this.searched = el("p", { class: "searched", hidden: true });
    this.note = el("p", { class: "note", hidden: true });
    this.notices = el("div", { class: "notices" });
    this.text = el("div", { class: "answer" });
    this.problem = el("p", { class: "problem", role: "alert", hidden: true });
    this.after = el("div", { class: "after" });
    this.node = el(
      "li",
      { class: "turn" },
      el(
        "article",
        { "aria-labelledby": id },
        el("h2", { id, class: "question" }, transcript.asked),
        el("p", { class: "status" }, this.badge, this.detail),
        this.searched,
        this.note,
        this.notices,
        this.text,
        this.problem,
        this.after,
      ),
    );
    this.draw();
  }

  /** Draw at the next frame; many events between two frames are one drawing. */
  later() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      this.draw();
    });
  }

  draw() {
    const { transcript } = this;
    this.#drawStatus();
    this.#drawText();
    const differs = transcript.searched && transcript.searched !== transcript.asked.split(/\s+/).join(" ").trim();
    this.searched.hidden = !differs;
    if (differs) this.searched.textContent = t("answer.searched", { question: transcript.searched });
    this.note.hidden = transcript.replaced === "";
    if (transcript.replaced) this.note.textContent = t("answer.replaced");
    if (this.notices.childElementCount !== transcript.notices.length) {
      this.notices.replaceChildren(...transcript.notices.map((notice) => this.#notice(notice)));
    }
    this.problem.hidden = transcript.error === "";
    this.problem.textContent = transcript.error;
    if (transcript.ended && !this.finished) this.#finish();
  }

  /** What should be known beside the answer; a question that may mean several things offers each of them. */
  #notice({ kind, text, options }) {
    if (kind !== "clarify") return el("p", { class: `notice ${kind}` }, text);
    const choose = (option) => () => this.ask?.(`${this.transcript.asked} (${option})`);
    const button = (option) => el("button", { type: "button", class: "example", on: { click: choose(option) } }, option);
    return el("ul", { class: "notice clarify" }, ...options.map((option) => el("li", {}, button(option))));
  }

  #drawStatus() {
    const { transcript } = this;
    const { status, queue } = transcript;
    if (status === null) {
      this.badge.className = "badge busy";
      if (queue) {
        const waits = { position: queue.position, seconds: Math.max(1, Math.round(queue.eta_seconds)) };
        this.badge.textContent = queue.position > 1 ? t("answer.queued", waits) : t("answer.next");
      } else {
        this.badge.textContent = t(transcript.text.length > 0 ? "answer.writing" : "answer.thinking");
      }
      return;
    }
    this.badge.className = `badge ${status}`;
    this.badge.textContent = t(`status.${status}`);
    this.detail.textContent = t(`status.${status}.help`);
    if (transcript.model) this.badge.title = t("answer.model", { model: transcript.model });
  }

  #drawText() {
    const drawn = new Map();
    const nodes = inTables(this.transcript.segments()).map((segment) => {
      const signature = JSON.stringify(segment);
      const node = this.drawn.get(signature) ?? this.#sentence(segment);
      drawn.set(signature, node);
      return node;
    });
    this.drawn = drawn;
    arrange(this.text, nodes);
    this.text.classList.toggle("streaming", !this.transcript.ended && nodes.length > 0);
  }

  #sentence({ text, verdict, notes, table }) {
    const kept = text.trimEnd();
    const doubtful = verdict === "unsupported" || verdict === "unverified";
    const ending = notes.length ? [el("sup", { class: "notes" }, ...notes.map((note) => this.#footnote(note)))] : [];
    if (doubtful) ending.push(el("span", { class: "flag" }, t(`answer.flag.${verdict}`)));
    const kind = `sentence ${verdict ?? "open"}`;
    if (table) return el("span", { class: `${kind} tabled` }, ...rows(kept, ending));
    return el("span", { class: kind }, ...lines(kept, ending), text.slice(kept.length));
  }

  #footnote({ n, spans }) {
    const source = this.transcript.source(n);
    const number = this.transcript.number(n);
    const label = t("answer.footnote", { n: number, title: source?.title ?? "" });
    const open = (event) => this.openSource(source, spans, event.currentTarget, number);
    return el("button", { type: "button", class: "footnote", "aria-label": label, on: { click: open } }, String(number));
  }

  #finish() {
    this.finished = true;
    const { transcript } = this;
    const notes = transcript.citations.length;
    const key = notes === 0 ? "none" : notes === 1 ? "one" : "many";
    const said = t("answer.announce", {
      status: t(`status.${transcript.status}`),
      notes: t(`answer.notes.${key}`, { count: notes }),
    });
    if (!this.stored) announce(said);
    if (["answered", "quoted", "abstained"].includes(transcript.status)) this.detail.after(this.#confidence());
    this.after.append(this.#actions(), ...this.#sources());
  }

  #confidence() {
    const percent = Math.round(this.transcript.confidence * 100);
    const words = t("answer.confidence", { percent });
    const meter = el("meter", { min: 0, max: 100, value: percent, "aria-hidden": "true" });
    return el("span", { class: "confidence" }, meter, words);
  }

  #actions() {
    const { transcript } = this;
    const actions = el("div", { class: "actions" });
    if (transcript.text.length > 0) {
      const copy = async () => {
        const button = actions.querySelector(".copy");
        try {
          await navigator.clipboard.writeText(transcript.plain(location.origin));
          button.textContent = t("answer.copied");
        } catch {
          button.textContent = t("answer.not_copied");
        }
        announce(button.textContent);
        setTimeout(() => (button.textContent = t("answer.copy")), 2000);
      };
      actions.append(el("button", { type: "button", class: "plain copy", on: { click: copy } }, t("answer.copy")));
    }
    if (this.again) actions.append(againButton(this.again));
    if (transcript.answer) {
      const [toggle, place] = whyButton(transcript, this.openSource);
      const [up, down, ...form] = feedbackButtons(transcript.answer, this.rating);
      actions.append(toggle, el("span", { class: "thumbs" }, up, down), ...form, place);
    }
    return actions;
  }

  #sources() {
    const { transcript } = this;
    const cited = transcript.cited;
    const used = cited.map((n) => transcript.source(n)).filter(Boolean);
    const others = transcript.sources.filter((source) => !cited.includes(source.n));
    const parts = [];
    if (used.length) parts.push(this.#list(t("answer.sources.cited"), used, true));
    if (others.length) {
      const nearest = transcript.status === "abstained";
      parts.push(this.#list(t(nearest ? "answer.sources.nearest" : "answer.sources.other"), others, nearest));
    }
    return parts;
  }

  #list(title, sources, open) {
    const items = sources.map((source) => {
      const spans = this.transcript.citations
        .flatMap((citation) => citation.sources)
        .filter((span) => span.n === source.n);
      const number = this.transcript.number(source.n);
      const show = (event) => this.openSource(source, spans, event.currentTarget, number);
      const page = source.page ? t("source.page", { page: source.page }) : "";
      const place = [source.heading, page, source.ocr ? t("source.ocr") : ""].filter(Boolean);
      return el(
        "li",
        {},
        el(
          "button",
          { type: "button", class: "source-link", on: { click: show } },
          el("span", { class: "number" }, String(number)),
          el("span", { class: "source-title" }, source.title),
          el("span", { class: "source-place" }, place.join(" · ")),
        ),
      );
    });
    return el("details", { class: "sources", open }, el("summary", {}, `${title} (${sources.length})`), el("ul", {}, ...items));
  }
}

const CELLS = " | ";

/** The segments, `table` true of rows of one table: two or more, each with as many cells; no blank line behind one. */
function inTables(segments) {
  const said = segments.filter(({ text }) => text.trim() !== "");
  const widths = said.map(({ text }) => width(text.trim().split("\n")));
  const table = (place) => {
    const alone = !said[place].text.trim().includes("\n");
    const beside = [place - 1, place + 1].some((other) => widths[other] === widths[place]);
    return widths[place] > 1 && (!alone || beside);
  };
  const known = new Map(said.map((segment, place) => [segment, table(place)]));
  return segments
    .filter((segment, place) => known.has(segment) || !known.get(segments[place - 1]))
    .map((segment) => ({ ...segment, table: known.get(segment) ?? false }));
}

/** How many cells each of these lines has; 1 if they differ. */
function width(all) {
  const counts = new Set(all.map((line) => line.split(CELLS).length));
  return counts.size === 1 ? [...counts][0] : 1;
}

/** The nodes of rows of a table, `ending` in the last cell. */
function rows(text, ending) {
  const all = text.trim().split("\n");
  return all.map((line, place) => {
    const cells = line.split(CELLS).map((cell) => el("span", { class: "table-cell" }, el("span", { class: "words" }, cell)));
    if (place === all.length - 1) cells.at(-1).append(...ending);
    return el("span", { class: "table-row" }, ...cells);
  });
}

const ITEM = /^\s*(?:\d{1,3}[.)]|[-*•])\s/;

/** The nodes of a sentence: list items on lines of their own, the last word and `ending` kept together. */
function lines(text, ending) {
  const nodes = [];
  const all = text.split("\n");
  all.forEach((line, place) => {
    const last = place === all.length - 1;
    const words = last ? ended(line, ending) : [el("span", { class: "words" }, line)];
    if (ITEM.test(line)) {
      nodes.push(el("span", { class: "item" }, ...words));
    } else {
      nodes.push(...words);
      if (!last && !ITEM.test(all[place + 1])) nodes.push("\n");
    }
  });
  return nodes;
}

function ended(line, ending) {
  if (ending.length === 0) return [el("span", { class: "words" }, line)];
  const cut = line.lastIndexOf(" ") + 1;
  const last = el("span", { class: "together" }, el("span", { class: "words" }, line.slice(cut)), ...ending.slice(0, 1));
  return [el("span", { class: "words" }, line.slice(0, cut)), last, ...ending.slice(1)];
}
