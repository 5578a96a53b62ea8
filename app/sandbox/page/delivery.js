// Step 3: how the parcel travels, with a list and a picture of the points where it can be handed in.

import * as api from "./api.js";
import { choice, field, fill, h } from "./html.js";
import { picture } from "./map.js";

export async function deliveryStep(journey, place) {
  const { words, draft } = journey;
  const { delivery_options: options } = journey.session.options;
  const details = h("div", {});
  const show = async () => fill(details, await detailsOf(journey));
  const choose = (option) => journey.attempt(async () => {
    draft.delivery = { option };
    fill(details);
    await show();
  }, () => choose(option));
  await show();
  fill(place,
    h("h1", {}, words.delivery),
    h("form", { onsubmit: (event) => { event.preventDefault(); journey.go("review"); } },
      choice(words.delivery, "option", options.map(({ code, possible, why_not: whyNot }) => [
        code, possible ? words.options[code] : `${words.options[code]} – ${words.problems[whyNot] ?? words.none}`, !possible,
      ]), draft.delivery.option, choose),
      details,
      h("div", { class: "actions" },
        h("button", { type: "button", class: "second", onclick: () => journey.go("items") }, words.back),
        h("button", {}, words.next))));
}

async function detailsOf(journey) {
  const { words, draft, session } = journey;
  const option = session.options.delivery_options.find(({ code }) => code === draft.delivery.option);
  if (!option) return [];
  const wanted = new Set([...option.needs, ...option.accepts]);
  if (wanted.has("service_point")) {
    const { service_points: points, stale } = await api.servicePoints({ limit: 8, labelless: option.code === "drop_off_labelless" });
    return pointsOf(journey, points, stale);
  }
  if (wanted.has("store")) {
    return [choice(words.store, "store", session.options.stores.map((store) => [
      store.id, [store.name, h("br"), address(store), store.distance !== null && ` (${words.metres(store.distance)})`],
    ]), draft.delivery.store, (id) => { draft.delivery.store = Number(id); })];
  }
  if (wanted.has("pickup_date")) {
    return [field(words.date, h("input", {
      type: "date", value: draft.delivery.pickup_date ?? "", onchange: (event) => {
        if (event.target.value) draft.delivery.pickup_date = event.target.value;
        else delete draft.delivery.pickup_date;
      },
    }))];
  }
  return [];
}

function pointsOf(journey, points, stale) {
  const { words, draft } = journey;
  if (!points.length) return [h("p", {}, words.none)];
  const map = h("div", {});
  const choose = (id) => {
    const point = points.find((each) => each.id === Number(id));
    Object.assign(draft.delivery, { service_point: point.id, carrier: point.carrier });
    journey.draft.point = point;
    list.querySelector(`input[value="${point.id}"]`).checked = true;
    draw();
  };
  const draw = () => fill(map, picture(points, draft.delivery.service_point, choose, words.picture));
  const list = choice(words.points, "point", points.map((point, at) => [point.id, [
    h("strong", {}, `${at + 1}. ${point.name}`), ` – ${words.metres(point.distance)}`, h("br"),
    address(point), h("br"), whenOpen(journey, point), openingHours(journey, point),
  ]]), draft.delivery.service_point, choose);
  draw();
  return [stale && h("p", {}, words.stale), h("div", { class: "points" }, list, map)];
}

export function address(place) {
  return `${place.street} ${place.house_number}, ${place.postal_code} ${place.city}`;
}

function whenOpen({ words, language }, point) {
  const time = (moment) => new Intl.DateTimeFormat(language, {
    weekday: "short", hour: "2-digit", minute: "2-digit", timeZone: point.time_zone,
  }).format(new Date(moment));
  if (point.open_now === null) return "";
  if (point.open_now) return point.closes_at ? words.openUntil(time(point.closes_at)) : words.open;
  return point.next_open_at ? words.opensAt(time(point.next_open_at)) : words.closed;
}

/** Hours are told in the point's own time zone and need no conversion. */
function openingHours({ words, language }, point) {
  const day = (weekday) => new Intl.DateTimeFormat(language, { weekday: "long", timeZone: "UTC" }).format(new Date(Date.UTC(2024, 0, weekday)));
  const of = (weekday) => point.opening_hours.filter((hours) => hours.weekday === weekday)
    .map((hours) => `${hours.opens}–${hours.closes}`).join(", ");
  return h("details", {}, h("summary", {}, words.hours), h("table", { class: "hours" },
    [1, 2, 3, 4, 5, 6, 7].map((weekday) => h("tr", {},
      h("th", { scope: "row" }, day(weekday)), h("td", {}, of(weekday) || words.closed)))));
}
