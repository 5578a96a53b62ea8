// Elements without a framework: h("button", { type: "button", onclick }, "Go on"). Text is never parsed as HTML.

export function h(tag, attributes = {}, ...children) {
  const element = tag === "svg" || SVG.has(tag)
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...shown(children));
  return element;
}

/** Puts these children in the place of what was there. */
export function fill(place, ...children) {
  place.replaceChildren(...shown(children));
}

/** `condition && element` leaves nothing behind where there is nothing to show. */
function shown(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

const SVG = new Set(["circle", "g", "line", "text", "title"]);

/** A labelled control: the label is above it, the hint (if any) is read with it. */
export function field(label, control, hint = "") {
  const id = `field-${++fields}`;
  control.id = id;
  if (hint) control.setAttribute("aria-describedby", `${id}-hint`);
  return h("div", { class: "field" },
    h("label", { for: id }, label), control, hint && h("small", { id: `${id}-hint` }, hint));
}

let fields = 0;

/** A group of radio buttons; `options` are [value, content, disabled]. */
export function choice(legend, name, options, chosen, onchange) {
  return h("fieldset", {}, h("legend", {}, legend), options.map(([value, content, disabled = false]) =>
    h("label", { class: "option" },
      h("input", {
        type: "radio", name, value, disabled, checked: String(value) === String(chosen), required: true,
        onchange: (event) => onchange(event.target.value),
      }),
      h("span", {}, content))));
}
