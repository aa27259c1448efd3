"use strict";
(() => {
  const numbers = JSON.parse(document.getElementById("numbers").textContent);
  const slider = document.getElementById("slider");
  const reading = document.getElementById("reading");
  const mark = document.getElementById("mark");
  const show = () => {
    const radius = Number(slider.value);
    const least = Math.ceil(radius * 65536);
    const x = numbers.left + (numbers.right - numbers.left) * radius / numbers.most;
    mark.setAttribute("x1", x);
    mark.setAttribute("x2", x);
    mark.setAttribute("visibility", "visible");
    const said = numbers.runs.map(run => {
      const held = run.radii.filter(r => r >= least).length;
      const share = run.images ? 100 * held / run.images : 0;
      return `${run.name}: ${held} of ${run.images} (${share.toFixed(1)} %)`;
    });
    reading.textContent = `at ${radius.toFixed(1)}: ` + said.join("\n");
  };
  slider.addEventListener("input", show);
  document.getElementById("slide").hidden = false;
  show();

  const value = cell => {
    const given = cell.dataset.v;
    return given === undefined ? cell.textContent.trim() : Number(given);
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach(other => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...table.tBodies[0].rows];
        rows.sort((a, b) => {
          const one = value(a.cells[column]), two = value(b.cells[column]);
          const order = typeof one === "number" && typeof two === "number"
            ? one - two : String(one).localeCompare(String(two), undefined, {numeric: true});
          return down ? -order : order;
        });
        table.tBodies[0].append(...rows);
      });
    });
  }
})();
