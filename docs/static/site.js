// Accessibility that theme and notebooks lack: names equal to visible texts, and regions that scroll by keyboard.
addEventListener("DOMContentLoaded", () => {
  for (const button of document.querySelectorAll(".search-button-field"))
    button.setAttribute("aria-label", button.textContent.trim().replace(/\s+/g, " "));
  for (const button of document.querySelectorAll("summary button")) button.remove();
  const makeFocusable = () => {
    for (const table of document.querySelectorAll(".bd-article table")) {
      if (table.scrollWidth > table.clientWidth) table.tabIndex = 0;
      else table.removeAttribute("tabindex");
    }
  };
  makeFocusable();
  addEventListener("resize", makeFocusable);
});
