// Sorts the table of pairs when a column heading is clicked. Without it the page is complete, best
// pair first.
"use strict";
for (const table of document.querySelectorAll("table.pairs")) {
  const heads = [...table.querySelectorAll("tr.heads th")];
  const sort = (column, down) => {
    const worth = (row) => {
      const cell = row.cells[column];
      const text = cell.dataset.sort ?? cell.textContent;
      const number = Number(text);
      return text === "" ? null : Number.isNaN(number) ? text : number;
    };
    const compare = (a, b) => {
      if (a === null || b === null) return (a === null) - (b === null);
      const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
      return down ? -order : order;
    };
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => compare(worth(a), worth(b)));
    table.tBodies[0].append(...rows);
    for (const head of heads) head.removeAttribute("aria-sort");
    heads[column].setAttribute("aria-sort", down ? "descending" : "ascending");
  };
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const before = head.getAttribute("aria-sort");
      // The first click sorts figures from the greatest, and names and ranks from the least.
      const falls = head.classList.contains("number") && column > 0;
      sort(column, before ? before === "ascending" : falls);
    });
  });
}
