// The page that asks: the form, the examples, the conversation and its stream.

import { announce, el, pageData, t } from "./page.js";
import { api } from "./api.js";
import { AnswerView } from "./answer.js";
import { Earlier, fetched } from "./earlier.js";
import * as follow from "./following.js";
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

  const viewOf = (transcript, rating = null) => {
    const again = (how) => running === null && ask(transcript.asked, how);
    return new AnswerView(transcript, openSource, { again, ask: (text) => running === null && ask(text), rating });
  };

  const earlier = new Earlier(byId("earlier"), byId("turns"), (record, rating) => viewOf(Transcript.stored(record), rating).node);

  const add = (transcript, rating = null) => {
    const view = viewOf(transcript, rating);
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

  /** Show an answer while `begin(signal, taken)` brings its events. */
  const run = async (transcript, begin, rating = null) => {
    const abort = new AbortController();
    setRunning({ transcript, abort });
    const view = add(transcript, rating);
    announce(t("answer.thinking"));
    view.node.scrollIntoView({ block: "start", behavior: "smooth" });
    try {
      await begin(abort.signal, (event) => {
        if (event.event === "started") remember(transcript);
        view.later();
      });
    } catch (error) {
      if (error.name === "AbortError") transcript.status = "stopped";
      else transcript.fail(error.message || t("answer.lost"));
    }
    setRunning(null);
    view.draw();
    const [first] = transcript.citations.flatMap((citation) => citation.sources);
    if (first) panel.prepare(transcript.source(first.n), [first]);
  };

  const ask = async (text, how = {}) => {
    const transcript = new Transcript(text);
    const json = { question: text, collection: picker.value, ...how, ...(conversation ? { conversation } : {}) };
    await run(transcript, (signal, taken) => follow.ask(transcript, json, signal, taken));
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
    byId("shared").hidden = true;
    earlier.end();
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

  /** Show a stored conversation again, and go on with an answer that is still being given. */
  const restore = async (id) => {
    const stored = await fetched(id).catch(() => null); // deleted meanwhile: begin anew
    if (stored === null) return;
    conversation = stored.mine ? id : null;
    byId("shared").hidden = stored.mine;
    for (const record of stored.answers) {
      const transcript = Transcript.stored(record);
      if (transcript.ended) {
        add(transcript, stored.ratings[record.answer]);
      } else {
        earlier.begin(id, stored.earlier); // the last one takes its time
        await run(transcript, (signal, taken) => follow.resume(transcript, signal, taken));
        return;
      }
    }
    document.querySelector("#turns > :last-child")?.scrollIntoView({ block: "start" });
    earlier.begin(id, stored.earlier);
  };

  chosen();
  const asked = address.searchParams.get("conversation");
  if (asked) restore(asked);
  else question.focus();
}

function showExamples(questions, ask) {
  const section = byId("examples");
  section.hidden = questions.length === 0;
  const button = (text) => el("button", { type: "button", class: "example", on: { click: () => ask(text) } }, text);
  section.querySelector("ul").replaceChildren(...questions.map((text) => el("li", {}, button(text))));
}

/** Let the field grow with its text. */
function fit(field) {
  field.rows = Math.min(8, field.value.split("\n").length);
}
