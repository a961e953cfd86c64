// The map's units, drawn at their positions: squares or hexagons, of which any can be chosen.

import { makeLasso } from "./lasso.js";

const SVG = "http://www.w3.org/2000/svg";

const SHAPES = {
  square: [[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]],
  hexagon: [0, 1, 2, 3, 4, 5].map(n => (n + 0.5) * Math.PI / 3)
    .map(angle => [Math.cos(angle) / Math.sqrt(3), Math.sin(angle) / Math.sqrt(3)]),
};

// from near to far: dark blue, green, pale yellow
const RAMP = [[26, 32, 66], [31, 91, 121], [62, 152, 128], [156, 204, 121], [250, 240, 170]];

const mixed = value => {
  const at = Math.min(Math.max(value, 0), 1) * (RAMP.length - 1);
  const below = Math.min(Math.floor(at), RAMP.length - 2), share = at - below;
  return RAMP[below].map((part, n) => Math.round(part + share * (RAMP[below + 1][n] - part)));
};

export const ramp = value => `rgb(${mixed(value).join(" ")})`;

// Black or white: the one with the higher contrast to a color of the ramp (WCAG 2).
export function ink(value) {
  const [red, green, blue] = mixed(value).map(part => ((part / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000" : "#fff";
}

const add = (parent, name, attributes) => {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent.append(element);
  return element;
};

// Draws the units in the given colors. With `choose(units, event)`, they can be chosen by mouse, finger and keyboard;
// `several()` says whether a finger draws a line around units.
export function drawLattice(parent, about, colors, { name, describe, choose = null, several = () => false, over = () => {} }) {
  const shape = about.hexagonal ? SHAPES.hexagon : SHAPES.square;
  const xs = about.places.map(([x]) => x), ys = about.places.map(([, y]) => y);
  const box = [Math.min(...xs) - 0.7, Math.min(...ys) - 0.7, Math.max(...xs) - Math.min(...xs) + 1.4,
    Math.max(...ys) - Math.min(...ys) + 1.4];
  const svg = add(parent, "svg", { viewBox: box.join(" "), "aria-labelledby": name });
  svg.setAttribute("role", choose ? "listbox" : "img");
  if (choose) svg.setAttribute("aria-multiselectable", "true");
  const units = about.places.map(([x, y], unit) => {
    const points = shape.map(([right, down]) => `${(x + right).toFixed(3)},${(y + down).toFixed(3)}`).join(" ");
    const element = add(svg, "polygon", { points, fill: colors[unit], stroke: colors[unit], "data-unit": unit });
    add(element, "title", {}).textContent = describe(unit);
    if (choose) {
      element.setAttribute("role", "option");
      element.setAttribute("aria-label", describe(unit));
      element.setAttribute("aria-selected", "false");
      element.setAttribute("tabindex", unit ? -1 : 0);
    }
    return element;
  });
  const [outline, inline] = ["chosen-edge", "chosen"].map(name => add(svg, "path", { class: name, "aria-hidden": "true" }));
  const [edge, mark, cursor] = ["edge", "mark", "cursor"].map(name => add(svg, "polygon", { class: name, "aria-hidden": "true" }));
  const surround = (elements, unit) => {
    for (const element of elements) element.setAttribute("points", unit === null ? "" : units[unit].getAttribute("points"));
  };
  svg.addEventListener("pointerover", event => over(unitOf(event.target)));
  svg.addEventListener("pointerleave", () => over(null));
  if (choose) {
    makeChoosable(svg, units, about, choose, unit => surround([cursor], unit));
    makeLasso(svg, add(svg, "polyline", { class: "lasso", "aria-hidden": "true" }), about.places, choose, several);
  }
  return {
    point: unit => surround([cursor], unit),
    paint: colors => units.forEach((element, unit) => {
      if (element.getAttribute("fill") === colors[unit]) return;
      element.setAttribute("fill", colors[unit]);
      element.setAttribute("stroke", colors[unit]);
    }),
    // the unit that is shown, and all that are chosen
    mark(unit, chosen) {
      surround([edge, mark], unit);
      const line = [...chosen].map(one => `M${units[one].getAttribute("points")}Z`).join(" ");
      for (const path of [outline, inline]) path.setAttribute("d", line);
      if (!choose) return;
      units.forEach((element, n) => element.setAttribute("aria-selected", String(chosen.has(n))));
      if (unit !== null) focusable(units, unit);
    },
  };
}

const unitOf = element => element.dataset && "unit" in element.dataset ? Number(element.dataset.unit) : null;

const focusable = (units, unit) => units.forEach((one, n) => one.setAttribute("tabindex", n === unit ? 0 : -1));

function makeChoosable(svg, units, about, choose, point) {
  svg.addEventListener("click", event => {
    const unit = unitOf(event.target);
    if (unit !== null) choose([unit], event);
  });
  svg.addEventListener("focusin", event => point(unitOf(event.target)));
  svg.addEventListener("focusout", () => point(null));
  svg.addEventListener("keydown", event => {
    const unit = unitOf(event.target);
    if (unit === null) return;
    const across = about.columns, row = Math.floor(unit / across), column = unit % across;
    const next = {
      ArrowLeft: column > 0 ? unit - 1 : unit,
      ArrowRight: column < across - 1 ? unit + 1 : unit,
      ArrowUp: row > 0 ? unit - across : unit,
      ArrowDown: row < about.rows - 1 ? unit + across : unit,
      Home: 0,
      End: units.length - 1,
    }[event.key];
    if (next !== undefined) {
      focusable(units, next);
      units[next].focus();
    } else if (event.key === "Enter" || event.key === " ") choose([unit], event);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}
