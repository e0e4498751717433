// Draws each [data-plot] with uPlot in the colours of the page. Without this file its table is open instead.
(() => {
  const colour = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
  const drawn = [];

  function draw(place) {
    const told = JSON.parse(place.dataset.plot);
    const step = told.at[1] - told.at[0];
    const axis = { stroke: colour("ink-soft"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: "12px sans-serif" };
    const bars = uPlot.paths.bars({ size: [0.7, 28], radius: 0.15 });
    const options = {
      width: Math.max(200, place.clientWidth),
      height: 180,
      tzDate: seconds => uPlot.tzDate(new Date(seconds * 1e3), "Etc/UTC"),
      cursor: { y: false, drag: { x: false, y: false } },
      legend: { live: true },
      scales: { x: { range: (_, low, high) => [low - step / 2, high + step / 2] }, y: { range: (_, low, high) => [0, Math.max(1, high * 1.1)] } },
      axes: [
        { ...axis, grid: { show: false }, values: (_, at) => at.map(one => day.format(one * 1e3)), incrs: [1, 2, 3, 7, 14, 28].map(n => n * 86400) },
        { ...axis, size: 44, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 50000, 100000] },
      ],
      series: [
        { label: told.per, value: (_, at) => (at == null ? "–" : day.format(at * 1e3)) },
        ...told.series.map(one => ({
          label: one.label,
          stroke: colour(one.tone),
          fill: colour(one.tone),
          width: 1,
          paths: bars,
          points: { show: false },
          value: (_, n, __, at) => (at == null ? "–" : String(one.values[at])),
        })),
      ],
    };
    place.replaceChildren();
    place.classList.add("drawn");
    return new uPlot(options, [told.at, ...told.series.map(one => one.tops.map(n => n || null))], place);
  }

  function start() {
    for (const place of document.querySelectorAll("[data-plot]")) {
      const table = place.parentElement.querySelector("details");
      if (table) table.open = false;
      const one = { place, plot: draw(place) };
      drawn.push(one);
      new ResizeObserver(() => one.plot.setSize({ width: Math.max(200, place.clientWidth), height: 180 })).observe(place);
    }
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      for (const one of drawn) { one.plot.destroy(); one.plot = draw(one.place); }
    });
  }
  start();
})();
