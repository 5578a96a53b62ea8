// What the preview finds missing: customs information, or a part of the address.

import { field, h } from "./html.js";
import { chosenItems } from "./summary.js";

/** Members of `contact` that the page can ask for, with what the browser may fill in. */
const CONTACT = {
  email: { type: "email", autocomplete: "email" }, phone: { type: "tel", autocomplete: "tel" },
  name: { autocomplete: "name" }, street: { autocomplete: "street-address" }, house_number: {},
  postal_code: { autocomplete: "postal-code" }, city: { autocomplete: "address-level2" },
};

/** Fields for the members at these JSON Pointers; they go into the draft as they are filled in. */
export function missingFields(journey, missing) {
  const { words: { say }, draft } = journey;
  const contact = Object.keys(CONTACT).filter((name) => missing.includes(`#/contact/${name}`));
  return [
    (missing.some((pointer) => pointer.startsWith("#/customs")) || draft.customs) && customsFields(journey),
    contact.map((name) => field(say(`contact.${name}`),
      input({ ...CONTACT[name], "data-pointer": `#/contact/${name}` }, draft.contact?.[name], (value) => { draft.contact = { ...draft.contact, [name]: value }; }))),
  ];
}

function customsFields(journey) {
  const { words: { say }, draft } = journey;
  const invoice = input({ required: true, maxlength: 40, "data-pointer": "#/customs/invoice_number" }, draft.customs?.invoice_number,
    (value) => { draft.customs = value ? { invoice_number: value } : null; });
  return h("fieldset", { class: "card" },
    h("legend", {}, say("customs")), h("p", { class: "hint" }, say("customsHint")),
    field(say("invoice"), invoice, say("invoiceHint")),
    chosenItems(draft).map(({ id, name }, at) => h("details", {},
      h("summary", {}, say("customsItem", { name })), declared(journey, draft.items[id], at))));
}

function declared({ words: { say } }, item, at) {
  const of = (member, attributes) => field(say(`customsFields.${member}`),
    input({ ...attributes, "data-pointer": `#/items/${at}/${member}` }, item.customs?.[member], (value) => {
      item.customs = { ...item.customs, [member]: value.replace(",", ".").toUpperCase() || undefined };
    }), say(`customsHints.${member}`));
  return [
    of("origin_country", { maxlength: 2, pattern: "[A-Za-z]{2}" }),
    of("weight", { inputmode: "decimal", pattern: "[0-9]{1,4}([.,][0-9]{1,3})?" }),
    of("hs_code", { inputmode: "numeric", pattern: "[0-9]{4,12}" }),
  ];
}

function input(attributes, value, onchange) {
  const element = h("input", { ...attributes, value: value ?? "", onchange: () => onchange(element.value.trim()) });
  return element;
}
