// The journey: which step is shown, what the shopper entered so far, and how problems are told.

import * as api from "./api.js";
import config, { sandbox } from "./config.js";
import { deliveryStep } from "./delivery.js";
import { followStep } from "./follow.js";
import { button, fill, h } from "./html.js";
import { itemsStep } from "./items.js";
import { markFaults, problemBox } from "./problems.js";
import { reviewStep } from "./review.js";
import { startStep } from "./start.js";
import { dress, supportOf } from "./theme.js";
import { preferredLanguage, wordsOf } from "./words.js";

const STEPS = { start: startStep, items: itemsStep, delivery: deliveryStep, review: reviewStep, follow: followStep };
const BEFORE = { delivery: "items", review: "delivery" };
const DRAFT = "return-draft";
const select = document.getElementById("language");
const place = document.getElementById("step");

/** What all steps share. `draft` outlives a reload of the tab; nothing in it opens anything. */
const journey = {
  words: null,
  session: null,
  brand: null,
  draft: load(),
  typed: {},
  leave: () => {},
  go, attempt, save, tell, forget, began, resumed, discard, made, takeUpAgain,
};

/** Takes this language, for the words of the page and for those of the service. */
async function speak(language) {
  document.documentElement.lang = language;
  journey.words = await wordsOf(language);
}

function load() {
  return { brand: config.brand, ...nothingChosen(), ...JSON.parse(sessionStorage.getItem(DRAFT)) };
}

function nothingChosen() {
  return { items: {}, refund: {}, delivery: {}, point: null, parcels: 1, customs: null, contact: null, key: null, sent: null };
}

function save() {
  sessionStorage.setItem(DRAFT, JSON.stringify(journey.draft));
}

/** Forgets what was chosen, so that another return can be made. */
function discard() {
  Object.assign(journey.draft, nothingChosen());
}

/** Sets the choices aside, of which this return was made: Back must not lead to sending them once more. */
function made(returnId) {
  const { draft } = journey;
  draft.made = { id: returnId, choices: Object.fromEntries(Object.keys(nothingChosen()).map((name) => [name, draft[name]])) };
  draft.returnId = returnId;
  discard();
}

/** Leaves a return that failed, with the choices that it was made of if they are known. */
function takeUpAgain(returnId) {
  const { draft } = journey;
  draft.returnId = null;
  if (draft.made?.id === returnId) Object.assign(draft, draft.made.choices);
}

/** A session has begun; what was chosen for this order before, in a session that ended, is kept without its photos. */
function began(session) {
  takeUp(session);
  for (const item of Object.values(journey.draft.items)) item.photos = [];
}

/** Takes the session as it is now; answers whether it is of the order that the choices are for. */
function takeUp(session) {
  const { draft } = journey;
  const same = draft.order === session.parcel.order_number;
  journey.session = session;
  if (!same) Object.assign(draft, nothingChosen(), { returnId: null, made: null, order: session.parcel.order_number });
  return same;
}

/** The session as it is now. All tabs share its cookie, so that another tab may have looked up another order. */
async function resumed() {
  if (!takeUp(await api.resume())) throw new api.Problem({ code: "other-order" });
  return journey.session;
}

/** Shows a step as a new entry of the browser's history, or in place of the current one. */
async function go(step, { replace = false } = {}) {
  await attempt(async () => {
    if (!await show(step)) return;
    history[replace ? "replaceState" : "pushState"](null, "", `#${journey.step}`);
  }, () => go(step, { replace }));
}

/** Draws a step and moves the focus to its heading; false where another step was asked for in the meantime. */
async function show(wanted) {
  const step = reachable(wanted);
  const drawn = journey.drawn = h("div", { class: "step" });
  journey.leave();
  journey.leave = () => {};
  await STEPS[step](journey, drawn);
  if (journey.drawn !== drawn) return false;
  journey.step = step;
  fill(place, drawn);
  showFrame();
  const heading = place.querySelector("h1");
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
  scrollTo(0, 0);
  return true;
}

/** The step itself if everything before it was answered, else the first one that is not. */
function reachable(step) {
  const { session, draft } = journey;
  const chosen = Object.keys(draft.items).length > 0;
  if (!session || !Object.hasOwn(STEPS, step)) return "start";
  if (step === "follow") return draft.returnId ? step : "items";
  if (step === "review" && chosen && !draft.delivery.option) return "delivery";
  return ["delivery", "review"].includes(step) && !chosen ? "items" : step;
}

