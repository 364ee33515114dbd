// An answer as it stands after the events so far. Knows the wire contract, no DOM.

import { Characters } from "./characters.js";

/** Takes events, or the stored form of an answer, and says what there is to show. */
export class Transcript {
  constructor(question) {
    this.asked = question;
    this.answer = null;
    this.conversation = null;
    this.searched = "";
    this.model = "";
    this.status = null;
    this.confidence = 0;
    this.queue = null;
    this.error = "";
    this.replaced = "";
    this.text = new Characters();
    this.sources = [];
    this.notices = [];
    this.citations = [];
    this.verdicts = [];
  }

  get ended() {
    return this.status !== null;
  }

  take({ event, data }) {
    this.queue = event === "queued" ? data : event === "usage" ? this.queue : null;
    if (event === "started") {
      Object.assign(this, { answer: data.answer, conversation: data.conversation, model: data.model, searched: data.question });
    } else if (event === "sources") {
      this.sources = data;
    } else if (event === "notice") {
      this.notices.push(data);
    } else if (event === "delta") {
      this.text.write(data.start, data.text);
    } else if (event === "citation") {
      this.citations.push(data);
    } else if (event === "verdict") {
      this.verdicts.push(data);
    } else if (event === "replace") {
      this.text = new Characters(data.text);
      this.replaced = data.reason;
      this.citations = [];
      this.verdicts = [];
    } else if (event === "done") {
      this.status = data.status;
      this.confidence = data.confidence;
    } else if (event === "error") {
      this.fail(data.detail || data.title);
    }
  }

  fail(message) {
    this.status = "failed";
    this.error = message;
  }

  /** The same from the object that the API keeps. */
  static stored(record) {
    const transcript = new Transcript(record.asked);
    const { answer, conversation, model, status, confidence, sources, notices, citations, verdicts, error } = record;
    Object.assign(transcript, { answer, conversation, model, status, confidence, sources, notices, citations, verdicts });
    if (status === "running") transcript.status = null; // its stream tells the rest
    transcript.searched = record.question;
    transcript.error = error || "";
    transcript.text = new Characters(record.text);
    return transcript;
  }

  source(n) {
    return this.sources.find((source) => source.n === n);
  }

  /** Numbers of the sources that are cited, in the order of the answer. */
  get cited() {
    return [...new Set(this.citations.flatMap((citation) => citation.sources.map((span) => span.n)))];
  }

  /** The number that a reader sees: cited sources count in the order of the answer, the others after them. */
  number(n) {
    const cited = this.cited;
    const place = cited.indexOf(n);
    if (place >= 0) return place + 1;
    const others = this.sources.map((source) => source.n).filter((other) => !cited.includes(other));
    return cited.length + others.indexOf(n) + 1;
  }

  /**
   * The answer cut at the borders of its sentences: {start, end, text, verdict, notes}, in order and without gaps.
   * `notes` are {n, spans} with all spans of one source together.
   */
  segments() {
    const spans = new Map();
    for (const { start, end } of [...this.citations, ...this.verdicts]) spans.set(`${start}-${end}`, { start, end });
    const ordered = [...spans.values()].sort((a, b) => a.start - b.start || a.end - b.end);
    const segments = [];
    let place = 0;
    for (const { start, end } of ordered) {
      if (start < place) continue;
      if (start > place) segments.push(this.#segment(place, start));
      segments.push(this.#segment(start, end));
      place = end;
    }
    if (place < this.text.length) segments.push(this.#segment(place, this.text.length));
    return segments;
  }

  #segment(start, end) {
    const here = (item) => item.start === start && item.end === end;
    const notes = new Map();
    for (const span of this.citations.filter(here).flatMap((citation) => citation.sources)) {
      notes.set(span.n, [...(notes.get(span.n) ?? []), { start: span.start, end: span.end }]);
    }
    return {
      start,
      end,
      text: this.text.slice(start, end),
      verdict: this.verdicts.find(here)?.verdict ?? null,
      notes: [...notes].map(([n, spans]) => ({ n, spans })),
    };
  }

  /** The answer as plain text with [n] after its sentences and the sources below. */
  plain(origin) {
    const body = this.segments().map(({ text, notes }) => {
      const marks = notes.map(({ n }) => `[${this.number(n)}]`).join("");
      const kept = text.trimEnd();
      return kept + marks + text.slice(kept.length);
    });
    const lines = this.cited.map((n) => {
      const source = this.source(n);
      const page = source.page ? `, p. ${source.page}` : "";
      return `[${this.number(n)}] ${source.title}${page}, ${new URL(source.url, origin)}`;
    });
    return [body.join(""), ...(lines.length ? ["", ...lines] : [])].join("\n");
  }
}
