// Files and whole folders from a drop or a picker, sent one by one with progress. Knows no list of documents.

import { pageData, t } from "./page.js";
import { ApiError } from "./api.js";

const HIDDEN = /(^|\/)\./; // what folders keep for themselves: .git, .DS_Store
export const MOST_FILES = 5000;

/** Every file of a drop as {file, name}; the name keeps the path inside a dropped folder. */
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean); // gone after the first await
  if (entries.length === 0) return [...transfer.files].map((file) => ({ file, name: file.name }));
  const found = [];
  for (const entry of entries) await collect(entry, found);
  return found.filter(({ name }) => !HIDDEN.test(name));
}

/** The same of a picker for files or for a folder. */
export function picked(files) {
  return [...files].map((file) => ({ file, name: file.webkitRelativePath || file.name })).filter(({ name }) => !HIDDEN.test(name));
}

async function collect(entry, found) {
  if (found.length >= MOST_FILES) return;
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push({ file, name: entry.fullPath.replace(/^\//, "") });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // a hundred at a time
    if (part.length === 0) return;
    for (const child of part) await collect(child, found);
  }
}

/** Send one file; `sent(share)` hears how much of it is out. Gives what the server accepted. Throws ApiError. */
export function send(base, { file, name }, batch, sent) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch cannot tell how much of a body has left
    const query = new URLSearchParams({ name, ...(batch ? { batch } : {}) });
    request.open("POST", `/api/v1/${base}?${query}`);
    request.responseType = "json";
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    if (pageData.csrf) request.setRequestHeader("X-CSRF-Token", pageData.csrf);
    request.upload.addEventListener("progress", (event) => event.lengthComputable && sent(event.loaded / event.total));
    request.addEventListener("error", () => reject(new ApiError(t("error.network"), 0)));
    request.addEventListener("load", () => {
      const { status, response } = request;
      if (status >= 200 && status < 300) resolve(response);
      else reject(new ApiError(response?.detail || t("error.unknown", { status }), status));
    });
    request.send(file);
  });
}
