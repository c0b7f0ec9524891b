// Draws each chart over its still picture when it comes near the screen: charts in closed tabs wait until they open.
const LEGEND = 28; // recipes that colours and dashes tell apart (palette.py)
const BANDS = 3; // as BANDED in encoding.py
const NARROW = 520; // px; labels of rows stand above the rows there

// What is drawn for white paper, on a dark page. Colours of recipes stay but for those too dark to be seen.
const DARK = {
  "#23282e": "#e6e8eb", "#4a525b": "#b6bfc8", "#5b6470": "#a3adb8", "#7a828c": "#98a1ab", "#c9ced4": "#56606a",
  "#eceef0": "#2b3138", "#eaf3f8": "#17303f", "#f5f7f9": "#20262c", "#c9d4dc": "#3a4149", "#0072b2": "#3d9bd6",
  "#0b4f7d": "#4da3d9", "#084a75": "#b3dbf5", "#9aa3ad": "#7a828c", white: "#16191d",
};
const LISTS = new Set(["domain", "sort", "values", "datasets", "title", "field", "text"]);

function darkened(value, name) {
  if (typeof value === "string") return DARK[value] ?? value;
  if (value === null || typeof value !== "object" || LISTS.has(name)) return value;
  if (Array.isArray(value)) return value.map((each) => darkened(each));
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, darkened(each, key)]));
}

// Quarto's pages have a switch; others follow the system.
const system = matchMedia("(prefers-color-scheme: dark)");
function isDark() {
  const { classList } = document.body;
  if (classList.contains("quarto-light") || classList.contains("quarto-dark")) return classList.contains("quarto-dark");
  return system.matches;
}

// The rows that packing.py made columns of.
function unpacked(data, recipes) {
  if (Array.isArray(data)) return data;
  const columns = Object.entries(data.columns).map(([name, column]) => {
    if (Array.isArray(column)) return [name, (at) => column[at]];
    if (column.recipes) return [name, (at) => recipes.labels[column.recipes[at]]];
    return [name, (at) => column.levels[column.codes[at]]];
  });
  const full = recipes && new Map(recipes.labels.map((label, at) => [label, recipes.names[at]]));
  return Array.from({ length: data.rows }, (_, at) => {
    const row = {};
    for (const [name, get] of columns) {
      const found = get(at);
      if (found !== null) row[name] = found;
    }
    if (full && "recipe" in row) row.full = full.get(row.recipe);
    return row;
  });
}

// A copy of a specification in which `change` may replace any object.
function walked(value, change) {
  if (Array.isArray(value)) return value.map((each) => walked(each, change));
  if (value === null || typeof value !== "object") return value;
  const replaced = change(value);
  if (replaced !== undefined) return replaced;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, walked(each, change)]));
}

// For each of these places, the place whose colour and dash it has: its own, or, where an earlier recipe here has the same,
// one that none has.
function painted(places, { colours, dashes }) {
  if (places.length > LEGEND) return places;
  const look = (at) => `${colours[at]} ${dashes[at]}`;
  const free = new Map(colours.map((_, at) => [look(at), at]));
  const taken = new Set(places.map(look));
  for (const each of taken) free.delete(each);
  const seen = new Set();
  return places.map((at) => {
    if (!seen.has(look(at))) {
      seen.add(look(at));
      return at;
    }
    const [[other, like]] = free;
    free.delete(other);
    return like;
  });
}

