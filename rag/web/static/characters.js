// Offsets on the wire count Unicode characters; JavaScript counts UTF-16 units. Pure.

/** A text that is cut by characters. */
export class Characters {
  constructor(text = "") {
    this.list = Array.from(text);
  }

  get length() {
    return this.list.length;
  }

  get text() {
    return this.list.join("");
  }

  /** Put `text` at `start`; what stood from there on is gone. */
  write(start, text) {
    this.list.length = Math.min(start, this.list.length);
    this.list.push(...text);
  }

  slice(start, end) {
    return this.list.slice(start, end).join("");
  }
}
