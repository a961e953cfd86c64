// Keyboard shortcuts of the page.

import { at } from "./elements.js";

export function useKeys(views, map) {
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
    c: map.editor.make,
    j: map.editor.merge,
    r: () => at("rectangle").click(),
    s: () => at("several").click(),
    u: map.editor.undo,
    Escape: () => map.clear(),
  };
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    const { target } = event;
    if (target instanceof HTMLSelectElement || (target instanceof HTMLInputElement
      && (event.key in arrows || !["radio", "checkbox"].includes(target.type)))) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (key in arrows) {
      const far = event.shiftKey ? 400 : 100;
      views.move(...arrows[key].map(part => part * far));
    } else if (key in keys) keys[key]();
    else return;
    event.preventDefault();
  });
}
