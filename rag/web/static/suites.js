// Makes a suite and goes to its page.

import { attempts } from "./deed.js";
import { api } from "./api.js";

const form = document.getElementById("new-suite");

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  const { name, collection, description } = form.elements;
  const json = { name: name.value.trim(), collection: collection.value, description: description.value.trim() };
  attempts(document.getElementById("problem"))(async () => {
    const made = await api("suites", { method: "POST", json });
    location.assign(`/suites/${encodeURIComponent(made.id)}`);
  });
});
