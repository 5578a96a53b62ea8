// Step 0: the order and the postal code.

import * as api from "./api.js";
import { sandbox } from "./config.js";
import { field, fill, form, h } from "./html.js";
import { dress } from "./theme.js";

export function startStep(journey, place) {
  const { words: { say, language }, draft, typed, brand } = journey;
  const order = h("input", { maxlength: 100, required: true, autocomplete: "off", autocapitalize: "characters",
    spellcheck: "false", "data-pointer": "#/identifier", value: typed.identifier ?? draft.order ?? "",
    oninput: () => { typed.identifier = order.value; } });
  const postal = h("input", { maxlength: 20, required: true, autocomplete: "postal-code", "data-pointer": "#/postal_code",
    value: typed.postal_code ?? "", oninput: () => { typed.postal_code = postal.value; } });
  const orderField = field(say("order"), order, say("orderHint"));
  if (brand?.domain !== draft.brand) journey.brand = { domain: draft.brand, name: draft.brand };
  const find = () => journey.attempt(async () => {
    journey.began(await api.lookUp(draft.brand, { identifier: order.value, postal_code: postal.value, language }));
    journey.typed = {};
    await journey.go(draft.returnId ? "follow" : "items");
  });
  fill(place,
    h("h1", {}, say("start")),
    h("p", { class: "lead" }, say("lead")),
    h("div", { class: "card lookup" }, form(say, find, orderField, field(say("postal"), postal, say("postalHint")),
      h("div", { class: "actions" }, h("button", {}, say("find"))))),
    sandbox?.orders(draft.brand, (shop, identifier, postal_code) => {
      draft.brand = shop;
      journey.typed = { identifier, postal_code };
      journey.go("start", { replace: true });
    }));
  // The form does not wait for the shop's looks, nor does it need them.
  api.portal(draft.brand, language).then((portal) => {
    journey.brand = portal.brand;
    dress(portal.brand);
    if (portal.helper_text) orderField.querySelector(".hint").textContent = portal.helper_text;
    document.title = `${say("start")} – ${portal.brand.name}`;
  }, () => {});
}
