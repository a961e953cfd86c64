// The page, assembled from the other modules.

import { makeBands } from "./bands.js";
import { card } from "./card.js";
import { makeEditor } from "./classes.js";
import { at, make, number, percent, say } from "./elements.js";
import { drawHeatmap, unitValues } from "./heatmap.js";
import { useKeys } from "./keys.js";
import { drawLattice, ramp } from "./lattice.js";
import { link, makeDivider, makeMap, makeZoom } from "./linked.js";
import { makeRectangles } from "./rectangle.js";
import { events, failed, tell, tellPlace, watch } from "./status.js";
import { ask, setLook, tileLayer, unitsWithin } from "./tiles.js";

const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
const root = document.documentElement;
const NO_CLASS = "#8a8f94";

async function start() {
  if (typeof L === "undefined") throw new Error("Leaflet could not be loaded; start the viewer again");
  const about = await (await ask("about.json")).json();
  document.title = `${about.title} – dasksom view`;
  at("title").textContent = about.title;
  at("subtitle").textContent = `${number(about.width)} × ${number(about.height)} pixels, ${number(about.colors.length)} `
    + `color${about.colors.length === 1 ? "" : "s"}`;
  const look = { lit: null, table: null, fade: null };
  setLook(look, about.colors, about.colors, null);
  const views = showImages(about, look);
  const map = await showMap(about, look, views);
  views.onPixel = map.find;
  useRectangle(views, map);
  useKeys(views, map);
  watch(views, map.editor);
}

function notes(about) {
  const lines = [...about.notes];
  if (about.dtype !== "uint8" || about.bands !== 3) {
    const named = band => about.names[band] ?? band;
    const [one, two, three] = about.shown.map(named);
    const which = new Set(about.shown).size > 1 ? `bands ${one}, ${two} and ${three} as red, green and blue`
      : `band ${one} as gray`;
    lines.push(`${about.bands} band${about.bands === 1 ? "" : "s"} of ${about.dtype}, shown as ${which}, `
      + `from ${about.range.map(value => +value.toPrecision(6)).join(" to ")}.`);
  }
  return lines;
}

// ------------------------------------------------------------------------------------------------------- the images

function showImages(about, look) {
  const density = Math.min(4, Math.max(1, 2 ** Math.round(Math.log2(devicePixelRatio || 1))));
  const names = about.original ? ["rebuilt", "original"] : ["rebuilt"];
  names.forEach(name => { at(name).hidden = false; });
  const panes = names.map(name => {
    const element = at(name).querySelector(".map");
    const map = makeMap(element, about, calm), layer = tileLayer(name, about, look, events, density);
    return { name, map, layer, element, spot: null };
  });
  const [main, other] = panes, image = L.latLngBounds([[0, 0], [about.height, about.width]]);
  const views = { about, panes, main, onPixel: () => {} };

  // of the tiles that are shown: each step halves the image
  views.steps = () => Math.min(about.steps, Math.max(0, -Math.round(main.map.getZoom()) - Math.log2(density)));

  views.zoom = makeZoom(main.map, other?.map);
  views.fit = () => views.zoom.instead(() => main.map.fitBounds(image, { animate: false, padding: [8, 8] }));
  views.actual = () => views.zoom.to(-Math.log2(density));
  views.setMode = mode => {
    at("views").dataset.mode = mode;
    for (const input of at("modes").querySelectorAll("input")) input.checked = input.value === mode;
    at("divider").hidden = mode !== "swipe";
    views.resize();
    for (const { name, map, layer } of panes) {
      const seen = mode === "side" || mode === "swipe" || mode === name;
      if (seen) map.addLayer(layer);
      else map.removeLayer(layer);
    }
    events.dispatchEvent(new CustomEvent("state"));
  };
  views.mark = pixel => {
    for (const pane of panes) {
      if (pane.spot) pane.spot.remove();
      pane.spot = pixel && L.layerGroup(["black", "white"].map((color, n) => L.circleMarker(
        [pixel.y + 0.5, pixel.x + 0.5], { color, radius: 9, weight: 5 - 3 * n, fill: false, interactive: false },
      ))).addTo(pane.map);
    }
  };
  views.move = (right, down) => main.map.panBy([right, down], { animate: !calm });

  for (const { map, element } of panes) {
    map.on("click", event => pick(event.latlng, event.originalEvent));
    map.on("zoomend", () => tellZoom(main.map, density));
    map.on("mousemove", event => tellPlace(event.latlng));
    map.on("mouseout", () => tellPlace(null));
    element.addEventListener("keydown", event => {
      if (event.key === "Enter") pick(map.getCenter(), event);
    });
    map.setView([about.height / 2, about.width / 2], -about.steps, { animate: false });
  }
  const pick = ({ lat, lng }, event) => {
    const x = Math.floor(lng), y = Math.floor(lat);
    if (x >= 0 && y >= 0 && x < about.width && y < about.height) views.onPixel(x, y, event);
  };
  if (other) {
    views.resize = link(main.map, other.map).resize;
    at("modes").hidden = false;
    at("modes").addEventListener("change", event => views.setMode(event.target.value));
    makeDivider(at("divider"), at("views"));
  } else {
    views.resize = () => main.map.invalidateSize({ animate: false, pan: true });
    document.body.classList.add("alone");
  }
  at("in").onclick = () => views.zoom.by(1);
  at("out").onclick = () => views.zoom.by(-1);
  at("fit").onclick = views.fit;
  at("actual").onclick = views.actual;
  views.setMode(!other ? "rebuilt" : matchMedia("(max-width: 700px)").matches ? "swipe" : "side");
  views.fit();
  tellZoom(main.map, density);
  new ResizeObserver(() => views.resize()).observe(at("views"));
  return views;
}

