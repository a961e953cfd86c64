// A line drawn around units with the pointer, which chooses those inside.

export const FAR = 6;  // pixels of the screen from which on a press is a drag

const isInside = ([x, y], line) => {
  let inside = false;
  for (let one = 0, other = line.length - 1; one < line.length; other = one++) {
    const [ax, ay] = line[one], [bx, by] = line[other];
    if ((ay > y) !== (by > y) && x < ax + (bx - ax) * (y - ay) / (by - ay)) inside = !inside;
  }
  return inside;
};

// Calls `chosen(units, event)` after a drag. Fingers scroll the page, except where `takesTouch()` says otherwise.
export function makeLasso(svg, path, places, chosen, takesTouch) {
  let line = null, start = null, dragged = false;
  const here = event => {
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    return [x, y];
  };
  const end = () => {
    line = start = null;
    path.setAttribute("points", "");
  };
  svg.addEventListener("pointerdown", event => {
    dragged = false;
    if (event.button || (event.pointerType === "touch" && !takesTouch())) return;
    start = [event.clientX, event.clientY];
    line = [here(event)];
  });
  svg.addEventListener("pointermove", event => {
    if (!line) return;
    if (!dragged && Math.hypot(event.clientX - start[0], event.clientY - start[1]) < FAR) return;
    if (!dragged) svg.setPointerCapture(event.pointerId);
    dragged = true;
    line.push(here(event));
    path.setAttribute("points", line.map(point => point.join()).join(" "));
  });
  svg.addEventListener("pointerup", event => {
    if (dragged && line) chosen(places.flatMap((place, unit) => isInside(place, line) ? [unit] : []), event);
    end();
  });
  svg.addEventListener("pointercancel", end);
  // the click at the end of a drag chooses nothing more
  svg.addEventListener("click", event => {
    if (dragged) event.stopImmediatePropagation();
    dragged = false;
  }, { capture: true });
}
