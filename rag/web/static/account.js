// One's own account: the password and the keys.

import { announce, showProblem, t } from "./page.js";
import { api } from "./api.js";
import { beginCodes } from "./codes.js";
import { beginKeys } from "./keys.js";

const form = document.getElementById("password");

if (form) {
  beginKeys();
  beginCodes();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const problem = document.getElementById("password-problem");
    showProblem(problem, "");
    const json = { current: form.elements.current.value, new: form.elements.new.value };
    try {
      await api("session/password", { method: "POST", json });
      form.reset();
      announce(t("account.changed"));
    } catch (error) {
      showProblem(problem, error.message);
    }
  });
}
