"use strict";
// Draws the data in #data as charts. A chart is drawn when it is nearly visible, and again when the
// colour scheme changes.
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const config = { displayModeBar: false, responsive: true, doubleClick: "reset", showTips: false };
  const LINES = [["score", "solid"], ["reconstruction", "dash"], ["deformation", "dot"], ["found", "dashdot"]];

  // ------------------------------------------------------------------ parts of all charts

  const escapeHtml = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

  const axis = (options) => ({
    gridcolor: colour("rule"), linecolor: colour("soft"), zeroline: false, ticks: "",
    exponentformat: "e", automargin: false, ...options,
  });

  const axisTitle = (text) => ({ text, standoff: 8, font: { size: 13, color: colour("soft") } });

  const layout = (options) => ({
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false,
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("soft") },
    hoverlabel: { bgcolor: colour("paper"), bordercolor: colour("soft"), font: { color: colour("ink"), size: innerWidth < 640 ? 11 : 13 }, align: "left" },
    margin: { l: 52, r: 12, t: 10, b: 46 }, ...options,
  });

  const ofImages = data.unit === "image";
  const titles = { reconstruction: data.terms[0], deformation: data.terms[1] };

  const line = (name, dash, options) => ({
    type: "scatter", mode: "lines", line: { color: colour(name), dash, width: 2 }, ...options,
  });

  // ------------------------------------------------------------------ the timeline of a clip

  const view = { clip: 0, range: null };
  const perFrame = 1 / (data.fps || 1);
  const clip = () => data.clips[view.clip];
  const wholeClip = () => [-0.5 * perFrame, (Math.max(clip().score.length, 1) - 0.5) * perFrame];
  const frameStart = (frame) => (frame - 0.5) * perFrame;
  const timeText = (frame) => (data.fps ? `${(frame * perFrame).toFixed(1)}\u00a0s` : `${data.unit} ${frame}`);

  function rangeWithMargin(lists) {
    const known = lists.flat().filter((value) => value !== null);
    const low = known.length ? known.reduce((a, b) => Math.min(a, b)) : 0;
    const high = known.length ? known.reduce((a, b) => Math.max(a, b)) : 1;
    const margin = 0.08 * (high - low || 1);
    return [low - margin, high + margin];
  }

  // Returns frames whose neighbours have no value. They are not visible in a line.
  function isolated(values) {
    const known = (i) => values[i] !== null && values[i] !== undefined;
    return values.flatMap((_, i) => (known(i) && !known(i - 1) && !known(i + 1) ? [i] : []));
  }

  function marksAndSpans(one) {
    const rows = [["found", one.found], ["truth", one.truth]].filter(([, spans]) => spans);
    const shapes = (one.truth || []).flatMap(([start, end]) => ["y domain", "y2 domain"].map((yref) => ({
      type: "rect", layer: "below", yref, y0: 0, y1: 1, x0: frameStart(start), x1: frameStart(end),
      fillcolor: colour("shade"), line: { width: 0 },
    })));
    rows.forEach(([name, spans], i) => spans.forEach(([start, end]) => shapes.push({
      type: "rect", yref: "paper", y0: 0.385 - 0.05 * i, y1: 0.36 - 0.05 * i, x0: frameStart(start), x1: frameStart(end),
      fillcolor: colour(name), line: { color: colour(name), width: 1 },
    })));
    const annotations = rows.map(([name], i) => ({
      text: name === "found" ? "detected" : "labels", xref: "paper", x: 0, xanchor: "right", xshift: -6,
      yref: "paper", y: 0.3725 - 0.05 * i, yanchor: "middle", showarrow: false, font: { size: 11 },
    }));
    if (data.threshold !== null) {
      shapes.push({
        type: "line", xref: "paper", x0: 0, x1: 1, y0: data.threshold, y1: data.threshold,
        line: { color: colour("threshold"), dash: "dash", width: 1.5 },
      });
    }
    return { shapes, annotations };
  }

  function timeline(plot) {
    const one = clip();
    const x = one.score.map((_, frame) => frame * perFrame);
    const frames = {
      type: "scatter", mode: "lines", x, y: x.map(() => 0), customdata: x.map((_, frame) => frame), opacity: 0,
      yaxis: "y3", hovertemplate: "frame %{customdata}<extra></extra>", hoverlabel: { namelength: 0 },
    };
    const marker = (name) => ({ color: colour(name), size: 5, symbol: ofImages && name === "deformation" ? "diamond-open" : "circle" });
    const term = (name, dash, options) => line(name, dash, {
      x, y: one[name], ...(ofImages && { mode: "markers", marker: marker(name) }), hovertemplate: `${titles[name] || name} %{y:.4g}<extra></extra>`, ...options,
    });
    const dots = (name, options) => { // a separate trace, because markers for all frames would be slow
      const at = ofImages ? [] : isolated(one[name]);
      return at.length ? [{ type: "scatter", mode: "markers", x: at.map((i) => x[i]), y: at.map((i) => one[name][i]), marker: marker(name), hoverinfo: "skip", ...options }] : [];
    };
    if (one.names.length) Object.assign(frames, { customdata: one.names.map(escapeHtml), hovertemplate: "%{customdata}<extra></extra>" });
    const traces = data.fps || one.names.length ? [frames] : [];
    traces.push(
      term("score", "solid", {}),
      term("reconstruction", "solid", { yaxis: "y2", line: { color: colour("reconstruction"), width: 1.5 } }),
      term("deformation", "dash", { yaxis: "y2", line: { color: colour("deformation"), width: 1.5, dash: "7px,3px" } }),
      ...dots("score", {}), ...dots("reconstruction", { yaxis: "y2" }), ...dots("deformation", { yaxis: "y2" }),
    );
    return [traces, layout({
      ...marksAndSpans(one),
      xaxis: axis({
        range: view.range || wholeClip(), anchor: "y2", title: axisTitle(data.fps ? "time in seconds" : data.unit),
        showgrid: false, showline: true, ticks: "outside", unifiedhovertitle: { text: data.fps ? "%{x:.2f} s" : `${data.unit} %{x}` },
        showspikes: true, spikemode: "across", spikethickness: 1, spikedash: "solid", spikecolor: colour("soft"), spikesnap: "hovered data",
      }),
      yaxis: axis({ domain: [0.42, 1], range: rangeWithMargin([one.score, [data.threshold]]), fixedrange: true, title: axisTitle("score"), nticks: 6 }),
      yaxis2: axis({ domain: [0, 0.29], range: rangeWithMargin([one.reconstruction, one.deformation]), fixedrange: true, title: axisTitle(data.terms.length > 1 ? "terms" : "distance"), nticks: 4 }),
      yaxis3: { domain: [0.3, 0.41], visible: false, fixedrange: true },
      hovermode: "x unified", hoversubplots: "axis", dragmode: "zoom",
    })];
  }

  function describe() {
    const one = clip();
    const known = one.score.filter((value) => value !== null);
    const length = `${one.score.length} ${data.unit}s${data.fps ? `, ${timeText(one.score.length)}` : ""}`;
    const top = known.reduce((a, b) => Math.max(a, b), -Infinity);
    const peak = known.length ? `; highest score ${top.toPrecision(3)} at ${timeText(one.score.indexOf(top))}` : "; no score";
    const found = one.found || [];
    const rejected = found.reduce((sum, [start, end]) => sum + end - start, 0);
    const result = ofImages ? `${rejected} rejected.` : { 0: "no event detected.", 1: "1 event detected:" }[found.length] || `${found.length} events detected:`;
    const events = one.found ? result : "no threshold.";
    byId("clip-words").textContent = `${length}${peak}; ${events}`;
    byId("clip-events").replaceChildren(...(ofImages ? [] : found).map(([start, end]) => {
      const [item, button] = ["li", "button"].map((tag) => document.createElement(tag));
      button.type = "button";
      button.textContent = data.fps ? `${(start * perFrame).toFixed(1)} – ${(end * perFrame).toFixed(1)} s` : `${start} – ${end - 1}`;
      button.onclick = () => showRange(frameStart(start) - (end - start) * perFrame, frameStart(end) + (end - start) * perFrame);
      item.append(button);
      return item;
    }));
  }

  function chooseClip(index) {
    view.clip = (index + data.clips.length) % data.clips.length;
    view.range = null;
    byId("clip").value = view.clip;
    for (const button of document.querySelectorAll("[data-clip]")) {
      button.setAttribute("aria-current", Number(button.dataset.clip) === view.clip);
    }
    describe();
    if (drawn.has(byId("timeline"))) draw(byId("timeline"));
  }

  // ------------------------------------------------------------------ zoom: buttons, keys, fingers

  function visibleRange() {
    const plot = byId("timeline");
    return plot.layout ? plot.layout.xaxis.range.map(Number) : wholeClip();
  }

  function showRange(low, high) {
    const [first, last] = wholeClip();
    const width = Math.min(Math.max(high - low, 4 * perFrame), last - first);
    const start = Math.min(Math.max((low + high - width) / 2, first), last - width);
    Plotly.relayout(byId("timeline"), { "xaxis.range": [start, start + width] });
  }

  function zoom(factor) {
    const [low, high] = visibleRange();
    const middle = (low + high) / 2;
    const half = (factor * (high - low)) / 2;
    showRange(middle - half, middle + half);
  }

  function move(share) {
    const [low, high] = visibleRange();
    showRange(low + share * (high - low), high + share * (high - low));
  }

  const KEYS = {
    "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: () => showRange(...wholeClip()),
    ArrowLeft: () => move(-0.25), ArrowRight: () => move(0.25),
  };

  // One finger moves the chart, and two fingers zoom it. The chart follows the fingers.
  function addTouch(plot) {
    let [down, waiting] = [new Map(), false];
    const value = (x) => {
      const [low, high] = visibleRange();
      const { _offset: left, _length: width } = plot._fullLayout.xaxis;
      return low + ((x - plot.getBoundingClientRect().left - left) / width) * (high - low);
    };
    const anchor = () => down.forEach((finger) => { finger.value = value(finger.x); });
    const follow = () => {
      waiting = false;
      const [a, b] = [...down.values()];
      if (!a) return;
      const { _offset: left, _length: width } = plot._fullLayout.xaxis;
      const [low, high] = visibleRange();
      const scale = b && b.x !== a.x ? Math.abs((b.value - a.value) / (b.x - a.x)) : (high - low) / width;
      const start = a.value - (a.x - plot.getBoundingClientRect().left - left) * scale;
      showRange(start, start + width * scale);
    };
    plot.addEventListener("pointerdown", (event) => {
      if (event.pointerType !== "touch" || !plot._fullLayout) return;
      down.set(event.pointerId, { x: event.clientX });
      anchor();
    });
    plot.addEventListener("pointermove", (event) => {
      if (!down.has(event.pointerId)) return;
      down.get(event.pointerId).x = event.clientX;
      if (!waiting) requestAnimationFrame(follow);
      waiting = true;
    });
    for (const end of ["pointerup", "pointercancel"]) {
      addEventListener(end, (event) => {
        if (!down.has(event.pointerId)) return;
        if (waiting) follow();
        down.delete(event.pointerId);
        anchor();
      });
    }
  }

  // ------------------------------------------------------------------ the other charts

  function roc() {
    const chance = line("soft", "solid", { x: [0, 1], y: [0, 1], hoverinfo: "skip", line: { color: colour("soft"), width: 1 } });
    const curves = data.roc.map((curve, i) => {
      const [name, dash] = LINES[i % LINES.length];
      const hover = `${escapeHtml(curve.name)}<br>found %{y:.3f}<br>false positives %{x:.3f}<extra></extra>`;
      return line(name, dash, { x: curve.x, y: curve.y, hovertemplate: hover });
    });
    return [[chance, ...curves], layout({
      xaxis: axis({ range: [-0.01, 1.01], title: axisTitle("false positive rate"), nticks: 6 }),
      yaxis: axis({ range: [-0.01, 1.02], title: axisTitle("true positive rate"), nticks: 6 }),
      hovermode: "closest", dragmode: "zoom",
    })];
  }

  function alarms() {
    const { x, y } = data.alarms;
    const best = y.indexOf(y.reduce((a, b) => Math.max(a, b), 0));
    const last = x[best] || x.reduce((a, b) => Math.max(a, b), 0) || 1;
    const hover = "found %{y:.3f}<br>%{x:.4g} false alarms per hour<extra></extra>";
    return [[line("score", "solid", { x, y, mode: "lines+markers", marker: { size: 4, color: colour("score") }, hovertemplate: hover })], layout({
      xaxis: axis({ range: [-0.02 * last, 1.15 * last], title: axisTitle("false alarms per hour"), nticks: 6 }),
      yaxis: axis({ range: [-0.01, 1.02], title: axisTitle("event recall"), nticks: 6 }),
      hovermode: "closest", dragmode: "zoom",
    })];
  }

  const epochs = (curve) => [
    [line("score", "solid", { x: curve.x, y: curve.y, mode: curve.x.length < 40 ? "lines+markers" : "lines", marker: { size: 5, color: colour("score") }, hovertemplate: "epoch %{x}: %{y:.4g}<extra></extra>" })],
    layout({
      margin: { l: 46, r: 8, t: 8, b: 24 },
      xaxis: axis({
        fixedrange: true, showgrid: false, showline: true, range: [curve.x[0] - 0.5, curve.x.at(-1) + 0.5],
        ...(curve.x.length < 6 ? { tickvals: curve.x } : { nticks: 6, tickformat: "d" }),
      }),
      yaxis: axis({ nticks: 4, fixedrange: true, range: rangeWithMargin([curve.y]) }),
      hovermode: "x", dragmode: false,
    }),
  ];

  // ------------------------------------------------------------------ when to draw

  const drawn = new Set();
  const DRAW = {
    timeline, roc, alarms,
    losses: (plot) => epochs(data.losses[plot.dataset.index]),
    memory: (plot) => epochs(data.memory[plot.dataset.index]),
  };

  function draw(plot) {
    drawn.add(plot);
    const made = Plotly.react(plot, ...DRAW[plot.dataset.chart](plot), config);
    if (plot.dataset.chart === "timeline" && !plot.dataset.ready) {
      plot.dataset.ready = "yes";
      made.then(() => plot.on("plotly_relayout", () => { view.range = visibleRange(); }));
    }
  }

  // Touch scrolls the page and zooms the timeline (above). Plotly would read both as its own drags and
  // double clicks. It therefore gets no touch events, only the mouse events that follow a tap.
  const hideFromPlotly = (event) => { if (event.target.closest("[data-chart]")) event.stopPropagation(); };

  function drawWhenNear() {
    addEventListener("touchstart", hideFromPlotly, { capture: true, passive: true });
    const near = new IntersectionObserver((entries) => {
      for (const entry of entries.filter((each) => each.isIntersecting)) {
        near.unobserve(entry.target);
        draw(entry.target);
      }
    }, { rootMargin: "300px" });
    document.querySelectorAll("[data-chart]").forEach((plot) => near.observe(plot));
    const redraw = () => drawn.forEach(draw);
    for (const query of ["(prefers-color-scheme: dark)", "print"]) matchMedia(query).addEventListener("change", redraw);
    addEventListener("beforeprint", () => document.querySelectorAll("[data-chart]").forEach(draw));
  }

  function setUpClips() {
    const plot = byId("timeline");
    byId("clip").onchange = (event) => chooseClip(Number(event.target.value));
    byId("previous").onclick = () => chooseClip(view.clip - 1);
    byId("next").onclick = () => chooseClip(view.clip + 1);
    byId("zoom-in").onclick = KEYS["+"];
    byId("zoom-out").onclick = KEYS["-"];
    byId("reset").onclick = KEYS[0];
    const thumbnail = (button) => { button.onclick = () => chooseClip(Number(button.dataset.clip)); };
    document.querySelectorAll("[data-clip]").forEach(thumbnail);
    plot.addEventListener("keydown", (event) => {
      if (!KEYS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      KEYS[event.key]();
    });
    addTouch(plot);
    chooseClip(Math.max(data.clips.findIndex((one) => (one.found || []).length), 0));
  }

  if (data.clips.length) setUpClips();
  drawWhenNear();
})();
