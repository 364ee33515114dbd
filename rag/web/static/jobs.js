// The uploads that are being read, live: one line each with its progress, its reason when it failed. Knows no files.

import { announce, el, t } from "./page.js";
import { api } from "./api.js";

const EVERY = 700; // milliseconds between looks
const ENDED = ["done", "failed", "cancelled"];

/** `changed()` is called whenever a document may have come. */
export class Jobs {
  constructor(section, collection, changed) {
    Object.assign(this, { section, collection, changed });
    this.list = section.querySelector("ul");
    this.lines = new Map(); // job id -> line
    this.timer = 0;
  }

  /** Take up what is unfinished or failed from before the page was opened. */
  async begin() {
    const { items } = await api(`jobs?collection=${encodeURIComponent(this.collection)}&limit=100`);
    for (const job of items.filter(({ state }) => state !== "done" && state !== "cancelled")) {
      this.accepted(this.sending(job.name), job);
    }
  }

  sending(name) {
    const line = new Line(name);
    this.list.prepend(line.node);
    this.section.hidden = false;
    return line;
  }

  accepted(line, job) {
    if (this.lines.has(job.id)) {
      line.node.remove(); // equal bytes sent twice are one job
      return;
    }
    line.show(job, this);
    this.lines.set(job.id, line);
    if (!ENDED.includes(job.state)) this.#later();
    else if (job.state === "done") this.changed();
  }

  refused(line, message) {
    line.fail(message, this);
  }

  async act(job, verb) {
    const line = this.lines.get(job.id);
    try {
      line.show(await api(`jobs/${encodeURIComponent(job.id)}/${verb}`, { method: "POST" }), this);
      this.#later();
    } catch (error) {
      line.fail(error.message, this);
    }
  }

  dismiss(line) {
    line.node.remove();
    for (const [id, kept] of this.lines) if (kept === line) this.lines.delete(id);
    this.section.hidden = this.list.childElementCount === 0;
  }

  #later() {
    if (!this.timer) this.timer = setTimeout(() => this.#look(), EVERY);
  }

  async #look() {
    this.timer = 0;
    const open = [...this.lines].filter(([, line]) => !ENDED.includes(line.state));
    let came = false;
    for (const [id, line] of open.slice(0, 20)) {
      try {
        const job = await api(`jobs/${encodeURIComponent(id)}`);
        line.show(job, this);
        if (ENDED.includes(job.state)) {
          announce(t("jobs.announce", { name: job.name, state: t(`jobs.${job.state}`) }));
          came ||= job.state === "done";
        }
      } catch (error) {
        line.fail(error.message, this);
      }
    }
    if (came) this.changed();
    if ([...this.lines.values()].some((line) => !ENDED.includes(line.state))) this.#later();
  }
}

class Line {
  constructor(name) {
    this.name = name;
    this.state = "sending";
    this.words = el("span", { class: "job-state" }, t("jobs.sending"));
    this.bar = el("progress", { "aria-label": name });
    this.reason = el("p", { class: "problem", hidden: true });
    this.buttons = el("span", { class: "job-buttons" });
    this.node = el("li", {}, el("span", { class: "job-name" }, name), this.words, this.bar, this.buttons, this.reason);
  }

  show(job, jobs) {
    this.state = job.state;
    this.node.className = job.state;
    const outcome = job.state === "done" && job.outcome ? t(`jobs.outcome.${job.outcome}`) : null;
    const progress = job.chunks_total
      ? t("jobs.chunks", { done: job.chunks_done, total: job.chunks_total })
      : job.pages_total
        ? t("jobs.pages", { done: job.pages_done, total: job.pages_total })
        : null;
    const ended = ENDED.includes(job.state);
    this.words.textContent = [t(`jobs.${job.state}`), outcome ?? (ended ? null : progress)].filter(Boolean).join(", ");
    this.bar.hidden = ended;
    if (job.chunks_total || job.pages_total) {
      this.bar.max = job.chunks_total || job.pages_total;
      this.bar.value = job.chunks_total ? job.chunks_done : job.pages_done;
    } else {
      this.bar.removeAttribute("value");
    }
    this.reason.hidden = !job.error;
    this.reason.textContent = job.error ?? "";
    const retry = this.#button("jobs.retry", () => jobs.act(job, "retry"));
    const cancel = this.#button("jobs.cancel", () => jobs.act(job, "cancel"));
    const dismiss = this.#button("jobs.dismiss", () => jobs.dismiss(this));
    const offered = { done: [dismiss], failed: [retry, dismiss], cancelled: [retry, dismiss], committing: [] };
    this.buttons.replaceChildren(...(offered[job.state] ?? [cancel]));
  }

  fail(message, jobs) {
    this.state = "failed";
    this.node.className = "failed";
    this.words.textContent = t("jobs.failed");
    this.bar.hidden = true;
    this.reason.hidden = false;
    this.reason.textContent = message;
    this.buttons.replaceChildren(this.#button("jobs.dismiss", () => jobs.dismiss(this)));
  }

  #button(key, click) {
    const label = t(`${key}.one`, { name: this.name });
    return el("button", { type: "button", class: "plain", "aria-label": label, on: { click } }, t(key));
  }
}
