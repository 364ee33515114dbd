// The page that asks: the form, the examples, the conversation and its stream.

import { announce, el, pageData, t } from "./page.js";
import { api, events, send } from "./api.js";
import { AnswerView } from "./answer.js";
import { SourcePanel } from "./source.js";
import { Transcript } from "./transcript.js";

const byId = (id) => document.getElementById(id);
const form = byId("ask");
if (form) start();

function start() {
  const panel = new SourcePanel(byId("source"));
  const question = byId("question");
  const picker = byId("collection");
  const address = new URL(location.href);
  let conversation = null;
  let running = null; // {transcript, abort}

  const openSource = (...shown) => panel.open(...shown);

  const add = (transcript) => {
    const view = new AnswerView(transcript, openSource);
    byId("turns").append(view.node);
    document.body.classList.add("talking");
    byId("new").hidden = false;
    byId("examples").hidden = true;
    question.placeholder = t("ask.followup");
    return view;
  };

  const setRunning = (value) => {
    running = value;
    byId("stop").hidden = value === null;
    byId("send").hidden = value !== null;
  };

  const remember = (transcript) => {
    if (!transcript.conversation) return;
    conversation = transcript.conversation;
    address.searchParams.set("collection", picker.value);
    address.searchParams.set("conversation", conversation);
    history.replaceState(null, "", address);
  };

  const ask = async (text) => {
    const transcript = new Transcript(text);
    const abort = new AbortController();
    setRunning({ transcript, abort });
    const view = add(transcript);
    announce(t("answer.thinking"));
    view.node.scrollIntoView({ block: "start", behavior: "smooth" });
    try {
      const json = { question: text, collection: picker.value, ...(conversation ? { conversation } : {}) };
      const headers = { Accept: "text/event-stream" };
      const response = await send("/api/v1/ask", { method: "POST", json, headers, signal: abort.signal });
      for await (const event of events(response)) {
        transcript.take(event);
        if (event.event === "started") remember(transcript);
        view.later();
      }
      if (!transcript.ended) transcript.fail(t("answer.lost"));
    } catch (error) {
      if (error.name === "AbortError") transcript.status = "stopped";
      else transcript.fail(error.message || t("answer.lost"));
    }
    setRunning(null);
    view.draw();
    const [first] = transcript.citations.flatMap((citation) => citation.sources);
    if (first) panel.prepare(transcript.source(first.n), [first]);
    question.focus({ preventScroll: true });
  };

  const submit = () => {
    const text = question.value.trim();
    if (text === "" || running !== null) return;
    question.value = "";
    fit(question);
    ask(text);
  };

  const stop = async () => {
    if (running === null) return;
    const { transcript, abort } = running;
    if (transcript.answer === null) {
      abort.abort();
      return;
    }
    try {
      await api(`answers/${encodeURIComponent(transcript.answer)}/stream`, { method: "DELETE" });
    } catch {
      abort.abort(); // leaving ends it as well
    }
  };

  const begin = () => {
    running?.abort.abort();
    conversation = null;
    byId("turns").replaceChildren();
    document.body.classList.remove("talking");
    if (!byId("source").hidden) panel.close();
    byId("new").hidden = true;
    address.searchParams.delete("conversation");
    history.replaceState(null, "", address);
    chosen();
    question.focus();
  };

  const chosen = () => {
    const info = pageData.collections.find(({ name }) => name === picker.value);
    const notice = byId("empty-collection");
    notice.hidden = info.documents > 0;
    const link = el("a", { href: `/collections/${encodeURIComponent(info.name)}` }, t("ask.add_documents"));
    notice.replaceChildren(t("ask.empty_collection", { collection: info.name }), " ", link);
    question.placeholder = t("ask.placeholder", { collection: info.name });
    const offered = info.documents > 0 && info.name === pageData.examples.collection ? pageData.examples.questions : [];
    showExamples(offered, (text) => running === null && ask(text));
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  question.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  });
  question.addEventListener("input", () => fit(question));
  picker.addEventListener("change", begin);
  byId("stop").addEventListener("click", stop);
  byId("new").addEventListener("click", begin);

  chosen();
  const earlier = address.searchParams.get("conversation");
  if (earlier) restore(earlier, add).then((found) => (conversation = found ? earlier : null));
  else question.focus();
}

function showExamples(questions, ask) {
  const section = byId("examples");
  section.hidden = questions.length === 0;
  const button = (text) => el("button", { type: "button", class: "example", on: { click: () => ask(text) } }, text);
  section.querySelector("ul").replaceChildren(...questions.map((text) => el("li", {}, button(text))));
}

/** Show a stored conversation again; false when it is gone. */
async function restore(conversation, add) {
  try {
    const { answers } = await api(`conversations/${encodeURIComponent(conversation)}`);
    for (const record of answers) add(Transcript.stored(record));
    return true;
  } catch {
    return false; // deleted meanwhile: the page begins anew
  }
}

/** Let the field grow with its text. */
function fit(field) {
  field.rows = Math.min(8, field.value.split("\n").length);
}
