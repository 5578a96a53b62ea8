// A picture of where the drop-off points are. It is no street map: nobody else learns where the shopper lives.

import { h } from "./html.js";

const SIZE = 320;
const MARGIN = 30;

/** An SVG with a numbered dot per point; `chosen` is its id, `choose` is called with the id of a dot that is clicked. */
export function picture(points, chosen, choose, description) {
  const placed = points.filter((point) => point.latitude !== null);
  if (!placed.length) return null;
  const place = projection(placed);
  return h("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img", "aria-label": description, class: "map" },
    [0.25, 0.5, 0.75].flatMap((part) => [
      h("line", { x1: 0, x2: SIZE, y1: part * SIZE, y2: part * SIZE }),
      h("line", { y1: 0, y2: SIZE, x1: part * SIZE, x2: part * SIZE }),
    ]),
    placed.map((point) => {
      const [x, y] = place(point);
      return h("g", {
        class: point.id === chosen ? "dot chosen" : "dot", transform: `translate(${x} ${y})`, onclick: () => choose(point.id),
      },
      h("title", {}, point.name),
      h("circle", { r: 14 }),
      h("text", { "text-anchor": "middle", dy: "0.35em" }, String(points.indexOf(point) + 1)));
    }));
}

/** Degrees to pixels, the same scale both ways: a degree of longitude shrinks with the latitude. */
function projection(points) {
  const shrink = Math.cos((points[0].latitude * Math.PI) / 180);
  const xs = points.map((point) => point.longitude * shrink);
  const ys = points.map((point) => -point.latitude);
  const span = Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys), 0.002);
  const scale = (SIZE - 2 * MARGIN) / span;
  const centred = (value, values) => SIZE / 2 + (value - (Math.max(...values) + Math.min(...values)) / 2) * scale;
  return (point) => [centred(point.longitude * shrink, xs), centred(-point.latitude, ys)];
}
