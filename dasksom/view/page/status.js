// What the page shows of its state: loading, partial, ready, failed, or lost.

import { at, number, say } from "./elements.js";
import { ask } from "./tiles.js";

// Receives "state" when tiles are requested or arrive, and "failed" with an error.
export const events = new EventTarget();

const root = document.documentElement;

function setState(name) {
  if (root.dataset.state === name) return;
  root.dataset.state = name;
  performance.mark(name);
}

let place = "";

export function tellPlace(latlng) {
  tell(latlng ? `x ${number(Math.floor(latlng.lng))}, y ${number(Math.floor(latlng.lat))}` : "");
}

export function tell(text) {
  place = text;
  if (root.dataset.state === "ready") at("status").textContent = place;
}

export function failed(error) {
  if (error.name === "AbortError") return;  // the page is loaded again
  const lost = error instanceof TypeError;  // what fetch raises where nothing answers
  setState(lost ? "lost" : "failed");
  say(lost ? "The viewer does not answer: it was stopped, or the connection is lost. Start dasksom view again and open the "
    + "new address; if it still runs, this page continues by itself." : `Cannot be shown: ${error.message}`, lost);
}

export function watch(views, editor) {
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
  // An output that is replaced, and classes that others change, while the page is idle are noticed too; `ask` reloads.
  const poll = async () => {
    let writes = false;
    try {
      if (document.hidden || root.dataset.state !== "ready") return;
      const { classes, writing } = await (await ask("progress")).json();
      writes = editor.showWriting(writing);
      await editor.refresh(classes);
    } catch {  // the next one may be answered
    } finally {
      setTimeout(poll, writes ? 500 : 2000);
    }
  };
  poll();
}