function tellZoom(map, density) {
  const zoom = map.getZoom(), percent = 100 * 2 ** zoom * density;
  at("zoom").textContent = `${percent < 10 ? +percent.toPrecision(2) : Math.round(percent)} %`;
  at("views").classList.toggle("magnified", percent > 100);
  at("in").disabled = zoom >= map.getMaxZoom();
  at("out").disabled = zoom <= map.getMinZoom();
}

function useRectangle({ about, panes, steps }, map) {
  const button = at("rectangle"), isOn = () => button.getAttribute("aria-pressed") === "true";
  const rectangles = makeRectangles(panes, about, {
    isOn,
    drawn: async (box, event) => {
      try {
        const { units, complete } = await unitsWithin(about, steps(), box);
        if (!complete) say("Not all pixels of the rectangle have been read yet: draw it again later.");
        if (units.length) map.chooseBy(units, event);
      } catch (error) {
        failed(error);
      }
    },
    tell: box => tell(box ? `Rectangle: x ${number(box.left)} to ${number(box.right)}, `
      + `y ${number(box.top)} to ${number(box.bottom)}; Enter chooses its units` : ""),
  });
  button.onclick = () => {
    button.setAttribute("aria-pressed", String(!isOn()));
    rectangles.cancel();
    at("views").classList.toggle("drawing", isOn());
    for (const pane of panes) pane.map.dragging[isOn() ? "disable" : "enable"]();
    if (isOn()) panes.find(({ element }) => element.checkVisibility({ visibilityProperty: true })).element.focus();
  };
}

// ---------------------------------------------------------------------------------------------------------- the map

