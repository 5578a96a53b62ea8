// Step 4: the return as it goes on, its label, what to do with it, and the way to the phone.

import * as api from "./api.js";
import { button, fill, h } from "./html.js";
import { whenOpen } from "./points.js";
import { address, deliveryLines, itemLines, refundSum } from "./summary.js";
import { local, supportOf } from "./theme.js";

/** States that nothing follows by itself, so that nothing turns on the screen. */
const STILL = new Set(["awaiting_payment", "outcome_unknown"]);
/** The instruction that a place belongs to, by return method. */
const HANDED_IN = { drop_off_point: 3, drop_off_labelless: 3, in_store: 1 };
const GOOD = new Set(["label_ready", "no_label_needed", "accepted"]);

export async function followStep(journey, place) {
  const { words: { say }, draft } = journey;
  const heading = h("h1", {});
  const shown = h("div", {});
  const show = (found) => {
    heading.textContent = say(`titles.${found.state}`) ?? say("titles.working");
    document.title = `${heading.textContent} – ${journey.brand.name}`;
    fill(shown, statusOf(journey, found));
    journey.tell(heading.textContent);
  };
  const found = await api.getReturn(draft.returnId);
  show(found);
  journey.leave = api.watch(found, show, (problem) => journey.attempt(() => { throw problem; }));
  fill(place, heading, shown,
    phone(journey),
    h("p", {}, button(say("another"), () => {
      journey.discard();
      draft.returnId = null;
      return journey.go("items");
    }, "link")));
}

function statusOf(journey, found) {
  const { words: { say, money } } = journey;
  const { state } = found;
  const working = !api.isFinal(found) && !STILL.has(state);
  return [
    h("div", { class: `status ${GOOD.has(state) ? "good" : state === "failed" ? "bad" : ""}` },
      h("p", {}, say(`states.${state}`) ?? say("states.working")),
      working && h("progress", { "aria-label": say("titles.working") }),
      state === "awaiting_payment" && found.fee && h("p", { class: "sum" }, h("span", {}, say("fee")), h("strong", {}, money(found.fee))),
      nextStep(journey, found)),
    GOOD.has(state) && instructions(journey, found),
    details(journey, found),
  ];
}

/** The one thing to do now. */
function nextStep(journey, found) {
  const { words: { say }, brand, draft } = journey;
  const again = () => {
    journey.takeUpAgain(found.id);
    return journey.go(Object.keys(draft.items).length ? "review" : "items");
  };
  return h("div", { class: "actions" },
    found.state === "awaiting_payment" && found.payment_url
      && h("a", { class: "button", href: local(found.payment_url), rel: "noreferrer" }, say("pay")),
    found.label.href && documentButton(journey, found.label.href, say("download"), ""),
    found.customs_declaration && documentButton(journey, found.customs_declaration, say("customsDocument"), "second"),
    found.state === "failed" && button(say("retry"), again, ""),
    ["outcome_unknown", "label_lost", "failed"].includes(found.state) && supportOf(brand)
      && h("a", { class: "button second", href: supportOf(brand) }, say("support")));
}

function documentButton(journey, href, text, kind) {
  return button(text, () => journey.attempt(async () => {
    const url = await api.documentUrl(href);
    h("a", { href: url, download: `${href.split("/").slice(-2).join("-")}.pdf` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }), kind);
}

function instructions(journey, found) {
  const { words: { say }, session } = journey;
  const { option, store } = found.delivery;
  const where = found.drop_off ?? session.options.stores.find(({ id }) => id === store);
  const steps = [1, 2, 3].map((number) => [number, say(`instructions.${option}.${number}`)]).filter(([, text]) => text);
  if (found.state === "accepted" || !steps.length) return null;
  return h("section", {}, h("h2", {}, say("whatNext")), h("ol", { class: "steps" }, steps.map(([number, text]) =>
    h("li", {}, text, number === HANDED_IN[option] && where && [
      h("strong", {}, where.name), h("span", { class: "hint" }, address(where)),
      "open_now" in where && h("span", { class: "hint" }, whenOpen(journey, where)),
    ]))));
}

function details(journey, found) {
  const { words: { say, list, money }, session } = journey;
  const row = (title, ...lines) => lines.some(Boolean) && h("div", {}, h("dt", {}, say(title)), h("dd", {}, lines));
  const sum = (title, amount) => amount && h("div", { class: "line" }, h("dt", {}, say(title)), h("dd", { class: "price" }, amount));
  const refund = session.options.refund_options.find(({ code }) => code === found.refund_type);
  const tracking = found.parcels.map((parcel) => [parcel.tracking_number ?? parcel.tracking?.number,
    parcel.tracking && say(`onItsWay.${parcel.tracking.status}`)].filter(Boolean).join(": ")).filter(Boolean);
  return h("dl", { class: "card details" },
    row("steps.items", itemLines(journey, found.items)),
    sum("refundSum", refundSum(journey, found.items)),
    sum("fee", found.fee && money(found.fee)),
    row("refundTitle", refund?.label),
    row("steps.delivery", deliveryLines(journey, found.delivery, found.drop_off)),
    row("returnNumber", found.sendcloud_return_id && String(found.sendcloud_return_id)),
    row("tracking", tracking.length && list(tracking)));
}

/** The code leads to this very page; the token in it stays in the fragment, which no server gets to see. */
function phone(journey) {
  const { words: { say } } = journey;
  const shown = h("div", {});
  const make = () => journey.attempt(async () => {
    const handoff = await api.handOff(location.origin + location.pathname);
    fill(shown, h("p", {}, say("scan")),
      h("a", { id: "handoff", href: handoff.link }, h("img", { class: "qr", src: handoff.qr_code, alt: say("phone"), width: 220, height: 220 })));
  });
  return h("section", { class: "phone" }, button(say("phone"), make), shown);
}
