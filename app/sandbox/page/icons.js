// Small drawings beside the words; they say nothing that the words do not.

import { h } from "./html.js";

const PATHS = {
  drop_off_point: "M12 21s7-6.2 7-11.5A7 7 0 0 0 5 9.5C5 14.8 12 21 12 21Zm0-9a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5Z",
  drop_off_labelless: "M8 2.5h8A1.5 1.5 0 0 1 17.5 4v16a1.5 1.5 0 0 1-1.5 1.5H8A1.5 1.5 0 0 1 6.5 20V4A1.5 1.5 0 0 1 8 2.5ZM9.5 8h2v2h-2Zm3 0h2v2h-2Zm-3 3h2v2h-2Zm3 3h2v2h-2Z",
  in_store: "M4 9.5 5.5 4h13L20 9.5a2.6 2.6 0 0 1-5.3 0 2.7 2.7 0 0 1-5.4 0 2.6 2.6 0 0 1-5.3 0ZM5.5 12.5V20h13v-7.5M10 20v-4.5h4V20",
  pickup: "M2.5 6h11v10.5h-11ZM13.5 9.5h4l4 4v3h-8ZM6.5 19a2 2 0 1 0 0-4 2 2 0 0 0 0 4Zm11 0a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z",
};

export function icon(name) {
  return name in PATHS && h("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, h("path", { d: PATHS[name] }));
}
