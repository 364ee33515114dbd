// Follows the stream of an answer to its end, also through lost connections. Knows no DOM.

import { ApiError, api, events, send } from "./api.js";
import { t } from "./page.js";
import { Transcript } from "./transcript.js";

const TRIES = 5;
const PAUSE = 800; // milliseconds before the next try; each waits longer
const HEADERS = { Accept: "text/event-stream" };

/** Ask; `taken(event)` is called after each event that the transcript took. Throws AbortError when `signal` says so. */
export async function ask(transcript, json, signal, taken) {
  const response = await send("/api/v1/ask", { method: "POST", json: { ...json, linger: true }, headers: HEADERS, signal });
  await follow(transcript, response, signal, taken);
}

/** Take up an answer that was in progress when the page was left; one that has ended meanwhile is shown as it is kept. */
export async function resume(transcript, signal, taken) {
  try {
    await follow(transcript, await stream(transcript, null, signal), signal, taken);
  } catch (error) {
    if (error.status !== 404) throw error;
    const kept = Transcript.stored(await api(`answers/${encodeURIComponent(transcript.answer)}`));
    Object.assign(transcript, kept, { status: kept.status ?? "running" });
  }
}

function stream(transcript, last, signal) {
  const headers = last === null ? HEADERS : { ...HEADERS, "Last-Event-ID": last };
  return send(`/api/v1/answers/${encodeURIComponent(transcript.answer)}/stream`, { headers, signal });
}

async function follow(transcript, response, signal, taken) {
  let last = null;
  for (let tries = 0; ; tries += 1) {
    try {
      const source = response ?? (await stream(transcript, last, signal));
      for await (const event of events(source)) {
        last = event.id ?? last;
        tries = 0;
        transcript.take(event);
        taken(event);
      }
    } catch (error) {
      const refused = error instanceof ApiError && error.status > 0; // the server knows this answer no more
      if (error.name === "AbortError" || refused) throw error;
    }
    response = null;
    if (transcript.ended) return;
    if (transcript.answer === null || last === null || tries >= TRIES) throw new ApiError(t("answer.lost"), 0);
    await new Promise((resolve) => setTimeout(resolve, PAUSE * (tries + 1)));
  }
}
