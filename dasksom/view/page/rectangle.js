// A rectangle on the image, drawn by mouse, finger or keys, which chooses the units of the pixels inside.

import { FAR } from "./lasso.js";

const STEP = 10, FAR_STEP = 50;  // pixels of the screen by which an arrow key moves the corner

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// `isOn()` says whether a plain drag draws; with Shift it always does. `drawn(box, event)` receives a rectangle of
// pixels {top, left, bottom, right}, the ends excluded; `tell(box)` each change of one that is drawn by keys, or null.
export function makeRectangles(panes, about, { isOn, drawn, tell }) {
  let start = null, end = null, press = null, dragged = false;
  const shapes = panes.map(() => L.layerGroup(["black", "white"].map((color, n) => L.rectangle([[0, 0], [0, 0]],
    { color, weight: 4 - 2 * n, dashArray: n ? "6 4" : null, fill: false, interactive: false }))));

  const box = () => {
    const ends = (one, other, length) => [Math.min(one, other), Math.max(one, other)]
      .map((value, n) => Math.min(length, Math.max(0, Math.floor(value) + n)));  // with the pixels of both corners
    const [left, right] = ends(start.lng, end.lng, about.width), [top, bottom] = ends(start.lat, end.lat, about.height);
    return { top, left, bottom, right };
  };
  const draw = () => shapes.forEach((group, n) => {
    if (!start || !end) return group.remove();
    group.eachLayer(shape => shape.setBounds([start, end]));
    return group.addTo(panes[n].map);
  });
  const cancel = () => {
    if (start && !press) tell(null);
    start = end = press = null;
    draw();
  };
  const finish = event => {
    const found = box();
    cancel();
    if (found.left < found.right && found.top < found.bottom) drawn(found, event);
  };

  function byPointer({ map, element }) {
    element.addEventListener("pointerdown", event => {
      cancel();
      dragged = false;
      if (event.button || !event.isPrimary || !(isOn() || event.shiftKey)) return;
      press = [event.clientX, event.clientY];
      start = map.mouseEventToLatLng(event);
    });
    element.addEventListener("pointermove", event => {
      if (!press) return;
      if (!dragged && Math.hypot(event.clientX - press[0], event.clientY - press[1]) < FAR) return;
      if (!dragged) element.setPointerCapture(event.pointerId);
      dragged = true;
      end = map.mouseEventToLatLng(event);
      draw();
    });
    element.addEventListener("pointerup", event => {
      if (!press) return;
      if (dragged) finish(event);
      else cancel();
    });
    element.addEventListener("pointercancel", cancel);
    // the click at the end of a drag asks for no pixel
    element.addEventListener("click", event => {
      if (dragged) event.stopImmediatePropagation();
      dragged = false;
    }, { capture: true });
  }

  // Enter sets a corner at the center, the arrows move the other one, and Enter chooses
  function byKeys({ map, element }) {
    element.addEventListener("keydown", event => {
      if (!isOn() || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "Enter" && !start) {
        start = end = map.getCenter();
      } else if (!start || press) return;
      else if (event.key === "Enter") finish(event);
      else if (event.key === "Escape") cancel();
      else if (event.key in ARROWS) {
        const step = Math.max(1, Math.round((event.shiftKey ? FAR_STEP : STEP) / 2 ** map.getZoom()));
        const [right, down] = ARROWS[event.key];
        end = L.latLng(end.lat + step * down, end.lng + step * right);
        map.panInside(end, { animate: false, padding: [20, 20] });
      } else return;
      draw();
      if (start) tell(box());
      event.preventDefault();
      event.stopImmediatePropagation();
    }, { capture: true });
  }

  for (const pane of panes) {
    byPointer(pane);
    byKeys(pane);
  }
  return { cancel };
}
