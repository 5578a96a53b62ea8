// The part of the page that only the sandbox needs: its shops, its orders, and copies of what lies on hosts that do not exist.

import { h } from "./html.js";

/** The shops, each with the postal code that opens its orders. */
export const SHOPS = { demo: "5611 AA", "mode-paris": "75004", buecherei: "10115", guide: "5617 BC",
  paketfrei: "10117", grossstadt: "10119" };

const ORDERS = {
  LABEL: "one item",
  ITEMS: "several items",
  LABELLESS: "no printer needed",
  STORE: "return in store",
  COLLI: "several parcels",
  PAID: "a fee to pay first",
  INTL: "customs",
  SLOWLABEL: "a slow label",
  UNSHIPPED: "cannot be returned online",
  REFUSE: "refused by the shop",
  FAIL: "the label fails",
  CREATEHANG: "no answer in time",
  LOOKUP500: "the lookup fails",
};

/** A choice of shop and order; `choose` is called with both, and the postal code. */
export function orders(brand, choose) {
  const suffix = String(Date.now() % 10_000).padStart(4, "0");
  const shop = h("select", { id: "sandbox-shop", onchange: () => choose(shop.value, "", "") },
    Object.keys(SHOPS).map((name) => h("option", { value: name, selected: name === brand }, name)));
  return h("section", { class: "sandbox", lang: "en", "aria-labelledby": "sandbox-title" },
    h("h2", { id: "sandbox-title" }, "Sandbox"),
    h("p", {}, h("label", { for: "sandbox-shop" }, "Shop"), " ", shop),
    h("p", {}, "Orders to try. Each number is a new order:"),
    h("ul", {}, Object.entries(ORDERS).map(([prefix, story]) => h("li", {}, h("button", {
      type: "button", class: "chip", onclick: () => choose(brand, `${prefix}-${suffix}`, SHOPS[brand]),
    }, h("code", {}, `${prefix}-${suffix}`), ` ${story}`)))));
}

/** The same thing beside this page: pictures and payments of the sandbox name hosts that do not exist. */
export function local(url) {
  return url.replace("https://static.example/", "images/").replace("https://payments.example/", "/sandbox/");
}
