// Makes a collection and goes to its page.

import { showProblem } from "./page.js";
import { api } from "./api.js";

const form = document.getElementById("new-collection");
const problem = document.getElementById("problem");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  showProblem(problem, "");
  const json = { name: form.elements.name.value.trim(), description: form.elements.description.value.trim() };
  try {
    const made = await api("collections", { method: "POST", json });
    location.assign(`/collections/${encodeURIComponent(made.name)}`);
  } catch (error) {
    showProblem(problem, error.message);
  }
});
