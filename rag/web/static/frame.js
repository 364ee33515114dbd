// The frame of every page of someone who signed in: the way out.

import { api } from "./api.js";

document.getElementById("sign-out").addEventListener("click", async () => {
  await api("session", { method: "DELETE" }).catch(() => {}); // who is out already is out
  location.assign("/sign-in");
});
