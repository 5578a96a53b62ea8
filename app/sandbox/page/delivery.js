// Step 2: how the parcel travels back.

import { choice, field, fill, form, h } from "./html.js";
import { icon } from "./icons.js";
import { pointsChoice } from "./points.js";
import { address } from "./summary.js";

export async function deliveryStep(journey, place) {
  const { words: { say }, session, draft } = journey;
  const options = session.options.delivery_options;
  const possible = options.filter((option) => option.possible);
  if (possible.length === 1) draft.delivery.option ??= possible[0].code;
  const details = h("div", {});
  const show = async () => fill(details, await detailsOf(journey));
  const choose = (option) => journey.attempt(async () => {
    draft.delivery = { option };
    fill(details, h("div", { class: "loading" }));
    await show();
    details.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }, () => choose(option));
  await show();
  fill(place,
    h("h1", {}, say("delivery")),
    form(say, () => journey.go("review"),
      choice(say("deliveryChoice"), "option", options.map((option) => optionOf(option, say)), draft.delivery.option, choose),
      details,
      h("div", { class: "actions" }, h("button", {}, say("next")))));
}

function optionOf({ code, possible, why_not_text: whyNot }, say) {
  const hint = possible ? say(`optionHints.${code}`) : whyNot?.detail ?? say("errors.not-offered");
  return {
    value: code, disabled: !possible,
    content: [icon(code), h("strong", {}, say(`options.${code}`) ?? code), h("span", { class: "hint" }, hint)],
  };
}

/** What the chosen way asks for besides. */
async function detailsOf(journey) {
  const { draft, session } = journey;
  const option = session.options.delivery_options.find(({ code }) => code === draft.delivery.option);
  if (!option) return null;
  const asked = new Set([...option.needs, ...option.accepts]);
  if (asked.has("service_point")) return pointsChoice(journey, option);
  if (asked.has("store")) return storeChoice(journey);
  return asked.has("pickup_date") ? pickupField(journey) : null;
}

function storeChoice({ words: { say, metres }, session, draft }) {
  const nearest = [...session.options.stores].sort((one, other) => (one.distance ?? Infinity) - (other.distance ?? Infinity));
  return choice(say("store"), "store", nearest.map((store) => ({
    value: store.id,
    content: [
      h("span", { class: "top" }, h("strong", {}, store.name),
        store.distance !== null && h("span", { class: "away" }, metres(store.distance))),
      h("span", { class: "hint" }, address(store)),
    ],
  })), draft.delivery.store, (id) => { draft.delivery.store = Number(id); });
}

function pickupField({ words: { say }, session, draft }) {
  const day = h("input", {
    type: "date", min: session.options.pickup?.earliest, max: session.options.pickup?.latest,
    value: draft.delivery.pickup_date ?? "",
    onchange: () => { draft.delivery.pickup_date = day.value || undefined; },
  });
  return field(say("date"), day, say("dateHint"));
}
