// The page, assembled from the other modules.

import { drawLattice, ramp } from "./lattice.js";
import { link, makeDivider, makeMap, makeZoom } from "./linked.js";
import { ask, colorTable, tileLayer } from "./tiles.js";

const at = id => document.getElementById(id);
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
const number = value => value.toLocaleString("en");
const events = new EventTarget();
const root = document.documentElement;

const make = (name, attributes = {}, ...inside) => {
  const element = Object.assign(document.createElement(name), attributes);
  element.append(...inside);
  return element;
};

function say(text, lasting = false) {
  const message = at("message");
  message.hidden = !text;
  message.replaceChildren(text ?? "");
  if (text && !lasting) {
    message.append(make("button", { type: "button", textContent: "Dismiss", onclick: () => say(null) }));
  }
}

function setState(name) {
  if (root.dataset.state === name) return;
  root.dataset.state = name;
  performance.mark(name);
}

async function start() {
  if (typeof L === "undefined") throw new Error("Leaflet could not be loaded; start the viewer again");
  const about = await (await ask("about.json")).json();
  document.title = `${about.title} – dasksom view`;
  at("title").textContent = about.title;
  at("subtitle").textContent = `${number(about.width)} × ${number(about.height)} pixels, ${number(about.colors.length)} `
    + `color${about.colors.length === 1 ? "" : "s"}`;
  at("notes").replaceChildren(...notes(about).map(text => make("p", { className: "hint", textContent: text })));

  const look = { lit: null, table: colorTable(about.colors, null) };
  const views = showImages(about, look);
  const map = showMap(about, look, views);
  views.onPixel = map.find;
  useKeys(views, map);
  watch(views);
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
    map.on("click", event => pick(event.latlng));
    map.on("zoomend", () => tellZoom(main.map, density));
    map.on("mousemove", event => tellPlace(event.latlng));
    map.on("mouseout", () => tellPlace(null));
    element.addEventListener("keydown", event => {
      if (event.key === "Enter") pick(map.getCenter());
    });
    map.setView([about.height / 2, about.width / 2], -about.steps, { animate: false });
  }
  const pick = ({ lat, lng }) => {
    const x = Math.floor(lng), y = Math.floor(lat);
    if (x >= 0 && y >= 0 && x < about.width && y < about.height) views.onPixel(x, y);
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

let place = "";

function tellPlace(latlng) {
  place = latlng ? `x ${number(Math.floor(latlng.lng))}, y ${number(Math.floor(latlng.lat))}` : "";
  if (root.dataset.state === "ready") at("status").textContent = place;
}

// ---------------------------------------------------------------------------------------------------------- the map

function showMap(about, look, views) {
  const share = unit => about.shares ? `, ${percent(about.shares[unit])} of the pixels` : "";
  const where = unit => `row ${Math.floor(unit / about.columns)}, column ${unit % about.columns}`;
  const describe = unit => `Unit ${unit}, ${where(unit)}: ${about.colors[unit]}${share(unit)}`;
  const farthest = Math.max(...about.distances), nearest = Math.min(...about.distances);
  const span = farthest - nearest || 1;
  const far = unit => `Unit ${unit}, ${where(unit)}: ${+about.distances[unit].toPrecision(4)} from its neighbors`;
  const state = { picked: null };
  const both = unit => [palette, distances].forEach(drawn => drawn.point(unit));
  const palette = drawLattice(at("palette"), about, about.colors,
    { name: "palette-name", describe, choose: unit => map.light(unit === look.lit ? null : unit), over: unit => both(unit) });
  const distances = drawLattice(at("u-matrix"), about, about.distances.map(value => ramp((value - nearest) / span)),
    { name: "u-matrix-name", describe: far, over: unit => both(unit) });

  const map = {
    light(unit) {
      look.lit = unit;
      look.table = colorTable(about.colors, unit);
      views.panes.forEach(({ layer }) => layer.repaint());
      state.picked = unit;
      views.mark(null);
      show();
      if (unit === null) return at("card").replaceChildren();
      return ask(`unit/${unit}`).then(answer => answer.json()).then(properties => {
        if (look.lit === unit) fill({ unit: properties });
      }).catch(failed);
    },
    async find(x, y) {
      try {
        const pixel = await (await ask(`pixel/${y}/${x}`)).json();
        views.mark(pixel);
        state.picked = pixel.unit && pixel.unit.unit;
        if (look.lit !== null && look.lit !== state.picked) {
          look.lit = null;
          look.table = colorTable(about.colors, null);
          views.panes.forEach(({ layer }) => layer.repaint());
        }
        show();
        fill(pixel);
      } catch (error) {
        failed(error);
      }
    },
    clear() {
      map.light(null);
      say(null);
    },
  };
  const show = () => {
    palette.mark(state.picked, look.lit);
    distances.mark(state.picked, null);
    at("card").hidden = state.picked === null;
    at("hint").hidden = state.picked !== null;
    root.dataset.lit = look.lit ?? "";
  };
  const fill = content => {
    at("hint").hidden = true;
    at("card").hidden = false;
    at("card").replaceChildren(...card(content, about, look, map));
  };
  show();
  return map;
}

const percent = share => `${(100 * share).toPrecision(3)} %`;

function swatch(color) {
  const element = make("span", { className: color ? "swatch" : "swatch none" });
  if (color) element.style.backgroundColor = color;
  return element;
}

function card({ x, y, unit, original }, about, look, map) {
  const list = values => make("span", {
    className: "values",
    textContent: values.slice(0, 12).map(value => value === null ? "–" : +value.toPrecision(6)).join(", ")
      + (values.length > 12 ? ", …" : ""),
  });
  const row = (name, ...inside) => make("div", {}, make("dt", { textContent: name }), make("dd", {}, ...inside));
  const rows = [];
  if (x !== undefined) rows.push(row("Pixel", `x ${number(x)}, y ${number(y)}`));
  if (unit) {
    rows.push(row("Unit", `${unit.unit} (row ${unit.row}, column ${unit.column})`));
    rows.push(row("Color", swatch(unit.color), make("code", { textContent: unit.color }), list(unit.values)));
    if (unit.share !== null) rows.push(row("Share", `${percent(unit.share)} of the pixels`));
  } else rows.push(row("Unit", "none: no data here"));
  if (original) {
    rows.push(row("Original", swatch(original.color), ...(original.color
      ? [make("code", { textContent: original.color }), list(original.values)] : ["no data"])));
  }
  const inside = [make("dl", {}, ...rows)];
  const buttons = make("p", { className: "buttons" });
  if (unit) {
    const lit = look.lit === unit.unit;
    buttons.append(make("button", {
      type: "button", id: "light", textContent: lit ? "Show all colors" : "Highlight this color",
      onclick: () => map.light(lit ? null : unit.unit),
    }));
  }
  if (!unit || look.lit !== unit.unit) {
    buttons.append(make("button", { type: "button", id: "clear", textContent: "Clear", onclick: () => map.clear() }));
  }
  return [...inside, buttons];
}

// ------------------------------------------------------------------------------------------------------------ keys

function useKeys(views, map) {
  const help = at("keys"), modes = ["side", "swipe", "original", "rebuilt"];
  at("help").onclick = () => help.showModal();
  const keys = {
    "+": () => views.zoom.by(1),
    "=": () => views.zoom.by(1),
    "-": () => views.zoom.by(-1),
    "0": views.fit,
    "1": views.actual,
    m: () => views.about.original
      && views.setMode(modes[(modes.indexOf(at("views").dataset.mode) + 1) % modes.length]),
    "?": () => help.showModal(),
    Escape: () => map.clear(),
  };
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    if (event.target instanceof HTMLInputElement && event.key in arrows) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (key in arrows) {
      const far = event.shiftKey ? 400 : 100;
      views.move(...arrows[key].map(part => part * far));
    } else if (key in keys) keys[key]();
    else return;
    event.preventDefault();
  });
}

