// Signs in and goes to where the person wanted to be.

import { pageData, showProblem } from "./page.js";
import { api } from "./api.js";

const form = document.getElementById("sign-in");
const problem = document.getElementById("problem");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  showProblem(problem, "");
  const json = { name: form.elements.name.value, password: form.elements.password.value, code: form.elements.code.value };
  try {
    await api("session", { method: "POST", json });
    location.assign(pageData.next);
  } catch (error) {
    if (error.kind === "code-wanted") {
      document.getElementById("code-row").hidden = false;
      form.elements.code.value = "";
      form.elements.code.focus();
      showProblem(problem, error.message);
      return;
    }
    form.elements.password.value = "";
    form.elements.password.focus();
    showProblem(problem, error.message);
  }
});

form.elements.name.focus();
