// What is known about a pixel or a unit.

import { colorOf } from "./bands.js";
import { make, number, percent, swatch } from "./elements.js";

const list = values => make("span", {
  className: "values",
  textContent: values.slice(0, 12).map(value => value === null ? "–" : +value.toPrecision(6)).join(", ")
    + (values.length > 12 ? ", …" : ""),
});

const row = (name, ...inside) => make("div", {}, make("dt", { textContent: name }), make("dd", {}, ...inside));

const colored = (about, values) => {
  const color = colorOf(about, values);
  return [swatch(color), ...(color ? [make("code", { textContent: color }), list(values)] : ["no data"])];
};

// `light(unit)` highlights a unit, or no longer; `lit` says whether it is highlighted.
export function card({ x, y, unit, original }, about, className, { lit, light, clear }) {
  const rows = [];
  if (x !== undefined) rows.push(row("Pixel", `x ${number(x)}, y ${number(y)}`));
  if (unit) {
    rows.push(row("Unit", `${unit.unit} (row ${unit.row}, column ${unit.column})`));
    if (className) rows.push(row("Class", className));
    rows.push(row("Color", ...colored(about, unit.values)));
    if (unit.share !== null) rows.push(row("Share", `${percent(unit.share)} of the pixels`));
  } else rows.push(row("Unit", "none: no data here"));
  if (original) rows.push(row("Original", ...(original.color ? colored(about, original.values) : [swatch(null), "no data"])));
  const buttons = make("p", { className: "buttons" });
  if (unit) {
    buttons.append(make("button", {
      type: "button", id: "light", textContent: lit ? "Show all colors" : "Highlight this color",
      onclick: () => light(unit.unit),
    }));
  }
  if (!lit) buttons.append(make("button", { type: "button", id: "clear", textContent: "Clear", onclick: clear }));
  return [make("dl", {}, ...rows), buttons];
}