// ------------------------------------------------------------------------------------------------- loading state

function failed(error) {
  const lost = error instanceof TypeError;  // what fetch raises where nothing answers
  setState(lost ? "lost" : "failed");
  say(lost ? "The viewer does not answer: it was stopped, or the connection is lost. Start dasksom view again and open the "
    + "new address; if it still runs, this page continues by itself." : `Cannot be shown: ${error.message}`, lost);
}

function watch(views) {
  let timer = null;
  const layers = () => views.panes.filter(({ map, layer }) => map.hasLayer(layer)).map(({ layer }) => layer);
  const look = async () => {
    timer = null;
    layers().forEach(layer => layer.refresh());
    if (root.dataset.state !== "partial") return;
    try {
      const shares = Object.values((await (await ask("progress")).json()).overviews);
      const least = Math.min(1, ...shares);
      if (root.dataset.state !== "partial") return;  // it was completed before the answer came
      at("status").textContent = `Reading the image once for its overview: ${Math.floor(100 * least)} %`;
    } catch (error) {
      failed(error);
    }
  };
  const settle = () => {
    const all = layers(), any = name => all.some(layer => layer[name]());
    for (const { name, layer } of views.panes) {
      if (!layer.waits() && !layer.partial() && !performance.getEntriesByName(name).length) performance.mark(name);
    }
    if (any("broken")) {
      if (root.dataset.state === "lost") timer ??= setTimeout(look, 2000);
      at("status").textContent = "";
    } else if (any("partial")) {
      setState("partial");
      timer ??= setTimeout(look, 300);
    } else if (any("waits")) {
      if (root.dataset.state === "lost") return;  // until an answer arrives
      setState("loading");
      at("status").textContent = "Loading …";
    } else {
      if (root.dataset.state === "lost") say(null);
      setState("ready");
      at("status").textContent = place;
    }
  };
  events.addEventListener("state", settle);
  events.addEventListener("failed", ({ detail }) => failed(detail));
  settle();
  // An output that is replaced while the page is idle is noticed too; `ask` reloads.
  setInterval(() => document.hidden || root.dataset.state !== "ready" || ask("progress").catch(() => {}), 3000);
}

start().catch(error => {
  failed(error);
  at("status").textContent = "";
});
