// Step 3: everything that was chosen, what the service says about it, and the one click that makes the return.

import * as api from "./api.js";
import { button, field, fill, form, h } from "./html.js";
import { missingFields } from "./missing.js";
import { faultText, markFaults } from "./problems.js";
import { chosenItems, deliveryLines, feeText, itemLines, refundSum } from "./summary.js";

export async function reviewStep(journey, place) {
  const { words, draft } = journey;
  const { say } = words;
  const session = await journey.resumed();
  const checked = await api.preview(wanted(draft));
  const send = () => journey.attempt(() => make(journey));
  const edit = (step, what) => button([say("change"), h("span", { class: "unseen" }, ` ${what}`)], () => journey.go(step), "link");
  const part = (pointer, title, step, ...lines) => h("section", { class: "part", "data-pointer": pointer },
    h("div", { class: "head" }, h("h2", {}, title), step && edit(step, title)), lines, h("p", { class: "error" }));
  const refund = session.options.refund_options.find(({ code }) => code === draft.refund.type);
  const fee = feeText(checked.fee, words);
  const problem = h("p", { class: "error", role: "alert" });
  fill(place,
    h("h1", {}, say("review")),
    form(say, send,
      h("div", { class: "card" },
        part("#/items #/reason #/photos", say("steps.items"), "items", itemLines(journey, chosenItems(draft))),
        refund && part("#/refund", say("refundTitle"), "items", h("p", {}, refund.label, draft.refund.message && h("span", { class: "hint" }, draft.refund.message))),
        part("#/delivery", say("steps.delivery"), "delivery", h("p", {}, deliveryLines(journey, draft.delivery, draft.delivery.service_point && draft.point))),
        part("#/contact", say("from"), null, h("p", {}, session.ship_from.name,
          h("span", { class: "hint" }, `${session.ship_from.postal_code} ${session.ship_from.city}, ${session.ship_from.country}`))),
        h("dl", { class: "totals" },
          refundSum(journey) && [h("dt", {}, say("refundSum")), h("dd", {}, refundSum(journey))],
          fee && [h("dt", {}, say("fee")), h("dd", {}, fee)])),
      session.parcel.max_parcels > 1 && parcelsField(journey),
      missingFields(journey, checked.missing),
      problem,
      h("div", { class: "actions" }, h("button", {}, say("send")))));
  // What is missing has an empty field here, and is no fault yet.
  const faults = markFaults(place, checked.problems.filter(({ pointer }) => !checked.missing.includes(pointer)), say);
  problem.textContent = faults.map((fault) => faultText(fault, say)).join(" ");
}

function parcelsField({ words: { say }, session, draft }) {
  const numbers = Array.from({ length: session.parcel.max_parcels }, (_, at) => at + 1);
  const parcels = h("select", { "data-pointer": "#/parcels", onchange: () => { draft.parcels = Number(parcels.value); } },
    numbers.map((number) => h("option", { value: number, selected: number === draft.parcels }, number)));
  return field(say("parcels"), parcels, say("parcelsHint"));
}

/** Makes the return, once: the same key goes with every try until there is an answer. */
async function make(journey) {
  await journey.resumed();
  const { draft } = journey;
  const body = wanted(draft);
  // A return that was changed is another one.
  if (draft.sent !== JSON.stringify(body)) draft.key = null;
  Object.assign(draft, { sent: JSON.stringify(body), key: draft.key ?? crypto.randomUUID() });
  // Before it is used: a tab that dies while the request runs must send the same key again.
  journey.save();
  let returnId;
  try {
    returnId = (await api.create(body, draft.key)).id;
  } catch (problem) {
    // A refusal is kept for its key: the next try is a new return.
    if (["return-refused", "idempotency-key-reused", "service-point-unavailable"].includes(problem.code)) draft.key = null;
    throw problem;
  }
  draft.key = null;
  journey.made(returnId);
  await journey.go("follow", { replace: true });
}

/** The body of a return, as the shopper chose it. */
function wanted({ items, refund, delivery, parcels, customs, contact }) {
  const chosen = chosenItems({ items });
  return {
    items: chosen.map(({ id, quantity, reason, comment, customs: declared }) =>
      ({ id, quantity, reason, ...(comment && { comment }), ...declared })),
    ...(refund.type && { refund }),
    delivery,
    parcels,
    photos: chosen.flatMap(({ id, photos }) => photos.map(({ file }) => ({ file, item: id }))),
    ...(customs && { customs }),
    ...(contact && { contact }),
  };
}
