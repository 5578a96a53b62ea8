// Step 2: which items, how many, why, with pictures; and how the money comes back.

import * as api from "./api.js";
import { choice, field, fill, h } from "./html.js";
import { dress, picture } from "./start.js";

export async function itemsStep(journey, place) {
  const { words, draft } = journey;
  journey.session = await api.resume();
  const { items, options, returns, brand } = journey.session;
  dress({ brand });
  const next = () => {
    if (!Object.keys(draft.items).length) return tellNothingChosen(journey, form);
    return journey.go("delivery");
  };
  const form = h("form", { onsubmit: (event) => { event.preventDefault(); next(); } },
    items.map((item) => itemFields(journey, item, options.reasons)),
    refundFields(journey, options.refund_options),
    h("div", { class: "actions" }, h("button", {}, words.next)));
  fill(place,
    h("h1", {}, words.items),
    items.some((item) => item.remaining) ? form : h("p", {}, words.problems["nothing-left-to-return"]),
    returns.length > 0 && earlier(journey, returns),
    h("div", { class: "actions" }, h("button", { type: "button", class: "second", onclick: journey.forget }, words.end)));
}

function earlier({ words, draft, go }, returns) {
  const open = (found) => (event) => { event.preventDefault(); draft.returnId = found.id; go("follow"); };
  return h("section", {}, h("h2", {}, words.earlier), h("ul", {}, returns.map((found) => h("li", {},
    h("a", { href: "#", onclick: open(found) }, found.items.map((item) => `${item.quantity} × ${item.name}`).join(", ")),
    ` – ${words.states[found.state]}`))));
}

function tellNothingChosen(journey, form) {
  journey.tell(journey.words.choose);
  form.querySelector("input:not([disabled])")?.focus();
}

function itemFields(journey, item, reasons) {
  const { words, draft } = journey;
  const name = h("strong", {}, item.name);
  const image = item.image_url ? h("img", { src: picture(item.image_url), alt: "" }) : h("span", { class: "no-picture" });
  if (!item.remaining) return h("fieldset", {}, h("div", { class: "item" }, image, h("span", {}, name, ` – ${words.notReturnable}`)));
  const details = h("div", {});
  const show = () => fill(details, draft.items[item.id] && detailFields(journey, item, reasons));
  const box = h("input", {
    type: "checkbox", checked: item.id in draft.items,
    onchange: () => {
      if (box.checked) draft.items[item.id] = { name: item.name, quantity: 1, photos: [] };
      else delete draft.items[item.id];
      show();
    },
  });
  show();
  return h("fieldset", {}, h("legend", { class: "unseen" }, item.name),
    h("div", { class: "item" }, image, h("label", { class: "option" }, box, name), details));
}

function detailFields(journey, item, reasons) {
  const { words, draft } = journey;
  const chosen = draft.items[item.id];
  const set = (member, convert = String) => (event) => { chosen[member] = convert(event.target.value); };
  const stored = h("small", {}, chosen.photos.length ? words.stored(chosen.photos.length) : "");
  const keep = (event) => journey.attempt(async () => {
    for (const file of event.target.files) chosen.photos.push(await api.upload(file));
    stored.textContent = words.stored(chosen.photos.length);
    journey.tell(stored.textContent);
  });
  return [
    item.remaining > 1 && field(words.number, h("input", {
      type: "number", min: 1, max: item.remaining, value: chosen.quantity, onchange: set("quantity", Number),
    })),
    field(words.reason, h("select", { required: true, onchange: set("reason", Number) },
      h("option", { value: "" }, words.choose),
      reasons.map((reason) => h("option", { value: reason.id, selected: reason.id === chosen.reason }, reason.description)))),
    field(words.comment, h("input", { maxlength: 500, value: chosen.comment ?? "", onchange: set("comment") })),
    field(words.photos, h("input", { type: "file", multiple: true, accept: "image/*", onchange: keep }), words.photosHint),
    stored,
  ];
}

function refundFields(journey, refunds) {
  const { words, draft } = journey;
  const message = h("div", {});
  const show = () => {
    const option = refunds.find((refund) => refund.code === draft.refund.type);
    if (!option?.message_required) delete draft.refund.message;
    fill(message, option?.message_required && field(words.message, h("textarea", {
      required: true, maxlength: 1000, onchange: (event) => { draft.refund.message = event.target.value; },
    }, draft.refund.message ?? "")));
  };
  show();
  return [choice(words.refund, "refund", refunds.map((refund) => [refund.code, refund.label]), draft.refund.type,
    (code) => { draft.refund.type = code; show(); }), message];
}
