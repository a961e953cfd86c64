// One or two maps that show the same region at the same scale.

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
    boxZoom: false,  // Shift with a drag chooses units
    doubleClickZoom: false,  // a click asks for a pixel
    wheelPxPerZoomLevel: 100,
  });
  element.tabIndex = 0;
  return map;
}

// Both maps' corners are at integer pixels of the screen: moved by their difference, they show the same to the pixel.
function align(leader, follower) {
  const apart = leader.getPixelBounds().min.subtract(follower.getPixelBounds().min);
  if (apart.x || apart.y) follower.panBy(apart, { animate: false });
}

function follow(leader, follower, busy) {
  const alone = action => {
    if (busy.now) return;
    busy.now = true;
    action();
    busy.now = false;
  };
  leader.on("zoomanim", ({ center, zoom }) => {
    leader.zooms = true;
    if (!follower.zooms) alone(() => follower.setView(center, zoom, { animate: true }));
  });
  leader.on("move", event => alone(() => {
    if (leader.zooms || follower.zooms) return;
    if (event.pinch) follower._move(leader.getCenter(), leader.getZoom(), { pinch: true, round: false });
    else if (leader.getZoom() === follower.getZoom()) align(leader, follower);
  }));
  leader.on("zoomend", () => {
    leader.zooms = false;
    if (follower.zooms) return;
    alone(() => {
      if (leader.getZoom() !== follower.getZoom()) {
        follower.setView(leader.getCenter(), leader.getZoom(), { animate: false });
      }
      align(leader, follower);
    });
  });
}

export function link(first, second) {
  const busy = { now: false };
  follow(first, second, busy);
  follow(second, first, busy);
  return {
    // After a change of size the center stays where it is.
    resize() {
      busy.now = true;
      for (const map of [first, second]) map.invalidateSize({ animate: false, pan: true });
      align(first, second);
      busy.now = false;
    },
  };
}

// Zooms by steps, also by those requested during the animation of an earlier one.
export function makeZoom(map, follower) {
  let wanted = null, moving = false;
  const go = zoom => {
    wanted = Math.min(map.getMaxZoom(), Math.max(map.getMinZoom(), zoom));
    moving ||= wanted !== map.getZoom();  // the animation starts in the next frame
    map.setZoom(wanted);
  };
  map.on("zoomanim", () => { moving = true; });
  map.on("zoomend", () => {
    moving = false;
    if (wanted !== null && map.getZoom() !== wanted) setTimeout(() => wanted !== null && map.setZoom(wanted));
    else wanted = null;
  });
  return {
    by: steps => go((wanted ?? map.getZoom()) + steps),
    to: go,
    // Leaflet drops other requests to a map that zooms.
    instead(action) {
      wanted = null;
      if (moving || map.zooms || follower?.zooms) setTimeout(() => this.instead(action), 20);
      else action();
    },
  };
}

// A bar between two overlaid images: dragged, or moved by arrow keys.
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
