// The three bands that are shown as red, green and blue.

import { at, make } from "./elements.js";
import { ask } from "./tiles.js";

// `changed()` is called with the new colors in place.
export function makeBands(about, changed, failed) {
  at("bands").hidden = about.bands < 2;
  if (about.bands < 2) return;
  const selects = ["red", "green", "blue"].map(id => at(id));
  selects.forEach((select, position) => {
    select.replaceChildren(...Array.from({ length: about.bands }, (_, band) =>
      make("option", { value: band, textContent: about.names[band] ?? `band ${band}` })));
    select.value = about.shown[position];
    select.onchange = async () => {
      try {
        const wanted = selects.map(one => Number(one.value));
        const view = await (await ask(`bands/${wanted.join("/")}`)).json();
        if (selects.some((one, number) => Number(one.value) !== wanted[number])) return;  // changed since
        Object.assign(about, view);
        changed();
      } catch (error) {
        failed(error);
      }
    };
  });
}

// The color of a pixel or unit in the bands that are shown; null where there is no data.
export function colorOf(about, values) {
  const parts = about.shown.map((band, position) => {
    const low = about.low[position], span = about.high[position] - low;
    return Math.min(1, Math.max(0, (values[band] - low) / (span > 0 ? span : 1)));
  });
  if (about.shown.some(band => values[band] === null)) return null;
  return `#${parts.map(part => Math.floor(part * 255 + 0.5).toString(16).padStart(2, "0")).join("")}`;
}