/** What stands around the step: title, progress, and where the shop can be reached. */
function showFrame() {
  const { words: { say }, step, brand } = journey;
  document.title = `${place.querySelector("h1").textContent} – ${brand.name}`;
  document.querySelector("label[for=language]").textContent = say("language");
  const steps = Object.keys(STEPS).slice(1);
  const nav = document.querySelector("nav");
  nav.ariaLabel = say("progress");
  fill(nav, steps.includes(step) && h("ol", {}, steps.map((name) => h("li", {
    class: steps.indexOf(name) < steps.indexOf(step) && "done", "aria-current": name === step && "step",
  }, say(`steps.${name}`)))),
  BEFORE[step] && button(["‹ ", say("back")], () => go(BEFORE[step]), "link back"));
  fill(document.querySelector("footer"),
    brand.return_policy_url && h("a", { href: brand.return_policy_url }, say("policy")),
    supportOf(brand) && h("a", { href: supportOf(brand) }, say("support")),
    journey.session && button(say("end"), forget, "link"));
}

/** Does something; a problem becomes a message with what helps. */
async function attempt(action, again = action) {
  tell("");
  document.getElementById("problem")?.remove();
  try {
    await action();
    save();
  } catch (problem) {
    if (!(problem instanceof api.Problem)) throw problem;
    await explain(problem, again);
  }
}

async function explain(problem, again) {
  const { draft } = journey;
  document.getElementById("problem")?.remove();
  if (["session-expired", "session-required"].includes(problem.code) && journey.step !== "start") {
    journey.session = null;
    await go("start", { replace: true });
  }
  if (problem.code === "other-order") await go("items", { replace: true });
  if (["return-outcome-unknown", "units-claimed"].includes(problem.code) && problem.location) {
    draft.returnId = problem.location.split("/").pop();
    await go("follow", { replace: true });
    // The return itself says what to do.
    if (problem.code === "return-outcome-unknown") return;
  }
  const faults = markFaults(place, problem.errors, journey.words.say);
  if (problem.errors.length && !faults.length) return;
  const box = problemBox(journey, problem, faults, again);
  const actions = place.querySelector(".actions");
  if (actions) actions.before(box);
  else place.append(box);
  box.scrollIntoView({ block: "center" });
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
    Object.assign(journey, { session: null, draft: load(), typed: {} });
    await go("start");
  });
}

/** Goes on with the session there is, or with the one that a handoff's link brings. */
async function arrive(token, step) {
  try {
    if (token && await isUnderWay() && !await agreed(journey.words.say)) return await arrive(null, step);
    takeUp(token ? await api.redeem(token) : await api.resume());
  } catch (problem) {
    if (!(problem instanceof api.Problem)) throw problem;
    await go("start", { replace: true });
    if (problem.code !== "session-required") await explain(problem, () => arrive(token, step));
    return;
  }
  const { draft, session } = journey;
  journey.brand = session.brand;
  dress(session.brand);
  if (token) Object.assign(draft, nothingChosen(), { returnId: session.returns[0]?.id });
  await go(Object.hasOwn(STEPS, step ?? "") ? step : draft.returnId ? "follow" : "items", { replace: true });
}

function isUnderWay() {
  return api.resume().then(() => true, () => false);
}

/** Asks before the session of a link takes the place of the one in this browser. */
function agreed(say) {
  const dialog = h("dialog", { "aria-labelledby": "ask" },
    h("p", { id: "ask" }, say("otherReturn")),
    h("form", { method: "dialog", class: "actions" },
      h("button", { value: "yes" }, say("openOther")), h("button", { class: "second", value: "" }, say("stayHere"))));
  document.querySelector("main").append(dialog);
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => {
    dialog.remove();
    resolve(dialog.returnValue === "yes");
  }));
}

await speak(preferredLanguage(select.options));
select.value = journey.words.language;
select.disabled = false;
select.addEventListener("change", async () => {
  await speak(select.value);
  // What cannot be done is told in the service's words.
  if (journey.session) journey.session = await api.resume().catch(() => journey.session);
  await go(journey.step ?? "start", { replace: true });
});
// The second half of a double click would press what the next step shows at the same place.
addEventListener("click", (event) => {
  if (event.detail < 2 || !event.target.closest("a, button")) return;
  event.preventDefault();
  event.stopPropagation();
}, { capture: true });
addEventListener("pagehide", save);
addEventListener("popstate", () => attempt(() => show(location.hash.slice(1))));

// A link may bring an order, or the token of a handoff. Neither stays in the address bar or in the history.
const query = new URLSearchParams(location.search);
const fragment = new URLSearchParams(location.hash.slice(1));
for (const name of ["identifier", "postal_code"]) if (query.has(name)) journey.typed[name] = query.get(name);
if (/^[a-z0-9-]+$/.test(query.get("brand") ?? "")) journey.draft.brand = query.get("brand");
history.replaceState(null, "", location.pathname);
if (journey.typed.identifier) await go("start", { replace: true });
else await arrive(fragment.get("handoff"), [...fragment.keys()][0]);
