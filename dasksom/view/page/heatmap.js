// The mean of each class, or unit, in each band: a table whose rows choose their units.

import { at, make, number } from "./elements.js";
import { ink, ramp } from "./lattice.js";

const MOST_ROWS = 100;
const MOST_VALUES = 1 << 22;

// Fetches the values of the units; null for maps that are too large to send.
export async function unitValues(about, ask) {
  if (about.colors.length * about.bands > MOST_VALUES) return null;
  return new Float32Array(await (await ask("values")).arrayBuffer());
}

const mean = (values, bands, band, units, weight) => {
  let sum = 0, total = 0;
  for (const unit of units) {
    const own = weight(unit);
    sum += own * values[unit * bands + band];
    total += own;
  }
  return sum / total;
};

// `groups` are {name, color, units}; `choose(units, event)` is called by a row's button.
export function drawHeatmap(about, values, groups, choose) {
  const figure = at("heatmap"), rows = values ? groups.slice(0, MOST_ROWS) : [];
  figure.hidden = !rows.length || about.bands < 2;
  if (figure.hidden) return;
  at("heatmap-name").textContent = "Mean of each band"
    + (rows.length < groups.length ? `: the first ${rows.length} of ${number(groups.length)}` : "");
  const names = Array.from({ length: about.bands }, (_, band) => about.names[band] ?? `band ${band}`);
  const table = rows.map(({ units }) => {
    const counted = about.shares && units.some(unit => about.shares[unit] > 0);
    return names.map((_, band) => mean(values, about.bands, band, units, counted ? unit => about.shares[unit] : () => 1));
  });
  const spans = names.map((_, band) => {
    const column = table.map(row => row[band]).filter(Number.isFinite);
    const low = Math.min(...column);
    return [low, Math.max(...column) - low || 1];
  });
  const head = make("tr", {}, make("td"), ...names.map(name => make("th", { scope: "col", textContent: name, title: name })));
  const body = rows.map(({ name, units }, row) => make("tr", {},
    make("th", { scope: "row" }, make("button", {
      type: "button", dir: "auto", textContent: name, title: `Choose ${name}`, onclick: event => choose(units, event),
    })),
    ...table[row].map((value, band) => {
      const share = (value - spans[band][0]) / spans[band][1];
      const cell = make("td", { textContent: Number.isFinite(value) ? +value.toPrecision(3) : "–", title: `${name}, ${names[band]}: ${value}` });
      if (!Number.isFinite(value)) return cell;
      cell.style.backgroundColor = ramp(share);
      cell.style.color = ink(share);
      return cell;
    })));
  at("heatmap-table").replaceChildren(make("thead", {}, head), make("tbody", {}, ...body));
}
