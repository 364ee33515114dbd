// Bars over days as inline SVG, drawn here: no library. Knows no figure's meaning.

const WIDE = 720;
const HIGH = 180;
const FOOT = 22; // below the bars, for the days
const SIDE = 56; // left of them, for the scale
const RIGHT = 14; // right of them, for half a day's name

/** Draw into an `svg` of the page. `days` are {day, value}, oldest first; `shown(value)` says how a value is written. */
export function drawBars(svg, days, label, shown) {
  const most = Math.max(...days.map(({ value }) => value), 0) || 1;
  const step = (WIDE - SIDE - RIGHT) / Math.max(1, days.length);
  const ground = HIGH - FOOT;
  const height = (value) => (value / most) * (ground - 14);
  const every = Math.ceil(days.length / 6);

  const node = (name, attributes, ...children) => {
    const made = document.createElementNS(svg.namespaceURI, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  const line = (y) => node("line", { x1: SIDE, x2: WIDE - RIGHT, y1: y, y2: y });
  const text = (x, y, anchor, words) => node("text", { x, y, "text-anchor": anchor }, words);
  const bar = ({ day, value }, place) => {
    const x = SIDE + place * step;
    const size = { x: x + step * 0.15, width: Math.max(1, step * 0.7), y: ground - height(value), height: height(value) };
    return node("rect", { class: "bar-of-day", rx: 1.5, ...size }, node("title", {}, `${day}: ${shown(value)}`));
  };
  const name = ({ day }, place) => ((days.length - 1 - place) % every === 0 ? text(SIDE + (place + 0.5) * step, HIGH - 6, "middle", day.slice(5)) : "");

  svg.setAttribute("viewBox", `0 0 ${WIDE} ${HIGH}`);
  svg.setAttribute("aria-label", label);
  svg.replaceChildren(
    line(ground),
    line(ground - height(most)),
    text(SIDE - 8, ground, "end", "0"),
    text(SIDE - 8, ground - height(most) + 4, "end", shown(most)),
    ...days.map(bar),
    ...days.map(name),
  );
}
