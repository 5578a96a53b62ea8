// What a problem means to a shopper, and what helps.

import { button, h } from "./html.js";

/** Problems whose Location is the shop's own return portal. */
const ELSEWHERE = new Set(["not-returnable-online", "not-returnable-now"]);
/** Members of a return that stand on another step than the review. */
const STEP_OF = { items: "items", reason: "items", refund: "items", photos: "items", delivery: "delivery" };

/** What went wrong, in the service's words; the page has its own only where the service was not reached. */
export const titleOf = ({ code, title }, say) => say(`problems.${code}`) ?? title;

/** The problem in words, with a button or link for the next step; the service's advice where there is none. */
export function problemBox(journey, problem, again) {
  const { words: { say } } = journey;
  const { retryable, location, errors, detail } = problem;
  return h("div", { id: "problem" },
    h("div", { role: "alert" },
      h("p", {}, h("strong", {}, titleOf(problem, say))),
      !retryable && !location && !errors.length && detail && h("p", {}, detail),
      fieldProblems(journey, problem.errors)),
    ELSEWHERE.has(problem.code) && problem.location
      && h("p", {}, h("a", { class: "button", href: problem.location, rel: "noreferrer" }, say("portal"))),
    problem.retryable && retryButton(say, problem.retryAfter ?? 0, again),
    problem.request_id && h("small", {}, `${say("reference")}: ${problem.request_id}`));
}

/** What is wrong with single members, each with the way to the step where it can be changed. */
export function fieldProblems({ words: { say }, go }, errors) {
  return errors.length > 0 && h("ul", {}, errors.map(({ pointer, code, detail }) => {
    const step = STEP_OF[pointer.split("/")[1]];
    return h("li", {}, say(`errors.${code}`) ?? detail, step && [" ", button(say("change"), () => go(step), "link")]);
  }));
}

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
