// Step 5: the return as it goes on, the label, what to do with it, and the way to the phone.

import * as api from "./api.js";
import { address } from "./delivery.js";
import { fill, h } from "./html.js";

export async function followStep(journey, place) {
  const { words, draft } = journey;
  const shown = h("div", {});
  const show = (found) => {
    fill(shown, stateOf(journey, found));
    journey.tell(words.states[found.state]);
  };
  const first = await api.getReturn(draft.returnId);
  show(first);
  if (!api.FINAL.has(first.state)) journey.leave = api.watch(draft.returnId, show);
  fill(place,
    h("h1", {}, words.steps.follow),
    shown,
    phone(journey),
    h("div", { class: "actions" },
      h("button", { type: "button", class: "second", onclick: () => startAgain(journey) }, words.again),
      h("button", { type: "button", class: "second", onclick: journey.forget }, words.end)));
}

function startAgain(journey) {
  Object.assign(journey.draft, { items: {}, refund: {}, delivery: {}, returnId: null, key: null });
  journey.go("items");
}

function stateOf({ words }, found) {
  return [
    h("p", {}, h("strong", {}, words.states[found.state])),
    !api.FINAL.has(found.state) && h("progress", { "aria-label": words.states[found.state] }),
    found.payment_url && found.state === "awaiting_payment"
      && h("p", {}, h("a", { class: "button", href: found.payment_url, rel: "noreferrer" }, words.pay)),
    found.label.href && h("p", {}, h("a", { class: "button", href: found.label.href, download: "" }, words.download)),
    found.customs_declaration && h("p", {}, h("a", { href: found.customs_declaration, download: "" }, words.customs)),
    ["label_ready", "no_label_needed"].includes(found.state) && instructions(words, found),
    h("dl", {},
      h("dt", {}, words.steps.items), h("dd", {}, found.items.map((item) => `${item.quantity} × ${item.name}`).join(", ")),
      found.sendcloud_return_id && [h("dt", {}, words.returnNumber), h("dd", {}, String(found.sendcloud_return_id))],
      found.parcels.filter((parcel) => parcel.tracking_number).flatMap((parcel) => [
        h("dt", {}, words.tracking), h("dd", {}, parcel.tracking_number)])),
  ];
}

function instructions(words, found) {
  const steps = {
    drop_off_point: words.steps_label, drop_off_labelless: words.steps_code, in_store: words.steps_store, pickup: words.steps_pickup,
  }[found.delivery.option];
  const point = found.drop_off ? `${found.drop_off.name}, ${address(found.drop_off)}` : words.anyPoint;
  return h("section", {}, h("h2", {}, words.handIn),
    h("ol", {}, steps.map((step) => h("li", {}, step.endsWith(":") ? [step, " ", h("strong", {}, point)] : step))));
}

/** The code leads to this very page; the token in it stays in the fragment, which no server gets to see. */
function phone(journey) {
  const { words } = journey;
  const shown = h("div", {});
  const make = () => journey.attempt(async () => {
    const handoff = await api.handOff(location.origin + location.pathname);
    fill(shown,
      h("p", {}, words.scan),
      h("p", {}, h("a", { id: "handoff", href: handoff.link }, h("img", { class: "qr", src: handoff.qr_code, alt: words.phone }))));
  }, make);
  return h("section", {},
    h("p", {}, h("button", { type: "button", class: "second", onclick: make }, words.phone)), shown);
}
