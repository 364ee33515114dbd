// The uploads that are being read, live: one line each with its progress, its reason when it failed. Knows no files.

import { announce, el, t } from "./page.js";
import { api } from "./api.js";

const EVERY = 700; // milliseconds between looks
const ENDED = ["done", "failed", "cancelled"];
const RESTING = [...ENDED, "paused", "sending"]; // nothing changes them but a person
const SEVERAL = 8; // lines from which on the whole list is asked for at once

/** `changed()` is called whenever a document may have come. */
export class Jobs {
  constructor(section, collection, changed) {
    Object.assign(this, { section, collection, changed });
    this.list = section.querySelector("ul");
    this.lines = new Map(); // job id -> line
    this.timer = 0;
    this.told = section.querySelector("p");
  }

  /** Take up what is unfinished or failed from before the page was opened. */
  async begin() {
    const { items } = await api(`jobs?collection=${encodeURIComponent(this.collection)}&limit=200`);
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
    this.count();
    if (!ENDED.includes(job.state)) this.#later();
    else if (job.state === "done") this.changed();
  }

  refused(line, message) {
    line.fail(message, this);
    this.count();
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
    this.count();
  }

  #later() {
    if (!this.timer) this.timer = setTimeout(() => this.#look(), EVERY);
  }

  async #look() {
    this.timer = 0;
    let open = [...this.lines].filter(([, line]) => !ENDED.includes(line.state));
    this.came = false;
    if (open.length > SEVERAL) {
      const path = `jobs?collection=${encodeURIComponent(this.collection)}&limit=500`;
      const { items } = await api(path).catch(() => ({ items: [] }));
      for (const job of items) if (open.some(([id]) => id === job.id)) this.#seen(job);
      const seen = new Set(items.map(({ id }) => id));
      open = open.filter(([id]) => !seen.has(id));
    }
    for (const [id, line] of open.slice(0, SEVERAL)) {
      try {
        this.#seen(await api(`jobs/${encodeURIComponent(id)}`));
      } catch (error) {
        line.fail(error.message, this);
      }
    }
    this.count();
    if (this.came) this.changed();
    if ([...this.lines.values()].some((line) => !RESTING.includes(line.state))) this.#later();
  }

  #seen(job) {
    this.lines.get(job.id).show(job, this);
    if (!ENDED.includes(job.state)) return;
    announce(t("jobs.announce", { name: job.name, state: t(`jobs.${job.state}`) }));
    this.came ||= job.state === "done";
  }

  /** Say above the lines how far all of them are. */
  count() {
    const states = [...this.list.children].map((node) => node.className);
    const counted = (wanted) => states.filter((state) => state === wanted).length;
    this.told.hidden = states.length < 2;
    this.told.textContent = t("jobs.count", { done: counted("done"), failed: counted("failed"), total: states.length });
  }
}

class Line {
  constructor(name) {
    this.name = name;
    this.state = "sending";
    this.words = el("span", { class: "job-state" }, t("jobs.queued"));
    this.bar = el("progress", { "aria-label": name, hidden: true });
    this.reason = el("p", { class: "problem", hidden: true });
    this.buttons = el("span", { class: "job-buttons" });
    this.node = el("li", {}, el("span", { class: "job-name" }, name), this.words, this.bar, this.buttons, this.reason);
  }

  /** How much of the file has left this machine, 0 to 1. */
  sent(share) {
    this.bar.hidden = false;
    this.bar.max = 1;
    this.bar.value = share;
    this.words.textContent = t("jobs.sent", { percent: Math.round(share * 100) });
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
    const pause = this.#button("jobs.pause", () => jobs.act(job, "pause"));
    const resume = this.#button("jobs.resume", () => jobs.act(job, "resume"));
    const offered = { done: [dismiss], failed: [retry, dismiss], cancelled: [retry, dismiss], paused: [resume, cancel], committing: [] };
    this.buttons.replaceChildren(...(offered[job.state] ?? [pause, cancel]));
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
