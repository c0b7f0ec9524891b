// Draws each chart over its still picture, once it has a width: charts in closed tabs have none.
for (const place of document.querySelectorAll(".vega-chart")) {
  const specification = JSON.parse(place.querySelector("script").textContent);
  const still = place.querySelector("img");
  const canvas = document.createElement("div");
  const observer = new ResizeObserver(() => {
    if (!place.clientWidth) return;
    observer.disconnect();
    place.append(canvas);
    canvas.style.width = "100%";
    vegaEmbed(canvas, specification, { ast: true, actions: false, renderer: "svg" }).then(
      () => still.remove(),
      (error) => {
        canvas.remove();
        console.error(error);
      },
    );
  });
  observer.observe(place);
}
