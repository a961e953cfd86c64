// Small helpers for elements, numbers and messages.

export const at = id => document.getElementById(id);

export const number = value => value.toLocaleString("en");

export const percent = share => `${(100 * share).toPrecision(3)} %`;

export const plural = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : noun.endsWith("s") ? "es" : "s"}`;

export const make = (name, attributes = {}, ...inside) => {
  const { label, data = {}, ...others } = attributes;
  const element = Object.assign(document.createElement(name), others);
  if (label !== undefined) element.setAttribute("aria-label", label);
  Object.assign(element.dataset, data);
  element.append(...inside);
  return element;
};

export function swatch(color) {
  const element = make("span", { className: color ? "swatch" : "swatch none" });
  if (color) element.style.backgroundColor = color;
  return element;
}

// Shows a message above the images, until it is dismissed or replaced.
export function say(text, lasting = false) {
  const message = at("message");
  message.hidden = !text;
  message.replaceChildren(text ?? "");
  if (text && !lasting) {
    message.append(make("button", { type: "button", textContent: "Dismiss", onclick: () => say(null) }));
  }
}
