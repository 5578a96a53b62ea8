// The points where a parcel can be handed in: a list, narrowed by distance and by what is typed, beside a schematic map.

import * as api from "./api.js";
import { button, choice, field, fill, h } from "./html.js";
import { map } from "./map.js";
import { address } from "./summary.js";

const RADII = [2000, 5000, 10_000, 25_000];
const FIRST = 5;

/** Points near the parcel's address, or near the shopper who asks for that. */
export async function pointsChoice(journey, option) {
  const { words: { say, metres } } = journey;
  const search = { radius: 5000, around: null, typed: "", shown: FIRST };
  const results = h("div", {});
  const required = option.needs.includes("service_point");
  const find = async () => {
    const { radius, around } = search;
    const found = await api.servicePoints({ limit: 60, radius, labelless: option.code === "drop_off_labelless", ...around });
    search.shown = FIRST;
    draw(journey, results, found, search, required);
  };
  const again = () => journey.attempt(find);
  const radius = h("select", { onchange: () => { search.radius = Number(radius.value); again(); } },
    RADII.map((each) => h("option", { value: each, selected: each === search.radius }, metres(each))));
  const filter = h("input", { type: "search", placeholder: say("filterHint"), autocomplete: "off", oninput: () => {
    search.typed = filter.value.trim().toLocaleLowerCase();
    draw(journey, results, search.found, search, required);
  } });
  const here = button(say("nearMe"), () => journey.attempt(async () => {
    search.around = await position();
    await find();
  }));
  await find();
  return [
    h("div", { class: "toolbar" },
      field(say("filter"), filter),
      field(say("radius"), radius),
      "geolocation" in navigator && here),
    results,
  ];
}

/** Where the shopper is, within a hundred metres: it stands in an address, and distances need no more. */
async function position() {
  const refused = new api.Problem({ code: "no-position", title: "No position" });
  const found = await new Promise((resolve, reject) =>
    navigator.geolocation.getCurrentPosition(resolve, () => reject(refused), { timeout: 10_000 }));
  const { latitude, longitude } = found.coords;
  return { latitude: latitude.toFixed(3), longitude: longitude.toFixed(3) };
}

function draw(journey, place, found, search, required) {
  const { words, draft } = journey;
  const { say } = words;
  search.found = found;
  const matching = found.service_points.filter((point) =>
    `${point.name} ${address(point)} ${point.carrier}`.toLocaleLowerCase().includes(search.typed));
  const points = matching.slice(0, search.shown);
  const again = () => draw(journey, place, found, search, required);
  const choose = (id) => {
    draft.point = points.find((point) => point.id === Number(id));
    Object.assign(draft.delivery, { service_point: draft.point.id, carrier: draft.point.carrier });
    place.querySelector(`input[value="${id}"]`).checked = true;
    fill(picture, map(points, draft.delivery.service_point, choose, words));
  };
  const picture = h("div", { class: "picture" }, map(points, draft.delivery.service_point, choose, words));
  fill(place,
    found.stale && h("p", { class: "hint" }, say("stale")),
    points.length ? h("div", { class: "points" },
      h("div", {},
        choice(say("points"), "point", points.map((point, at) => ({
            value: point.id, content: pointLine(journey, point, at + 1),
            more: point.opening_hours.length > 0 && h("details", {}, h("summary", {}, say("hours")), hours(journey, point)),
          })),
          draft.delivery.service_point, choose, required),
        matching.length > points.length && button(say("more", { count: matching.length - points.length }), () => {
          search.shown = matching.length;
          again();
        }, "link")),
      picture) : h("p", { class: "notice" }, say("noPoints")));
}

function pointLine(journey, point, number) {
  const { words: { say, metres } } = journey;
  return [
    h("span", { class: "top" }, h("strong", {}, `${number}. ${point.name}`),
      point.distance !== null && h("span", { class: "away" }, metres(point.distance))),
    h("span", { class: "hint" }, address(point)),
    h("span", { class: point.open_now ? "open" : "hint" }, whenOpen(journey, point)),
  ];
}

/** Whether the point is open, as far as that is known. */
export function whenOpen({ words: { say, clock } }, point) {
  const time = (moment) => clock(moment, point.time_zone);
  if (point.open_now === null) return say("openNotKnown");
  if (point.open_now) return point.closes_at ? say("openUntil", { time: time(point.closes_at) }) : say("open");
  return point.next_open_at ? say("opensAt", { time: time(point.next_open_at) }) : say("closed");
}

/** Hours are in the point's own time zone and need no conversion. */
function hours({ words: { say, weekday } }, point) {
  const of = (day) => point.opening_hours.filter((interval) => interval.weekday === day)
    .map(({ opens, closes }) => `${opens}–${closes}`).join(", ");
  const none = (day) => say(point.unknown_weekdays.includes(day) ? "openNotKnown" : "closed");
  return h("table", {}, [1, 2, 3, 4, 5, 6, 7].map((day) =>
    h("tr", {}, h("th", { scope: "row" }, weekday(day)), h("td", {}, of(day) || none(day)))));
}
