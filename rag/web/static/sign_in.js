// Signs in and goes to where the person wanted to be.

import { pageData, showProblem } from "./page.js";
import { api } from "./api.js";

const form = document.getElementById("sign-in");
const problem = document.getElementById("problem");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  showProblem(problem, "");
  const json = { name: form.elements.name.value, password: form.elements.password.value };
  try {
    await api("session", { method: "POST", json });
    location.assign(pageData.next);
  } catch (error) {
    form.elements.password.value = "";
    form.elements.password.focus();
    showProblem(problem, error.message);
  }
});

form.elements.name.focus();
