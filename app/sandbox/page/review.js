// Step 4: what the service says about the return before it is made, and the one click that makes it.

import * as api from "./api.js";
import { field, fill, h } from "./html.js";
import { address } from "./delivery.js";

export async function reviewStep(journey, place) {
  const { words, draft, session } = journey;
  // One key for this return, however often the button is pressed or the page reloaded.
  draft.key ??= crypto.randomUUID();
  const checked = await api.preview(wanted(draft));
  const send = h("button", { disabled: !checked.valid }, words.send);
  const make = () => journey.attempt(async () => {
    send.disabled = true;
    try {
      draft.returnId = (await api.create(wanted(draft), draft.key)).id;
    } catch (problem) {
      // A refusal is kept for its key, and so is a key whose body has changed since: the next try is a new return.
      if (["return-refused", "idempotency-key-reused"].includes(problem.code)) draft.key = null;
      throw problem;
    } finally {
      send.disabled = false;
    }
    draft.key = null;
    await journey.go("follow");
  }, make);
  fill(place,
    h("h1", {}, words.review),
    ...checked.problems.map((problem) => h("p", { role: "alert" }, problem.detail)),
    h("dl", {},
      Object.values(draft.items).flatMap((item) => [h("dt", {}, `${item.quantity} ×`), h("dd", {}, item.name)]),
      h("dt", {}, words.from), h("dd", {}, `${session.ship_from.name}, ${session.ship_from.postal_code} ${session.ship_from.city}`),
      h("dt", {}, words.steps.delivery), h("dd", {}, words.options[draft.delivery.option],
        draft.delivery.service_point && [h("br"), draft.point.name, h("br"), address(draft.point)]),
      h("dt", {}, words.fee), h("dd", {}, cost(checked.fee, words))),
    h("form", { onsubmit: (event) => { event.preventDefault(); make(); } },
      session.parcel.max_parcels > 1 && field(words.parcels, h("input", {
        type: "number", min: 1, max: session.parcel.max_parcels, value: draft.parcels ?? 1,
        onchange: (event) => { draft.parcels = Number(event.target.value); },
      })),
      h("div", { class: "actions" },
        h("button", { type: "button", class: "second", onclick: () => { draft.key = null; journey.go("delivery"); } }, words.back),
        send)));
}

function cost(fee, words) {
  return !fee || Number(fee.amount) === 0 ? words.free : `${fee.amount} ${fee.currency ?? ""}`;
}

/** The body of a return, as the shopper chose it. */
function wanted({ items, refund, delivery, parcels }) {
  return {
    items: Object.entries(items).map(([id, { quantity, reason, comment }]) => ({ id, quantity, reason, ...(comment && { comment }) })),
    refund,
    delivery,
    parcels: parcels ?? 1,
    photos: Object.entries(items).flatMap(([item, { photos }]) => photos.map((file) => ({ file, item }))),
  };
}
