// Step 1: which items, how many and why; and how the money comes back.

import { button, choice, field, fill, form, h } from "./html.js";
import { photoField } from "./photos.js";
import { refundSum } from "./summary.js";
import { local, supportOf } from "./theme.js";

const NONE_CHOSEN = "none-chosen";

export async function itemsStep(journey, place) {
  const { words: { say }, draft } = journey;
  const session = await journey.resumed();
  const { items, options, actions } = session;
  keepOnly(draft, items);
  const creation = actions.find(({ name }) => name === "create_return");
  if (creation && !creation.allowed) return fill(place, nothingToReturn(journey, creation.why_not_text), earlier(journey));
  const sum = h("p", { class: "sum" });
  const list = h("div", { class: "field" }, h("p", { id: NONE_CHOSEN, class: "error" }));
  const count = () => {
    const chosen = Object.keys(draft.items).length;
    list.querySelector("input")?.setCustomValidity(chosen ? "" : say("errors.no-item"));
    fill(sum, refundSum(journey) && [h("span", {}, say("refundSum")), h("strong", {}, refundSum(journey))]);
  };
  list.append(h("ul", { class: "items" }, items.map((item) => h("li", {}, itemCard(journey, item, options.reasons, count)))));
  count();
  fill(place,
    h("h1", {}, say("items")),
    orderLine(journey),
    form(say, () => journey.go("delivery"),
      list,
      refundChoice(journey),
      h("div", { class: "actions" }, sum, h("button", {}, say("next")))),
    earlier(journey));
}

/** Which order this is, and the way to another one. */
function orderLine(journey) {
  const { words: { say }, session } = journey;
  const other = button(say("otherOrder"), () => {
    journey.typed = { identifier: "" };
    return journey.go("start");
  }, "link");
  return h("p", { class: "lead order" }, say("orderNumber", { number: session.parcel.order_number }), other);
}

/** Drops what was chosen and has been returned since. */
function keepOnly(draft, items) {
  const left = Object.fromEntries(items.map(({ id, remaining }) => [id, remaining]));
  for (const [id, chosen] of Object.entries(draft.items)) if (chosen.quantity > (left[id] ?? 0)) delete draft.items[id];
}

/** Why nothing of this order can be returned here, and who helps. */
function nothingToReturn(journey, { title, detail }) {
  const { words: { say }, brand } = journey;
  return [
    h("h1", {}, title),
    orderLine(journey),
    h("p", {}, detail),
    supportOf(brand) && h("div", { class: "actions" }, h("a", { class: "button", href: supportOf(brand) }, say("support"))),
  ];
}

function earlier({ words: { say, list }, session, draft, go }) {
  const open = (found) => (event) => {
    event.preventDefault();
    draft.returnId = found.id;
    go("follow");
  };
  return session.returns.length > 0 && h("section", {}, h("h2", {}, say("earlier")),
    h("ul", { class: "plain" }, session.returns.map((found) => h("li", {},
      h("a", { href: "#follow", onclick: open(found) }, list(found.items.map(({ quantity, name }) => `${quantity} × ${name}`))),
      h("span", { class: "hint" }, say(`titles.${found.state}`) ?? say("titles.working"))))));
}

function itemCard(journey, item, reasons, count) {
  const { words: { say, money, moment }, draft } = journey;
  const price = item.unit_price && h("span", { class: "price" }, money(item.unit_price));
  const picture = pictureOf(item);
  if (!item.remaining) {
    return h("div", { class: "item off" }, picture,
      h("div", {}, h("strong", {}, item.name), h("span", { class: "badge" }, whyNot(item, say))), price);
  }
  const details = h("div", { class: "details" });
  const box = h("input", {
    type: "checkbox", checked: item.id in draft.items, "aria-describedby": NONE_CHOSEN,
    onchange: () => {
      if (box.checked) draft.items[item.id] = { name: item.name, quantity: 1, photos: [] };
      else delete draft.items[item.id];
      show();
    },
  });
  const show = () => {
    fill(details, draft.items[item.id] && detailFields(journey, item, reasons, count));
    count();
  };
  show();
  const left = item.quantity > 1 && h("span", { class: "hint" }, say("left", { count: item.remaining, of: item.quantity }));
  const until = item.deadline && h("span", { class: "hint" }, say("until", { moment: moment(item.deadline) }));
  return h("div", { class: "card", role: "group", "aria-label": item.name },
    h("label", { class: "item" }, box, picture, h("span", {}, h("strong", {}, item.name), left, until), price), details);
}

function pictureOf(item) {
  const blank = h("span", { class: "no-picture" });
  if (!item.image_url) return blank;
  const image = h("img", { src: local(item.image_url), alt: "", width: 72, height: 72, onerror: () => image.replaceWith(blank) });
  return image;
}

/** An item that came back already is told apart from one that the shop does not take. */
function whyNot(item, say) {
  return item.why_not_text?.detail ?? say("alreadyReturned");
}

function detailFields(journey, item, reasons, count) {
  const { words: { say }, draft } = journey;
  const chosen = draft.items[item.id];
  const numbers = Array.from({ length: Math.min(item.remaining, 99) }, (_, at) => at + 1);
  const quantity = h("select", { onchange: () => { chosen.quantity = Number(quantity.value); count(); } },
    numbers.map((number) => h("option", { value: number, selected: number === chosen.quantity }, number)));
  const reason = h("select", { required: true, onchange: () => { chosen.reason = Number(reason.value); } },
    h("option", { value: "" }, say("choose")),
    reasons.map(({ id, description }) => h("option", { value: id, selected: id === chosen.reason }, description)));
  const comment = h("textarea", { maxlength: 500, rows: 2, onchange: () => { chosen.comment = comment.value; } }, chosen.comment ?? "");
  return [
    h("div", { class: "pair" }, reasons.length > 0 && field(say("reason"), reason), item.remaining > 1 && field(say("quantity"), quantity)),
    field(say("comment"), comment),
    photoField(journey, chosen),
  ];
}

/** How the money comes back; nothing where the shop asks for no choice. */
function refundChoice({ words: { say }, session: { options }, draft }) {
  if (options.refund_required === false || !options.refund_options.length) return null;
  const message = h("div", {});
  const show = () => {
    const option = options.refund_options.find(({ code }) => code === draft.refund.type);
    if (!option?.message_required) delete draft.refund.message;
    const text = h("textarea", { required: true, maxlength: 1000, rows: 3, onchange: () => { draft.refund.message = text.value; } },
      draft.refund.message ?? "");
    fill(message, option?.message_required && field(say("message"), text));
  };
  show();
  return h("section", {},
    choice(say("refund"), "refund", options.refund_options.map(({ code, label }) => ({ value: code, content: label })),
      draft.refund.type, (code) => { draft.refund.type = code; show(); }),
    message);
}
