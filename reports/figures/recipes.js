// Lists of recipes: a box that filters them, the first 20 until all are asked for, tables sorted by their heads.
// One filter for the page: what is typed in one box stands in all, and tables and charts show the same recipes.
const TOP = 20; // as in recipes.py
const listeners = [];
let sought = [];

function matches(text) {
  const lower = text.toLowerCase();
  return sought.every((word) => lower.includes(word));
}

// The box and the button for a list of `count` recipes or rows. `show(all)` shows them and returns [shown, matching].
function controls(count, what, show) {
  const bar = document.createElement("div");
  bar.className = "recipe-controls";
  bar.innerHTML = '<label>Filter ' + (what === "runs" ? what : "recipes") + ' <input type="search" autocomplete="off" spellcheck="false"></label><button type="button"></button><span></span>';
  const [box, button, said] = [bar.querySelector("input"), bar.querySelector("button"), bar.querySelector("span")];
  let all = false;
  const update = () => {
    const [shown, matching] = show(all);
    said.textContent = `${shown} of ${count} ${what}`;
    // Only the box being typed in speaks to those who listen to the page.
    said.setAttribute("aria-live", box === document.activeElement ? "polite" : "off");
    button.textContent = all ? `Show ${TOP}` : `Show all ${matching}`;
    button.hidden = matching <= TOP;
  };
  button.addEventListener("click", () => {
    all = !all;
    update();
  });
  let waiting;
  box.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      sought = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const listener of listeners) listener(box);
    }, 120);
  });
  listeners.push((from) => {
    if (from !== box) box.value = from.value;
    update();
  });
  return [bar, update];
}

// What a cell counts for: numbers as reports/numbers.py writes them, 3 min 20 s as seconds, a dash as nothing.
function value(text) {
  const plain = text.trim().replaceAll("\u2212", "-").replaceAll(",", "");
  const units = [...plain.matchAll(/([\d.]+) (h|min|s)\b/g)];
  if (units.length) return units.reduce((sum, [, number, unit]) => sum + number * { h: 3600, min: 60, s: 1 }[unit], 0);
  if (plain.startsWith("<")) return parseFloat(plain.slice(1)) / 2;
  const power = plain.match(/^(-?[\d.]+)\u00d710([\u2070\u00b9\u00b2\u00b3\u2074-\u2079]+)/);
  if (power) return power[1] * 10 ** [...power[2]].map((digit) => "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079".indexOf(digit)).join("");
  return parseFloat(plain);
}

function sortable(table, changed) {
  const body = table.tBodies[0];
  const original = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  const words = new Intl.Collator("en", { numeric: true });
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const next = { none: "ascending", ascending: "descending", descending: "none" }[head.getAttribute("aria-sort") ?? "none"];
      for (const other of heads) other.removeAttribute("aria-sort");
      if (next !== "none") head.setAttribute("aria-sort", next);
      const sign = next === "descending" ? -1 : 1;
      const number = head.classList.contains("number");
      const keys = new Map(original.map((row) => [row, number ? value(row.cells[column].textContent) : row.cells[column].textContent.trim()]));
      const compare = (one, other) => {
        const [a, b] = [keys.get(one), keys.get(other)];
        if (!number) return sign * words.compare(a, b);
        return isNaN(a) || isNaN(b) ? isNaN(a) - isNaN(b) : sign * (a - b); // what has no number stands last
      };
      body.append(...(next === "none" ? original : [...original].sort(compare)));
      changed();
    });
  });
}

for (const table of document.querySelectorAll("table.sorted")) {
  if (table.tBodies[0].rows.length > 2) sortable(table, () => {});
}

for (const table of document.querySelectorAll("table.recipes")) {
  const body = table.tBodies[0];
  const texts = new Map([...body.rows].map((row) => [row, (row.querySelector(".recipe") ?? row).textContent]));
  const show = (all) => {
    let matching = 0;
    let shown = 0;
    for (const row of body.rows) {
      const found = matches(texts.get(row));
      matching += found;
      row.hidden = !found || (!all && matching > TOP);
      shown += !row.hidden;
    }
    return [shown, matching];
  };
  let update = () => {};
  if (texts.size > TOP) {
    const [bar, changed] = controls(texts.size, table.dataset.rows ?? "recipes", show);
    table.closest(".scroll").before(bar);
    update = changed;
    update();
  }
  if (texts.size > 2) sortable(table, () => update());
}
