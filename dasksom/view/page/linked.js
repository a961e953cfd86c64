// One or two maps that show the same place at the same scale.

// x to the right and y down, in pixels of the image; zoom 0 is one to one
const crs = () => L.Util.extend({}, L.CRS.Simple, { transformation: L.transformation(1, 0, 1, 0) });

export function makeMap(element, about, calm) {
  const map = L.map(element, {
    crs: crs(),
    minZoom: -about.steps,
    maxZoom: 6,
    zoomSnap: 0.25,
    zoomControl: false,
    attributionControl: false,
    keyboard: false,  // the page's own keys move both
    fadeAnimation: false,
    zoomAnimation: !calm,
    inertia: !calm,
    maxBounds: L.latLngBounds([[-about.height, -about.width], [2 * about.height, 2 * about.width]]),
    maxBoundsViscosity: 0.8,
    doubleClickZoom: false,  // a click asks for a pixel
    wheelPxPerZoomLevel: 100,
  });
  element.tabIndex = 0;
  return map;
}

function follow(leader, follower, busy) {
  leader.on("zoomanim", ({ center, zoom }) => {
    leader.zooms = true;
    if (busy.now || follower.zooms) return;
    busy.now = true;
    follower.setView(center, zoom, { animate: true });
    busy.now = false;
  });
  leader.on("move", event => {
    if (busy.now || leader.zooms || follower.zooms) return;
    busy.now = true;
    if (event.pinch) follower._move(leader.getCenter(), leader.getZoom(), { pinch: true, round: false });
    else if (leader.getZoom() === follower.getZoom()) {
      follower.setView(leader.getCenter(), leader.getZoom(), { animate: false });
    }
    busy.now = false;
  });
  leader.on("zoomend", () => {
    leader.zooms = false;
    if (busy.now || follower.zooms || leader.getZoom() === follower.getZoom()) return;
    busy.now = true;
    follower.setView(leader.getCenter(), leader.getZoom(), { animate: false });
    busy.now = false;
  });
}

export function link(first, second) {
  const busy = { now: false };
  follow(first, second, busy);
  follow(second, first, busy);
}

// A bar between two images that lie on each other: dragged, or moved by arrow keys.
export function makeDivider(divider, views) {
  const set = share => {
    const percent = Math.min(100, Math.max(0, share));
    views.style.setProperty("--at", `${percent}%`);
    divider.setAttribute("aria-valuenow", Math.round(percent));
    divider.setAttribute("aria-valuetext", `${Math.round(percent)} % original`);
  };
  divider.addEventListener("pointerdown", event => {
    divider.setPointerCapture(event.pointerId);
    event.preventDefault();
    divider.focus();
  });
  divider.addEventListener("pointermove", event => {
    if (!divider.hasPointerCapture(event.pointerId)) return;
    const { left, width } = views.getBoundingClientRect();
    set(100 * (event.clientX - left) / width);
  });
  divider.addEventListener("keydown", event => {
    const steps = { ArrowLeft: -2, ArrowRight: 2, ArrowDown: -2, ArrowUp: 2, PageDown: -10, PageUp: 10 };
    const now = Number(divider.getAttribute("aria-valuenow"));
    const next = { Home: 0, End: 100 }[event.key] ?? (event.key in steps ? now + steps[event.key] : null);
    if (next === null) return;
    event.preventDefault();
    event.stopPropagation();
    set(next);
  });
  set(50);
  return set;
}
