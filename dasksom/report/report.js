"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") !== "descending";
    const value = row => row.cells[column].dataset.value;
    const compare = (a, b) => value(a).localeCompare(value(b), "en", { numeric: !value(a).startsWith("#") });
    const numbers = [...body.rows].every(row => value(row) !== "" && !isNaN(value(row)));
    const order = numbers ? (a, b) => value(a) - value(b) : compare;
    const rows = [...body.rows].sort((a, b) => (down ? -1 : 1) * order(a, b));
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    body.append(...rows);
  }));
}
