// Layers of tiles: fetched from the server, painted on canvases, repainted when units are chosen or change color.

const LITTLE = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

export const rgba = (red, green, blue, opacity = 255) =>
  LITTLE ? ((opacity << 24) | (blue << 16) | (green << 8) | red) >>> 0
    : ((red << 24) | (green << 16) | (blue << 8) | opacity) >>> 0;

export const parts = color => [1, 3, 5].map(at => parseInt(color.slice(at, at + 2), 16));

const brightness = ([red, green, blue]) => 0.2126 * red + 0.7152 * green + 0.0722 * blue;

// Other pixels fade away from the highlighted colors: to white behind dark colors, to black behind light ones.
export const fader = colors => {
  const lightness = colors.reduce((sum, color) => sum + brightness(parts(color)), 0) / colors.length;
  const ground = lightness < 110 ? 240 : 18;
  return (red, green, blue) => {
    const gray = 0.18 * brightness([red, green, blue]) + 0.82 * ground;
    return [gray, gray, gray];
  };
};

// The color of each number that a label tile holds; 0 is no data. Hidden units have none; `lit` is a set, or null.
export function colorTable(colors, lit, isHidden = () => false) {
  const fade = lit && fader([...lit].map(unit => colors[unit]));
  const table = new Uint32Array(colors.length + 1);
  colors.forEach((color, unit) => {
    if (isHidden(unit)) return;
    const own = parts(color);
    table[unit + 1] = rgba(...(fade && !lit.has(unit) ? fade(...own) : own));
  });
  return table;
}

export async function ask(path, signal) {
  const answer = await fetch(path, { signal });
  if (answer.ok) return answer;
  if (answer.status === 410) {  // the output has been replaced: this page shows the old one
    location.reload();
    throw new DOMException("replaced", "AbortError");
  }
  const message = await answer.json().catch(() => ({}));
  throw new Error(message.error || `the server answered ${answer.status}`);
}

async function labelsOf(about, place, signal) {
  const answer = await ask(`labels/${about.version}/${place}`, signal);
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

// Each kind fetches what a tile needs, and paints it.
const KINDS = {
  rebuilt: {
    fetch: (about, place, lit, signal) => labelsOf(about, place, signal),
    paint(context, { labels }, { tile }, { table }) {
      const pixels = new Uint32Array(tile * tile);
      for (let at = 0; at < pixels.length; at++) pixels[at] = table[labels[at]];
      context.putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), tile, tile), 0, 0);
    },
  },
  original: {
    async fetch(about, place, lit, signal) {
      const [answer, labeled] = await Promise.all(
        [ask(`original/${about.version}/${place}/${about.shown.join("-")}`, signal), lit === null ? null : labelsOf(about, place, signal)]);
      const blob = await answer.blob();
      const image = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
      const complete = answer.headers.get("X-Complete") === "1" && (labeled === null || labeled.complete);
      return { complete, image, labels: labeled && labeled.labels };
    },
    paint(context, { image, labels }, { tile }, { lit, colors }) {
      context.clearRect(0, 0, tile, tile);
      context.drawImage(image, 0, 0);
      if (lit === null || !labels) return;
      const fade = fader([...lit].map(unit => colors[unit])), painted = context.getImageData(0, 0, tile, tile), bytes = painted.data;
      for (let at = 0; at < labels.length; at++) {
        if (lit.has(labels[at] - 1)) continue;
        const gray = fade(bytes[4 * at], bytes[4 * at + 1], bytes[4 * at + 2]);
        bytes.set(gray, 4 * at);
      }
      context.putImageData(painted, 0, 0);
    },
  },
};

// A layer of one kind. `look` is shared by all layers: {lit, table}, where lit is the set of highlighted units, or null; `events` receives "state" and "failed".
export function tileLayer(kind, about, look, events, density) {
  const shift = Math.round(Math.log2(density));
  const own = KINDS[kind];
  const alive = new Map();

  async function load(entry) {
    entry.loading = true;
    events.dispatchEvent(new CustomEvent("state"));
    const { x, y, z } = entry.coords, lit = look.lit;
    try {
      const data = await own.fetch(about, `${-z - shift}/${y}/${x}`, lit, entry.stop.signal);
      if (alive.get(entry.canvas) !== entry) return;
      entry.data?.image?.close();
      entry.data = data;
      own.paint(entry.canvas.getContext("2d", { willReadFrequently: kind === "original" }), data, about, look);
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
      const entry = { canvas, coords, stop: new AbortController(), data: null, loading: true, done };
      alive.set(canvas, entry);
      load(entry);
      return canvas;
    },
    // paint the loaded tiles in the current colors
    repaint() {
      for (const entry of alive.values()) {
        if (!entry.data || entry.loading) continue;
        if (kind === "original" && look.lit && !entry.data.labels) load(entry);
        else own.paint(entry.canvas.getContext("2d"), entry.data, about, look);
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
