// A schematic map of points around the shopper. It is no street map, so that no map service learns where the shopper lives.

import { h } from "./html.js";

const SIZE = 320;
const MIDDLE = SIZE / 2;
const METRES_PER_DEGREE = 111_320;
const RINGS = [400, 1000, 2000, 4000, 10_000, 20_000, 40_000, 100_000];

/**
 * Numbered dots around "you are here", with two rings of distance; `choose` is called with the id of a clicked dot.
 * Distances are drawn by their square roots, so that near points lie apart and far ones still fit in.
 */
export function map(points, chosen, choose, { say, metres }) {
  const placed = inMetres(points.filter((point) => point.latitude !== null && point.longitude !== null));
  const here = placed.length > 2 && middle(placed);
  if (!here) return null;
  const away = ({ x, y }) => Math.hypot(x - here.x, y - here.y);
  const outer = RINGS.find((ring) => ring >= Math.max(...placed.map(away))) ?? RINGS.at(-1);
  const drawn = (metres) => (MIDDLE - 18) * Math.sqrt(metres / outer);
  const spot = (at) => {
    const [distance, angle] = [drawn(away(at)), Math.atan2(at.y - here.y, at.x - here.x)];
    return `${MIDDLE + distance * Math.cos(angle)} ${MIDDLE - distance * Math.sin(angle)}`;
  };
  return h("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img", "aria-label": say("map"), class: "map" },
    [outer, outer / 4].map((ring) => [
      h("circle", { class: "ring", cx: MIDDLE, cy: MIDDLE, r: drawn(ring) }),
      h("text", { class: "scale", x: MIDDLE, y: MIDDLE + drawn(ring) + 12 }, metres(ring)),
    ]),
    h("circle", { class: "here", cx: MIDDLE, cy: MIDDLE, r: 6 }),
    h("text", { class: "scale", x: MIDDLE, y: MIDDLE + 20 }, say("here")),
    placed.map(({ point, ...at }) => h("g", {
      class: point.id === chosen ? "dot chosen" : "dot", onclick: () => choose(point.id),
      transform: `translate(${spot(at)})`,
    },
    h("title", {}, point.name),
    h("circle", { r: 13 }),
    h("text", { dy: "0.35em" }, String(points.indexOf(point) + 1)))));
}

/** The points on a plane around the first one. */
function inMetres(points) {
  const [first] = points;
  return points.map((point) => ({
    point,
    x: (point.longitude - first.longitude) * METRES_PER_DEGREE * Math.cos((first.latitude * Math.PI) / 180),
    y: (point.latitude - first.latitude) * METRES_PER_DEGREE,
  }));
}

/** Where all the distances start, by least squares; the service names distances and not the address. */
function middle(placed) {
  const [first, ...others] = placed;
  let [xx, xy, yy, xd, yd] = [0, 0, 0, 0, 0];
  for (const { point, x, y } of others) {
    const d = (x * x + y * y + first.point.distance ** 2 - point.distance ** 2) / 2;
    [xx, xy, yy, xd, yd] = [xx + x * x, xy + x * y, yy + y * y, xd + x * d, yd + y * d];
  }
  const determinant = xx * yy - xy * xy;
  // Points on one line leave two answers.
  if (determinant < 1e-3 * xx * yy || !(xx * yy)) return null;
  return { x: (xd * yy - yd * xy) / determinant, y: (yd * xx - xd * xy) / determinant };
}