async function showMap(about, look, views) {
  const share = unit => about.shares ? `, ${percent(about.shares[unit])} of the pixels` : "";
  const where = unit => `row ${Math.floor(unit / about.columns)}, column ${unit % about.columns}`;
  const describe = unit => `Unit ${unit}, ${where(unit)}: ${about.colors[unit]}${share(unit)}`;
  const farthest = Math.max(...about.distances), nearest = Math.min(...about.distances);
  const span = farthest - nearest || 1;
  const far = unit => `Unit ${unit}, ${where(unit)}: ${+about.distances[unit].toPrecision(4)} from its neighbors`;
  const chosen = new Set();  // units, whose pixels are highlighted
  const state = { picked: null, pixel: null };
  const several = () => at("several").checked;
  const both = unit => [palette, distances].forEach(drawn => drawn.point(unit));
  const choose = (units, event) => map.choose(units, several() || event.shiftKey || event.ctrlKey || event.metaKey);
  const palette = drawLattice(at("palette"), about, about.colors, { name: "palette-name", describe, choose, several, over: unit => both(unit) });
  const distances = drawLattice(at("u-matrix"), about, about.distances.map(value => ramp((value - nearest) / span)),
    { name: "u-matrix-name", describe: far, choose, several, over: unit => both(unit) });

  const byClass = () => at("by-class").checked;
  const repaint = () => {
    const before = performance.now(), { editor } = map;
    const shown = !editor || !byClass() ? about.colors
      : editor.state.numbers.map(own => own ? editor.state.colors[own - 1] : NO_CLASS);
    const isHidden = unit => editor.hidden.has(editor.state.numbers[unit]);
    setLook(look, shown, about.colors, chosen.size ? new Set(chosen) : null, editor?.hidden.size ? isHidden : undefined);
    views.panes.forEach(({ layer }) => layer.repaint());
    palette.paint(shown);
    performance.measure("repaint", { start: before });
  };

  const map = {
    chosen,
    chooseBy: choose,
    // Chooses units in place of others, or with `more` in addition to them; the same again: none of them.
    choose(units, more) {
      const again = units.every(unit => chosen.has(unit)) && (more || units.length === chosen.size);
      if (!more) chosen.clear();
      for (const unit of units) chosen[again ? "delete" : "add"](unit);
      state.picked = chosen.size === 1 ? [...chosen][0] : null;
      state.pixel = null;
      views.mark(null);
      repaint();
      show();
      const [unit] = chosen;
      if (state.picked === null) return at("card").replaceChildren();
      return ask(`unit/${unit}`).then(answer => answer.json()).then(properties => {
        if (state.picked === unit && !state.pixel) fill({ unit: properties });
      }).catch(failed);
    },
    async find(x, y, event) {
      try {
        const pixel = await (await ask(`pixel/${y}/${x}`)).json();
        if (pixel.unit && (several() || event?.shiftKey || event?.ctrlKey || event?.metaKey)) {
          return map.choose([pixel.unit.unit], true);
        }
        views.mark(pixel);
        state.picked = pixel.unit && pixel.unit.unit;
        state.pixel = pixel;
        if (chosen.size && !(chosen.size === 1 && chosen.has(state.picked))) {
          chosen.clear();
          repaint();
        }
        show();
        return fill(pixel);
      } catch (error) {
        return failed(error);
      }
    },
    clear() {
      chosen.clear();
      map.choose([]);
      say(null);
    },
  };
  const show = () => {
    palette.mark(state.picked, chosen);
    distances.mark(state.picked, chosen);
    at("card").hidden = state.picked === null;
    at("hint").hidden = state.picked !== null;
    root.dataset.lit = [...chosen].join();
    map.editor?.showChosen();
  };
  const fill = content => {
    at("hint").hidden = true;
    at("card").hidden = false;
    const own = content.unit && map.editor?.state.numbers[content.unit.unit];
    at("card").replaceChildren(...card(content, about, own ? map.editor.name(own) : "", {
      lit: Boolean(content.unit) && chosen.has(content.unit.unit),
      light: unit => map.choose([unit]),
      clear: map.clear,
    }));
  };
  const groups = editor => editor.used.length
    ? editor.used.map(wanted => ({ name: editor.name(wanted), units: editor.unitsOf(wanted) }))
    : about.colors.map((_, unit) => ({ name: `unit ${unit}`, units: [unit] }));
  const values = unitValues(about, ask);
  const changed = async () => {
    await null;  // the editor is there
    repaint();
    show();
    drawHeatmap(about, await values, groups(map.editor), choose);
  };
  const tellNotes = () => at("notes").replaceChildren(
    ...notes(about).map(text => make("p", { className: "hint", textContent: text })));
  at("coloring").onchange = repaint;
  makeBands(about, () => {
    repaint();
    views.panes.forEach(({ name, layer }) => name === "original" && layer.reload());
    tellNotes();
  }, failed);
  tellNotes();
  show();
  map.editor = await makeEditor(about, chosen, { changed, choose, failed });
  return map;
}

start().catch(error => {
  failed(error);
  at("status").textContent = "";
});
