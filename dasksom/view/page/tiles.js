// Layers of tiles: fetched from the server, painted on canvases, repainted when units are chosen or change color.

const LITTLE = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

export const rgba = (red, green, blue, opacity = 255) =>
  LITTLE ? ((opacity << 24) | (blue << 16) | (green << 8) | red) >>> 0
    : ((red << 24) | (green << 16) | (blue << 8) | opacity) >>> 0;

export const parts = color => [1, 3, 5].map(at => parseInt(color.slice(at, at + 2), 16));

const brightness = (red, green, blue) => 0.2126 * red + 0.7152 * green + 0.0722 * blue;

const grayOf = (red, green, blue, ground) => 0.18 * brightness(red, green, blue) + 0.82 * ground;

const equal = (one, other) => one.length === other.length && one.every((value, at) => value === other[at]);

// Other pixels fade away from the highlighted colors: to white behind dark colors, to black behind light ones.
const groundOf = (colors, lit) =>
  [...lit].reduce((sum, unit) => sum + brightness(...parts(colors[unit])), 0) < 110 * lit.size ? 240 : 18;

// How layers are painted: {lit, table, fade}. `lit` is the set of highlighted units, or null, `table` the color of each
// number that a label tile holds, where 0 is no data and hidden units have none, and `fade` says how the other pixels
// of the original fade. `shown` are the colors of the units, `own` those that they have in the image. Tables that are
// equal stay the same object, so that tiles are not painted again.
export function setLook(look, shown, own, lit, isHidden = () => false) {
  const isLit = new Uint8Array(own.length + 1), table = new Uint32Array(own.length + 1);
  for (const unit of lit ?? []) isLit[unit + 1] = 1;
  look.lit = lit;
  const ground = lit && groundOf(shown, lit), fade = lit && { ground: groundOf(own, lit), isLit };
  if (!fade || fade.ground !== look.fade?.ground || !equal(fade.isLit, look.fade.isLit)) look.fade = fade;
  shown.forEach((color, unit) => {
    if (isHidden(unit)) return;
    const [red, green, blue] = parts(color), gray = grayOf(red, green, blue, ground);
    table[unit + 1] = lit && !isLit[unit + 1] ? rgba(gray, gray, gray) : rgba(red, green, blue);
  });
  if (!look.table || !equal(look.table, table)) look.table = table;
}

export async function ask(path, options = {}) {
  const answer = await fetch(path, options);
  if (answer.ok) return answer;
  if (answer.status === 410) {  // the output has been replaced: this page shows the old one
    location.reload();
    throw new DOMException("replaced", "AbortError");
  }
  const content = await answer.json().catch(() => ({}));
  throw Object.assign(new Error(content.error || `the server answered ${answer.status}`), { content });
}

async function labelsOf(about, place, signal) {
  const answer = await ask(`labels/${about.version}/${place}`, { signal });
  const bytes = await answer.arrayBuffer();
  const kinds = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array };
  return { complete: answer.headers.get("X-Complete") === "1", labels: new kinds[about.bytes](bytes) };
}

// The units of the pixels {top, left, bottom, right} as tiles of a number of steps show them, and whether all were read.
export async function unitsWithin(about, steps, { top, left, bottom, right }) {
  const scale = 2 ** steps, seen = new Uint8Array(about.colors.length + 1);
  const ends = (first, stop) => {
    const one = Math.floor(first / scale);
    return [one, Math.max(one + 1, Math.ceil(stop / scale))];
  };
  const [above, below] = ends(top, bottom), [before, after] = ends(left, right), places = [];
  for (let y = Math.floor(above / about.tile); y * about.tile < below; y++) {
    for (let x = Math.floor(before / about.tile); x * about.tile < after; x++) places.push([y, x]);
  }
  const found = await Promise.all(places.map(async ([y, x]) => {
    const { labels, complete } = await labelsOf(about, `${steps}/${y}/${x}`);
    const ends = (first, stop, at) => [Math.max(first - at * about.tile, 0), Math.min(stop - at * about.tile, about.tile)];
    const [firstRow, lastRow] = ends(above, below, y), [firstColumn, lastColumn] = ends(before, after, x);
    for (let row = firstRow; row < lastRow; row++) {
      for (let column = firstColumn; column < lastColumn; column++) seen[labels[row * about.tile + column]] = 1;
    }
    return complete;
  }));
  return { units: about.colors.flatMap((_, unit) => seen[unit + 1] ? [unit] : []), complete: found.every(Boolean) };
}

let buffer = null;  // in which tiles are painted one after the other

