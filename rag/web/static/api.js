// The wire: JSON requests with problem documents as errors, and server-sent events over fetch. Knows no page.

import { pageData, t } from "./page.js";

/** What the server refused, in one line for a person. */
export class ApiError extends Error {
  constructor(message, status, kind = "") {
    super(message);
    this.status = status;
    this.kind = kind;
  }
}

/** Send a request; gives the response when it succeeded. Throws ApiError. */
export async function send(path, { method = "GET", json, body, headers = {}, signal } = {}) {
  const sent = { method, headers: { Accept: "application/json", ...headers }, body, signal };
  if (json !== undefined) {
    sent.body = JSON.stringify(json);
    sent.headers["Content-Type"] = "application/json";
  }
  if (method !== "GET" && pageData.csrf) sent.headers["X-CSRF-Token"] = pageData.csrf;
  let response;
  try {
    response = await fetch(path, sent);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(t("error.network"), 0);
  }
  if (response.status === 401 && pageData.csrf) {
    location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`); // the session is over
  }
  if (!response.ok) throw await problem(response);
  return response;
}

/** Send a request; gives the JSON of the answer, or null when there is none. */
export async function api(path, options) {
  const response = await send(`/api/v1/${path}`, options);
  return response.status === 204 ? null : response.json();
}

/** Every item of a list that comes in pages. */
export async function* listed(path) {
  let cursor = null;
  do {
    const joint = path.includes("?") ? "&" : "?";
    const page = await api(cursor === null ? path : `${path}${joint}cursor=${encodeURIComponent(cursor)}`);
    yield* page.items;
    cursor = page.next;
  } while (cursor !== null);
}

/** The server-sent events of a response as {event, data, id}. Comments are skipped. */
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      held += value;
      const frames = held.split("\n\n");
      held = frames.pop();
      for (const frame of frames) {
        const event = parseFrame(frame);
        if (event !== null) yield event;
      }
    }
  } finally {
    await reader.cancel().catch(() => {}); // a connection that broke cannot be cancelled again
  }
}

function parseFrame(frame) {
  let event = "message";
  let id = null;
  const data = [];
  for (const line of frame.split("\n")) {
    if (line.startsWith("event:")) event = line.slice(6).trim();
    else if (line.startsWith("id:")) id = line.slice(3).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
  }
  return data.length === 0 ? null : { event, data: JSON.parse(data.join("\n")), id };
}

async function problem(response) {
  try {
    const document = await response.json();
    return new ApiError(document.detail || document.title, response.status, document.type?.split("/").pop());
  } catch {
    return new ApiError(t("error.unknown", { status: response.status }), response.status);
  }
}