// The specification for the recipes at these places.
function chosen(specification, rows, known, places) {
  const { recipes, spans } = known;
  const kept = places.map((at) => recipes.labels[at]);
  const among = new Set(kept);
  const paint = painted(places, recipes);
  const lists = {
    labels: kept,
    colours: paint.map((at) => recipes.colours[at]),
    dashes: paint.map((at) => recipes.dashes[at]),
    banded: kept.slice(0, BANDS),
  };
  let filled = walked(specification, (value) => {
    if (typeof value.recipes === "string") return lists[value.recipes];
    if (value.name === "span" && spans) return { ...value, value: places.every((at) => at < TOP) ? spans.leading : spans.all };
    return undefined;
  });
  if (places.length > LEGEND) {
    // A legend of hundreds is as long as the chart: lines are faint, and one that is clicked stands out.
    filled = walked(filled, (value) => {
      if (value.bind === "legend") return { ...value, bind: undefined };
      if (value.legend?.values) return { ...value, legend: null };
      if (value.condition?.param && value.condition.value > value.value) {
        return { condition: { ...value.condition, empty: false }, value: 0.3 };
      }
      return undefined;
    });
  }
  const data = Object.entries(rows).map(([name, each]) => [name, each.filter((row) => !("recipe" in row) || among.has(row.recipe))]);
  const height = known.height ? known.height[0] + known.height[1] * places.length : filled.height;
  return { ...filled, height, datasets: Object.fromEntries(data) };
}

// For a narrow place: labels of rows above them, legends in one column.
function narrowed(specification, known, width) {
  const columns = (wide) => Math.max(1, Math.floor((wide * width) / 760));
  const filled = walked(specification, (value) =>
    value.values && value.columns ? { ...value, columns: columns(value.columns) } : undefined,
  );
  if (!known.rows) return filled;
  const labels = { labelAlign: "left", labelBaseline: "bottom", labelPadding: 0, labelOffset: -9, labelLimit: width, ticks: false, domain: false };
  return { ...filled, height: (filled.height * 46) / 30, config: { ...filled.config, axisYDiscrete: labels } };
}

for (const place of document.querySelectorAll(".vega-chart")) {
  const { datasets = {}, usermeta: known = {}, ...specification } = JSON.parse(place.querySelector("script").textContent);
  let rows, view, narrow, dark;
  let places = null;
  const canvas = document.createElement("div");
  canvas.style.width = "100%";
  const draw = () => {
    rows ??= Object.fromEntries(Object.entries(datasets).map(([name, data]) => [name, unpacked(data, known.recipes)]));
    const width = place.clientWidth;
    narrow = width < NARROW;
    let drawn = places ? chosen(specification, rows, known, places) : { ...specification, datasets: rows };
    if (narrow) drawn = narrowed(drawn, known, width);
    dark = isDark();
    if (dark) drawn = darkened(drawn);
    place.classList.toggle("dark", dark);
    if (!canvas.isConnected) place.append(canvas);
    view?.finalize();
    vegaEmbed(canvas, drawn, { ast: true, actions: false, renderer: "svg" }).then(
      (made) => {
        view = made;
        place.querySelector("img")?.remove();
        const box = place.parentElement;
        // The keyboard can scroll what it can reach.
        if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      },
      (error) => {
        canvas.remove();
        console.error(error);
      },
    );
  };
  let near = false;
  let due = true;
  const redraw = () => {
    due = true;
    if (near && place.clientWidth) {
      due = false;
      draw();
    }
  };
  if (known.recipes) {
    const { labels, names } = known.recipes;
    const [bar, update] = controls(labels.length, "recipes", (all) => {
      const found = labels.map((_, at) => at).filter((at) => matches(`${names[at]} ${labels[at]}`));
      places = all ? found : found.slice(0, TOP);
      place.hidden = !places.length;
      redraw();
      return [places.length, found.length];
    });
    place.before(bar);
    update();
  }
  const recoloured = () => {
    if (rows && !due && dark !== isDark()) redraw();
  };
  system.addEventListener("change", recoloured);
  new MutationObserver(recoloured).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  new IntersectionObserver(([entry]) => {
    near = entry.isIntersecting;
    if (near && due) redraw();
  }, { rootMargin: "400px" }).observe(place);
  new ResizeObserver(() => {
    if (rows && !due && place.clientWidth && narrow !== place.clientWidth < NARROW) redraw();
  }).observe(place);
}
