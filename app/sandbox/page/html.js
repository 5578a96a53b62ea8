// Elements without a framework: h("button", { type: "button", onclick }, "Go on"). Text is never parsed as HTML.

const SVG = new Set(["svg", "circle", "g", "path", "text", "title"]);

export function h(tag, attributes = {}, ...children) {
  const element = SVG.has(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
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
  return place;
}

/** `condition && element` leaves nothing behind where there is nothing to show. */
function shown(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

let ids = 0;

/** A label, its control, a hint (if any) that is read with it, and room for what is wrong with it. */
export function field(label, control, hint = "") {
  control.id ||= `field-${++ids}`;
  control.setAttribute("aria-describedby", `${control.id}-hint ${control.id}-error`);
  return h("div", { class: "field" },
    h("label", { for: control.id }, label),
    hint && h("p", { id: `${control.id}-hint`, class: "hint" }, hint),
    control,
    h("p", { id: `${control.id}-error`, class: "error" }));
}

/** A group of radio buttons; `options` are { value, content, disabled, more }, where `more` stands outside the label. */
export function choice(legend, name, options, chosen, onchange, required = true) {
  const id = `${name}-error`;
  return h("fieldset", { class: "choice", "aria-describedby": id },
    h("legend", {}, legend),
    h("p", { id, class: "error" }),
    options.map(({ value, content, disabled = false, more }) => h("div", { class: "option" },
      h("label", {},
        h("input", {
          type: "radio", name, value, disabled, required, checked: String(value) === String(chosen),
          onchange: (event) => onchange(event.target.value),
        }),
        h("span", {}, content)),
      more)));
}

/** A form that is sent once at a time, and only if every field is valid; the texts beside the fields are ours. */
export function form(say, onsubmit, ...children) {
  const element = h("form", {
    novalidate: true,
    oninput: (event) => mark(event.target, ""),
    onsubmit: (event) => {
      event.preventDefault();
      const wrong = [...element.elements].filter((control) => control.willValidate && !control.validity.valid);
      // Backwards, so that the first of a group of radio buttons comes last and the focus goes to the first field.
      for (const control of wrong.reverse()) mark(control, message(control, say));
      if (wrong.length) wrong.at(-1).focus();
      else once(element, onsubmit);
    },
  }, children);
  return element;
}

/** A button that works once at a time. */
export function button(content, action, kind = "second") {
  const element = h("button", { type: "button", class: kind, onclick: () => once(element, action) }, content);
  return element;
}

/** Does something unless it is being done already; the page shows that it is busy. */
async function once(element, action) {
  if (element.ariaBusy === "true") return;
  element.ariaBusy = "true";
  try {
    await action();
  } finally {
    element.ariaBusy = "false";
  }
}

/** Says what is wrong with a control, or with a part of the page, beside it; nothing where the text is empty. */
export function mark(element, text) {
  const group = element.closest("fieldset.choice, .field, .part");
  if (!group) return;
  group.querySelector(".error").textContent = text;
  // All radio buttons of a group are wrong together.
  for (const each of group.querySelectorAll("input, select, textarea")) each.ariaInvalid = text ? "true" : null;
}

function message({ type, validity, validationMessage, min, max }, say) {
  if (validity.customError) return validationMessage;
  if (validity.valueMissing) return say(type === "radio" || type === "select-one" ? "errors.choose" : "errors.missing");
  if (validity.rangeUnderflow || validity.rangeOverflow) return say("errors.range", { min, max });
  return say("errors.invalid-request");
}
