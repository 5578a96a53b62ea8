// Step 1: the shop, the order, the postal code.

import * as api from "./api.js";
import { field, fill, h } from "./html.js";

/** The shops of the sandbox, each with the postal code that its customers live in. */
const SHOPS = { demo: "5611 AA", "mode-paris": "75004", buecherei: "10115" };
const ORDERS = ["LABEL-0001", "ITEMS-0001", "PAID-0001", "STORE-0001", "LABELLESS-0001", "COLLI-0001", "INTL-0001", "SLOWLABEL-0001",
  "FAIL-0001", "UNSHIPPED-0001", "REFUSE-0001", "CREATEHANG-0001", "LOOKUP500-0001", "LOOKUPHANG-0001", "SHORT-0001"];

export async function startStep(journey, place) {
  const { words, draft } = journey;
  const order = h("input", { name: "order", required: true, maxlength: 100, autocomplete: "off" });
  const postal = h("input", { name: "postal-code", required: true, maxlength: 20, autocomplete: "postal-code", value: "" });
  const shop = h("select", {
    onchange: () => { draft.brand = shop.value; journey.go("start"); },
  }, Object.keys(SHOPS).map((name) => h("option", { value: name, selected: name === draft.brand }, name)));
  dress(await api.portal(draft.brand, journey.language));
  const find = () => journey.attempt(async () => {
    journey.session = await api.lookUp(draft.brand, {
      identifier: order.value.trim(), postal_code: postal.value.trim(), language: journey.language,
    });
    Object.assign(draft, { items: {}, refund: {}, delivery: {}, returnId: null, key: null });
    await journey.go("items");
  }, find);
  fill(place,
    h("h1", {}, words.start),
    h("form", { onsubmit: (event) => { event.preventDefault(); find(); } },
      field(words.shop, shop), field(words.order, order), field(words.postal, postal),
      h("div", { class: "actions" }, h("button", {}, words.find))),
    h("section", { class: "demo" },
      h("h2", {}, words.demo), h("p", {}, words.demoHint),
      ORDERS.map((name) => h("button", {
        type: "button", class: "second", onclick: () => { order.value = name; postal.value = SHOPS[draft.brand]; order.focus(); },
      }, name))));
}

/** Gives the page the shop's name, logo and colours; the text on its colour is black or white, whichever reads better. */
export function dress({ brand }) {
  const place = document.getElementById("shop");
  const logo = brand.logo && h("img", { src: picture(brand.logo), alt: "" });
  logo?.addEventListener("error", () => logo.remove());
  fill(place, [logo, brand.name]);
  const color = brand.color ?? "#1a4fb4";
  document.documentElement.style.setProperty("--brand", color);
  document.documentElement.style.setProperty("--on-brand", luminance(color) > 0.18 ? "#000" : "#fff");
}

/** The sandbox's shops keep their pictures on static.example, a host that nobody has; copies lie beside this page. */
export function picture(url) {
  return url.replace("https://static.example/", "/page/images/");
}

/** Relative luminance of #rrggbb (WCAG 2). */
function luminance(color) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16) / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
