// The journey: which step is shown, what the shopper entered so far, and how problems are told.

import * as api from "./api.js";
import { followStep } from "./follow.js";
import { h } from "./html.js";
import { deliveryStep } from "./delivery.js";
import { itemsStep } from "./items.js";
import { reviewStep } from "./review.js";
import { startStep } from "./start.js";
import { spoken, WORDS } from "./words.js";

const STEPS = { start: startStep, items: itemsStep, delivery: deliveryStep, review: reviewStep, follow: followStep };
const DRAFT = "return-draft";

/** What all steps share. Only `draft` outlives a reload, and nothing in it opens anything: the session is in a cookie. */
const journey = {
  words: WORDS[spoken()],
  language: spoken(),
  session: null,
  draft: load(),
  leave: () => {},
  go, attempt, tell, forget,
};

function load() {
  return JSON.parse(sessionStorage.getItem(DRAFT) ?? "null") ?? { brand: "demo", items: {}, refund: {}, delivery: {} };
}

function save() {
  sessionStorage.setItem(DRAFT, JSON.stringify(journey.draft));
}

/** Shows a step. Its heading gets the focus, so that keyboards and screen readers start there. */
async function go(step) {
  journey.leave();
  journey.leave = () => {};
  journey.step = step;
  save();
  const place = document.getElementById("step");
  const shown = h("div", {});
  await attempt(async () => {
    await STEPS[step](journey, shown);
    // A problem stays on the screen that it came from.
    place.replaceChildren(shown);
    showProgress();
    const heading = place.querySelector("h1");
    heading.tabIndex = -1;
    heading.focus();
  }, () => go(step));
}

function showProgress() {
  const { words, step } = journey;
  document.title = words.title;
  document.documentElement.lang = journey.language;
  document.getElementById("language-label").textContent = words.language;
  document.querySelector("nav").setAttribute("aria-label", words.progress);
  document.getElementById("progress").replaceChildren(...(step === "start" ? [] : Object.entries(words.steps)).map(
    ([name, label]) => h("li", { "aria-current": name === step && "step" }, label)));
}

/** Does something; a problem becomes a message with what helps, the button to try again included. */
async function attempt(action, again = null) {
  tell("");
  document.getElementById("problem").replaceChildren();
  try {
    await action();
    save();
  } catch (problem) {
    if (!(problem instanceof api.Problem)) throw problem;
    await explain(problem, again);
  }
}

async function explain(problem, again) {
  const { words, draft } = journey;
  if (problem.code === "session-expired" && journey.step !== "start") {
    journey.session = null;
    await go("start");
  }
  if (["return-outcome-unknown", "units-claimed"].includes(problem.code) && problem.location) {
    draft.returnId = problem.location.split("/").pop();
    await go("follow");
  }
  document.getElementById("problem").replaceChildren(
    h("p", {}, words.problems[problem.code] ?? `${problem.title}. ${problem.detail ?? ""}`),
    ...(problem.errors ?? []).map((error) => h("p", {}, error.detail)),
    problem.code === "not-returnable-online" && problem.location && h("p", {}, h("a", { href: problem.location }, problem.location)),
    problem.retryable && again ? retryButton(problem, again) : "",
    problem.request_id ? h("small", {}, `${words.quote}: ${problem.request_id}`) : "",
  );
}

/** Counts down to the moment that the service named. */
function retryButton(problem, again) {
  const { words } = journey;
  const button = h("button", { type: "button", class: "second", onclick: again }, words.retry);
  let left = problem.retryAfter ?? 0;
  const tick = () => {
    button.disabled = left > 0;
    button.textContent = left > 0 ? words.retryIn(left) : words.retry;
    if (left-- > 0) setTimeout(tick, 1000);
  };
  tick();
  return h("p", {}, button);
}

/** Says something without moving the focus. */
function tell(text) {
  document.getElementById("news").textContent = text;
}

/** Ends the session: tokens and address are gone on the server, the draft is gone here. */
async function forget() {
  await attempt(async () => {
    await api.end();
    sessionStorage.removeItem(DRAFT);
    journey.session = null;
    journey.draft = load();
    await go("start");
  }, forget);
}

/** The link of a handoff has its token in the fragment; it is used once and leaves the address bar at once. */
async function arrive() {
  const token = new URLSearchParams(location.hash.slice(1)).get("handoff");
  history.replaceState(null, "", location.pathname);
  if (token) {
    await attempt(async () => { journey.session = await api.redeem(token); });
  } else {
    journey.session = await api.resume().catch(() => null);
  }
  const problem = [...document.getElementById("problem").childNodes];
  const latest = journey.session?.returns[0];
  if (token && latest) journey.draft.returnId = latest.id;
  if (!journey.session) await go("start");
  else await go(journey.draft.returnId ? "follow" : "items");
  if (problem.length) document.getElementById("problem").replaceChildren(...problem);
}

document.getElementById("language").value = journey.language;
document.getElementById("language").addEventListener("change", (event) => {
  journey.language = event.target.value;
  journey.words = WORDS[journey.language];
  go(journey.step);
});
arrive();
