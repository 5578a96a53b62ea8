// The journey: which step is shown, what the shopper entered so far, and how problems are told.

import * as api from "./api.js";
import { followStep } from "./follow.js";
import { fill, h } from "./html.js";
import { deliveryStep } from "./delivery.js";
import { itemsStep } from "./items.js";
import { reviewStep } from "./review.js";
import { dress, startStep } from "./start.js";
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
  const shown = journey.awaited = h("div", {});
  await attempt(async () => {
    await STEPS[step](journey, shown);
    // Somebody was faster: another step, or another language.
    if (journey.awaited !== shown) return;
    // Only now: a problem stays on the screen that it came from.
    fill(place, shown);
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
  fill(document.getElementById("progress"), (step === "start" ? [] : Object.entries(words.steps)).map(
    ([name, label]) => h("li", { "aria-current": name === step && "step" }, label)));
}

/** Does something; a problem becomes a message with what helps, the button to try again included. */
async function attempt(action, again = null) {
  tell("");
  fill(document.getElementById("problem"));
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
  fill(document.getElementById("problem"),
    h("p", {}, words.problems[problem.code] ?? `${problem.title}. ${problem.detail ?? ""}`),
    (problem.errors ?? []).map((error) => h("p", {}, error.detail)),
    problem.code === "not-returnable-online" && problem.location && h("p", {}, h("a", { href: problem.location }, problem.location)),
    problem.retryable && again && retryButton(problem, again),
    problem.request_id && h("small", {}, `${words.quote}: ${problem.request_id}`),
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

/** Goes on with the session there is, or with the one that a handoff's link brings in its fragment. */
async function arrive(token) {
  try {
    journey.session = token ? await api.redeem(token) : await api.resume();
  } catch (problem) {
    await go("start");
    if (problem.code !== "session-required") await explain(problem, () => arrive(token));
    return;
  }
  dress(journey.session);
  if (token) journey.draft.returnId = journey.session.returns[0]?.id;
  await go(journey.draft.returnId ? "follow" : "items");
}

document.getElementById("language").value = journey.language;
document.getElementById("language").addEventListener("change", (event) => {
  journey.language = event.target.value;
  journey.words = WORDS[journey.language];
  if (journey.step) go(journey.step);
});
addEventListener("pagehide", save);
const token = new URLSearchParams(location.hash.slice(1)).get("handoff");
// It is good for one use, and nobody shall find it in the address bar.
history.replaceState(null, "", location.pathname);
arrive(token);
