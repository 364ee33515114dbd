// What a collection is called, what it says of itself, and whether its text may leave the site, who answers and how sure they must be. Knows no document.

import { showProblem } from "./page.js";
import { api } from "./api.js";

/** Make the form save; without the right to manage there is no form. */
export function beginChange(form, collection) {
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const problem = document.getElementById("change-problem");
    showProblem(problem, "");
    const { name, description, egress, model, threshold } = form.elements;
    const json = {
      name: name.value.trim(),
      description: description.value.trim(),
      egress: egress.value,
      model: model.value,
      evidence_threshold: threshold.value === "" ? null : Number(threshold.value),
    };
    try {
      const changed = await api(`collections/${encodeURIComponent(collection)}`, { method: "PATCH", json });
      location.assign(`/collections/${encodeURIComponent(changed.name)}`);
    } catch (error) {
      showProblem(problem, error.message);
    }
  });
}
