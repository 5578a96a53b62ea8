// What a problem means to a shopper, and what helps.

import { button, h, mark } from "./html.js";

/** Problems whose Location is the shop's own return portal. */
const ELSEWHERE = new Set(["not-returnable-online", "not-returnable-now"]);

/** What went wrong, in the service's words; the page has its own only where the service was not reached. */
export const titleOf = ({ code, title }, say) => say(`problems.${code}`) ?? title;

/** The problem in words, with a button or link for the next step. `faults` are those that have no field on the page. */
export function problemBox({ words: { say } }, problem, faults, again) {
  return h("div", { id: "problem" },
    h("div", { role: "alert" },
      h("p", {}, h("strong", {}, titleOf(problem, say))),
      faults.length ? h("ul", {}, faults.map((fault) => h("li", {}, faultText(fault, say))))
        : problem.detail && h("p", {}, problem.detail)),
    ELSEWHERE.has(problem.code) && problem.location
      && h("p", {}, h("a", { class: "button", href: problem.location, rel: "noreferrer" }, say("portal"))),
    problem.retryable && retryButton(say, problem.retryAfter ?? 0, again),
    problem.request_id && h("small", {}, `${say("reference")}: ${problem.request_id}`));
}

/** Says beside the fields what is wrong with them, and takes the focus there; answers the faults that have no field. */
export function markFaults(place, faults, say) {
  const texts = new Map();
  const rest = faults.filter((fault) => {
    const field = fieldAt(place, fault.pointer);
    if (field) texts.set(field, new Set([...texts.get(field) ?? [], faultText(fault, say)]));
    return !field;
  });
  for (const [field, said] of texts) mark(field, [...said].join(" "));
  const [first] = texts.keys();
  (first?.matches(".part") ? first.querySelector("button") : first)?.focus();
  return rest;
}

/** The field of the member at this JSON Pointer, or the part of the page that shows it. */
function fieldAt(place, pointer) {
  const above = pointer.slice(0, pointer.lastIndexOf("/"));
  return place.querySelector(`[data-pointer~="${CSS.escape(pointer)}"]`) ?? (above && fieldAt(place, above));
}

/** A fault of one member, in the language of the page. */
export const faultText = ({ code }, say) => say(`errors.${code}`) ?? say("errors.invalid-request");

/** Counts down to the moment that the service named. */
function retryButton(say, seconds, again) {
  const element = button("", again, "second");
  const tick = () => {
    element.disabled = seconds > 0;
    element.textContent = seconds > 0 ? say("retryIn", { seconds }) : say("retry");
    if (seconds-- > 0) setTimeout(tick, 1000);
  };
  tick();
  return h("p", {}, element);
}