// Each kind fetches what a tile needs, and paints it by that part of the look which `shows` returns.
const KINDS = {
  rebuilt: {
    shows: look => look.table,
    fetch: (about, place, lit, signal) => labelsOf(about, place, signal),
    paint(context, { labels }, { tile }, { table }) {
      buffer ??= new ImageData(tile, tile);
      const pixels = new Uint32Array(buffer.data.buffer);
      for (let at = 0; at < pixels.length; at++) pixels[at] = table[labels[at]];
      context.putImageData(buffer, 0, 0);
    },
  },
  original: {
    shows: look => look.fade,
    async fetch(about, place, lit, signal) {
      const [answer, labeled] = await Promise.all(
        [ask(`original/${about.version}/${place}/${about.shown.join("-")}`, { signal }), lit === null ? null : labelsOf(about, place, signal)]);
      const blob = await answer.blob();
      const image = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
      const complete = answer.headers.get("X-Complete") === "1" && (labeled === null || labeled.complete);
      return { complete, image, labels: labeled && labeled.labels };
    },
    paint(context, { image, labels }, { tile }, { fade }) {
      context.clearRect(0, 0, tile, tile);
      context.drawImage(image, 0, 0);
      if (fade === null || !labels) return;
      const painted = context.getImageData(0, 0, tile, tile), bytes = painted.data;
      for (let at = 0; at < labels.length; at++) {
        if (fade.isLit[labels[at]]) continue;
        const byte = 4 * at, gray = grayOf(bytes[byte], bytes[byte + 1], bytes[byte + 2], fade.ground);
        bytes[byte] = bytes[byte + 1] = bytes[byte + 2] = gray;
      }
      context.putImageData(painted, 0, 0);
    },
  },
};

// A layer of one kind. `look` is shared by all layers; `events` receives "state" and "failed".
export function tileLayer(kind, about, look, events, density) {
  const shift = Math.round(Math.log2(density));
  const own = KINDS[kind];
  const alive = new Map();

  const paint = entry => {
    entry.shown = own.shows(look);
    own.paint(entry.canvas.getContext("2d", { willReadFrequently: kind === "original" }), entry.data, about, look);
  };

  async function load(entry) {
    entry.loading = true;
    events.dispatchEvent(new CustomEvent("state"));
    const { x, y, z } = entry.coords, lit = look.lit;
    try {
      const data = await own.fetch(about, `${-z - shift}/${y}/${x}`, lit, entry.stop.signal);
      if (alive.get(entry.canvas) !== entry) return;
      entry.data?.image?.close();
      entry.data = data;
      paint(entry);
      entry.canvas.classList.remove("failed");
      entry.done(null, entry.canvas);
    } catch (error) {
      if (error.name === "AbortError") return;
      entry.data = null;
      entry.canvas.classList.add("failed");
      // if nothing answers, the previous tiles stay
      if (!(error instanceof TypeError)) entry.done(error, entry.canvas);
      events.dispatchEvent(new CustomEvent("failed", { detail: error }));
    }
    entry.loading = false;
    events.dispatchEvent(new CustomEvent("state"));
    if (kind === "original" && look.lit && !lit) load(entry);
  }

  const Layer = L.GridLayer.extend({
    createTile(coords, done) {
      const canvas = L.DomUtil.create("canvas", "tile");
      canvas.width = canvas.height = about.tile;
      const entry = { canvas, coords, stop: new AbortController(), data: null, shown: null, loading: true, done };
      alive.set(canvas, entry);
      load(entry);
      return canvas;
    },
    // paint the loaded tiles in the current colors
    repaint() {
      for (const entry of alive.values()) {
        if (!entry.data || entry.loading) continue;
        if (kind === "original" && look.lit && !entry.data.labels) load(entry);
        else if (entry.shown !== own.shows(look)) paint(entry);
      }
    },
    // request all tiles again
    reload() {
      for (const entry of alive.values()) {
        entry.stop.abort();
        entry.stop = new AbortController();
        load(entry);
      }
    },
    // request tiles again that were not complete, or failed
    refresh() {
      for (const entry of alive.values()) if (!entry.loading && !(entry.data && entry.data.complete)) load(entry);
    },
    waits() { return [...alive.values()].some(entry => entry.loading); },
    partial() { return [...alive.values()].some(entry => entry.data && !entry.data.complete); },
    broken() { return [...alive.values()].some(entry => !entry.loading && !entry.data); },
  });
  const layer = new Layer({
    tileSize: about.tile >> shift,
    bounds: [[0, 0], [about.height, about.width]],
    noWrap: true,
    minNativeZoom: -about.steps - shift,
    maxNativeZoom: -shift,
    minZoom: -about.steps - shift,
    maxZoom: 6,
    keepBuffer: 1,
    updateInterval: 80,
  });
  layer.on("tileunload", ({ tile }) => {
    const entry = alive.get(tile);
    if (!entry) return;
    alive.delete(tile);
    entry.stop.abort();
    if (entry.data && entry.data.image) entry.data.image.close();
    events.dispatchEvent(new CustomEvent("state"));
  });
  return layer;
}
