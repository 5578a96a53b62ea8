// A return in lines that review and label show alike.

import { h } from "./html.js";

/** Value of what comes back, as text; null while nothing is chosen or a price is not known. `items` have id and quantity. */
export function refundSum({ session, draft, words: { money } }, items = chosenItems(draft)) {
  const priced = items.map(({ id, quantity }) => ({ quantity, price: session.items.find((item) => item.id === id)?.unit_price }));
  if (!priced.length || priced.some(({ price }) => !price)) return null;
  const cents = priced.reduce((sum, { quantity, price }) => sum + quantity * Math.round(price.amount * 100), 0);
  return money({ amount: cents / 100, currency: priced[0].price.currency });
}

export function chosenItems({ items }) {
  return Object.entries(items).map(([id, item]) => ({ id, ...item }));
}

/** Items with quantity, reason and price. */
export function itemLines({ session, words: { money } }, items) {
  return h("ul", { class: "plain" }, items.map(({ id, name, quantity, reason, comment, photos }) => {
    const price = session.items.find((item) => item.id === id)?.unit_price;
    const why = session.options.reasons.find((each) => each.id === reason)?.description;
    return h("li", { class: "line" },
      h("span", {}, `${quantity} × ${name}`, (why || comment) && h("span", { class: "hint" }, [why, comment].filter(Boolean).join(" · ")),
        photos?.some(({ thumbnail }) => thumbnail) && h("span", { class: "photos" },
          photos.filter(({ thumbnail }) => thumbnail).map(({ thumbnail, name: file }) => h("img", { src: thumbnail, alt: file, width: 40, height: 40 })))),
      price && h("span", { class: "price" }, money(price)));
  }));
}

/** How the parcel travels: the option, then the point, store or day that was chosen. */
export function deliveryLines({ session, words: { say, day } }, delivery, point) {
  const store = session.options.stores.find(({ id }) => id === delivery.store);
  const where = point ?? store;
  return [
    h("strong", {}, say(`options.${delivery.option}`)),
    where && h("span", { class: "hint" }, where.name, h("br"), address(where)),
    delivery.pickup_date && h("span", { class: "hint" }, say("pickupOn", { day: day(delivery.pickup_date, "UTC") })),
  ];
}

export function address(place) {
  return `${place.street} ${place.house_number}, ${place.postal_code} ${place.city}`;
}

/** The shop's fee in words; null where it charges none. */
export function feeText(fee, { say, money }) {
  if (!fee) return null;
  return Number(fee.amount) === 0 ? say("free") : money(fee);
}
