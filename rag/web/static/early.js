// Keeps what is clicked or sent before the page's modules have come, and does it once they have. Not a module itself:
// the browser waits for it. No form with method="post" is ever sent by the browser: its module sends it.

(() => {
  let waiting = [];

  const keep = (event) => {
    const part = event.type === "submit" ? event.target : event.target.closest("button");
    if (waiting === null || part === null) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!waiting.includes(part)) waiting.push(part);
  };
  document.addEventListener("click", keep, true);
  document.addEventListener("submit", keep, true);
  document.addEventListener("submit", (event) => event.target.method === "post" && event.preventDefault(), true);

  document.addEventListener("DOMContentLoaded", () => {
    const parts = waiting;
    waiting = null;
    for (const part of parts) part.tagName === "FORM" ? part.requestSubmit() : part.click();
  });
})();
