// What was said before the answers on the page: it comes as one scrolls up to it. Knows no question and no stream.

import { api } from "./api.js";

const AT_ONCE = 30; // answers fetched at a time
const AHEAD = "1200px"; // how far above the screen they are fetched

/** The newest answers of a conversation, or those before a cursor. Throws ApiError. */
export function fetched(conversation, before = null) {
  const window = new URLSearchParams({ last: AT_ONCE, ...(before === null ? {} : { before }) });
  return api(`conversations/${encodeURIComponent(conversation)}?${window}`);
}

/** `place` holds the button that asks for more and shows only while there is some; `draw(record, rating)` gives a node. */
export class Earlier {
  constructor(place, turns, draw) {
    this.place = place;
    this.turns = turns;
    this.draw = draw;
    this.conversation = null;
    this.before = null;
    this.loading = false;
    place.querySelector("button").addEventListener("click", () => this.#more());
    const near = ([entry]) => entry.isIntersecting && this.#more();
    this.observer = new IntersectionObserver(near, { rootMargin: `${AHEAD} 0px` });
  }

  /** There is something before what stands on the page, unless `before` is null. */
  begin(conversation, before) {
    this.conversation = conversation;
    this.#wait(before);
  }

  end() {
    this.conversation = null;
    this.#wait(null);
  }

  #wait(before) {
    this.before = before;
    this.observer.disconnect(); // observed anew, so that a button that is still near asks again
    this.place.hidden = before === null;
    if (before !== null) this.observer.observe(this.place);
  }

  async #more() {
    if (this.loading || this.before === null) return;
    this.loading = true;
    const { conversation, before } = this;
    try {
      const stored = await fetched(conversation, before);
      if (this.conversation !== conversation) return; // another one was begun meanwhile
      this.#put(stored.answers.map((record) => this.draw(record, stored.ratings[record.answer])));
      this.#wait(stored.earlier);
    } catch {
      this.observer.disconnect(); // the button stays: whoever presses it tries again
    } finally {
      this.loading = false;
    }
  }

  /** Above everything else, while what is being read stays where it is on the screen. */
  #put(nodes) {
    const first = this.turns.firstElementChild;
    const top = first?.getBoundingClientRect().top ?? 0;
    this.turns.prepend(...nodes);
    const moved = (first?.getBoundingClientRect().top ?? 0) - top;
    if (moved !== 0) window.scrollBy({ top: moved, behavior: "instant" });
  }
}
