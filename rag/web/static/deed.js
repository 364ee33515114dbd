// Deeds that may fail, and deeds that are asked about twice. Knows no route of the API.

import { showProblem } from "./page.js";

/** Runs deeds one at a time to their end; what goes wrong is shown in `problem`, and gone when the next begins. */
export function attempts(problem) {
  return async (deed) => {
    showProblem(problem, "");
    try {
      await deed();
    } catch (error) {
      showProblem(problem, error.message);
    }
  };
}

/** Asks in the page's own dialog whether to delete; `text` says what goes. */
export function confirmed(text) {
  const dialog = document.getElementById("confirm");
  if (text !== undefined) document.getElementById("confirm-text").textContent = text;
  dialog.returnValue = "";
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "delete"), { once: true });
    dialog.showModal();
  });
}
