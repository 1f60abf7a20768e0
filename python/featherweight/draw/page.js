"use strict";
const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const CANVAS = 140, MOST = 160, COLUMN = 20;
const pad = $("pad"), ink = pad.getContext("2d", { willReadFrequently: true });
const small = document.createElement("canvas");
small.width = small.height = CANVAS;
const shrink = small.getContext("2d", { willReadFrequently: true });

let networks = {}, current = "relu";
let strokes = [];      // of points [x, y], or a test image
let stroke = null, waiting = false, busy = false, wanted = false;
let drawn = null;      // the network's parts on the page
let chosen = null;     // [layer, neuron]

// ---- the drawing
function paint() {
  ink.fillStyle = "#000";
  ink.fillRect(0, 0, 280, 280);
  ink.lineCap = ink.lineJoin = "round";
  ink.strokeStyle = "#fff";
  ink.lineWidth = 22;
  for (const s of strokes) {
    if (s.pixels) { image(ink, s.pixels, 280, (v) => [v, v, v]); continue; }
    ink.beginPath();
    ink.moveTo(s[0][0], s[0][1] + 0.01);
    for (const [x, y] of s) ink.lineTo(x, y);
    ink.stroke();
  }
}

function image(context, values, size, colour) {
  const one = document.createElement("canvas");
  one.width = one.height = 28;
  const c = one.getContext("2d"), data = c.createImageData(28, 28);
  values.forEach((v, i) => { data.data.set([...colour(v), 255], 4 * i); });
  c.putImageData(data, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(one, 0, 0, size, size);
}

function bytes() {
  const only = strokes.length === 1 && strokes[0].pixels;
  if (only) return new Uint8Array(strokes[0].pixels);
  shrink.drawImage(pad, 0, 0, CANVAS, CANVAS);
  const rgba = shrink.getImageData(0, 0, CANVAS, CANVAS).data;
  return Uint8Array.from({ length: CANVAS * CANVAS }, (_, i) => rgba[4 * i]);
}

// at most one request a frame and one on its way; the last state is always read
function changed() {
  wanted = true;
  if (!waiting) { waiting = true; requestAnimationFrame(send); }
}

async function send() {
  waiting = false;
  if (busy) return;
  busy = true;
  while (wanted) {
    wanted = false;
    paint();
    const name = current, begun = performance.now();
    try {
      const response = await fetch("/read/" + name, { method: "POST", body: bytes() });
      const found = await response.json();
      if (!response.ok) throw new Error(found.error);
      window.lastAnswer = { ...found, milliseconds: performance.now() - begun };
      if (name === current) show(found);
    } catch (error) {
      $("answer").textContent = "The network can't be reached: " + error.message;
    }
  }
  busy = false;
}

function place(event) {
  const box = pad.getBoundingClientRect();
  return [(event.clientX - box.left) * 280 / box.width, (event.clientY - box.top) * 280 / box.height];
}

pad.addEventListener("pointerdown", (event) => {
  pad.setPointerCapture(event.pointerId);
  stroke = [place(event)];
  strokes.push(stroke);
  changed();
});
pad.addEventListener("pointermove", (event) => {
  if (!stroke) return;
  for (const e of event.getCoalescedEvents?.() ?? [event]) stroke.push(place(e));
  changed();
});
for (const end of ["pointerup", "pointercancel"]) pad.addEventListener(end, () => { stroke = null; });

// the arrow keys move a pen, which draws while the space bar is down
const pen = { x: 140, y: 60, down: false };
pad.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: [-8, 0], ArrowRight: [8, 0], ArrowUp: [0, -8], ArrowDown: [0, 8] }[event.key];
  if (event.key === " ") {
    if (!pen.down) { pen.down = true; strokes.push([[pen.x, pen.y]]); changed(); }
  } else if (step) {
    pen.x = Math.min(280, Math.max(0, pen.x + step[0]));
    pen.y = Math.min(280, Math.max(0, pen.y + step[1]));
    if (pen.down) { strokes.at(-1).push([pen.x, pen.y]); changed(); }
  } else return;
  event.preventDefault();
});
pad.addEventListener("keyup", (event) => { if (event.key === " ") pen.down = false; });

$("clear").addEventListener("click", () => { strokes = []; changed(); });
$("undo").addEventListener("click", () => { strokes.pop(); changed(); });
$("load").addEventListener("click", async () => {
  const found = await (await fetch("/digit/" + Math.floor(Math.random() * 2000))).json();
  strokes = [found];
  changed();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "z" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); $("undo").click(); }
});

// ---- the network
function make(kind, attributes, parent) {
  const e = document.createElementNS(SVG, kind);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  parent.append(e);
  return e;
}

function build() {
  const info = networks[current], svg = $("network");
  $("parameters").textContent = info.parameters.toLocaleString("en");
  svg.replaceChildren();
  const height = 400, pixels = make("g", {}, svg), lines = make("g", {}, svg);
  const squares = Array.from({ length: 784 }, (_, i) => make("rect", {
    x: 6 + (i % 28) * 5, y: 130 + Math.floor(i / 28) * 5, width: 5, height: 5, fill: "#000" }, pixels));
  make("rect", { x: 6, y: 130, width: 140, height: 140, fill: "none", stroke: "#3a3d42" }, pixels);
  let x = 200;
  const layers = info.sizes.slice(1).map((size, layer) => {
    const last = layer === info.sizes.length - 2, many = Math.min(size, MOST);
    const rows = Math.min(many, COLUMN), gap = Math.min(22, (height - 50) / rows);
    const parts = Array.from({ length: many }, (_, j) => {
      const cx = x + Math.floor(j / COLUMN) * 14, cy = 200 + (j % COLUMN - (rows - 1) / 2) * gap;
      const name = last ? `output ${j}` : `layer ${layer + 1}, neuron ${j}`;
      const g = make("g", { class: "neuron", tabindex: 0, role: "button", "aria-label": name }, svg);
      const circle = make("circle", { cx, cy, r: Math.min(9, gap * 0.42), fill: "#000" }, g);
      const look = () => seek(layer, j, name, g);
      g.addEventListener("click", look);
      g.addEventListener("keydown", (e) => {
        if (e.key === "Enter" || e.key === " ") { e.preventDefault(); look(); }
      });
      const text = last ? make("text", { x: cx + 24, y: cy + 4 }, svg) : null;
      if (text) text.textContent = j;
      return { cx, cy, circle, text };
    });
    make("text", { x, y: 392 }, svg).textContent = `${size} ${info.activation[layer]}`;
    x += 130 + Math.floor((many - 1) / COLUMN) * 14;
    return parts;
  });
  make("text", { x: 76, y: 392 }, svg).textContent = "784 pixels";
  svg.setAttribute("viewBox", `0 0 ${x - 60} 400`);
  drawn = { squares, layers, lines };
  $("seeks").hidden = true;
}

function grey(share) {
  const v = Math.round(255 * Math.min(1, Math.max(0, share)));
  return `rgb(${v},${v},${v})`;
}

function show(found) {
  found.pixels.forEach((v, i) => drawn.squares[i].setAttribute("fill", grey(v / 255)));
  drawn.lines.replaceChildren();
  drawn.layers.forEach((parts, layer) => {
    const values = found.layers?.[layer] ?? [], top = Math.max(1e-9, ...values.map(Math.abs));
    const scale = networks[current].activation[layer] === "relu" ? top : 1;
    parts.forEach((part, j) => {
      const v = values[j] ?? 0;
      part.circle.setAttribute("fill", grey(Math.abs(v) / scale));
      part.circle.dataset.value = v;
      part.text?.classList.toggle("best", found.digit === j);
    });
  });
  (found.lines ?? []).forEach((some, layer) => {
    for (const [from, to, strength] of some) {
      const a = drawn.layers[layer][from], b = drawn.layers[layer + 1][to];
      if (!a || !b || Math.abs(strength) < 0.05) continue;
      make("line", { x1: a.cx, y1: a.cy, x2: b.cx, y2: b.cy, "stroke-width": 0.5 + 2.5 * Math.abs(strength),
        stroke: strength > 0 ? "#ffd866" : "#56b4e9", "stroke-opacity": 0.15 + 0.75 * Math.abs(strength),
        "stroke-dasharray": strength > 0 ? "none" : "4 3" }, drawn.lines);
    }
  });
  $("answer").textContent = found.digit === undefined
    ? "Nothing is drawn yet."
    : `${found.digit}, ${(100 * found.confidence).toFixed(0)} % sure`;
}

async function seek(layer, neuron, name, element) {
  const found = await (await fetch(`/seeks/${current}/${layer}/${neuron}`)).json();
  for (const e of document.querySelectorAll(".chosen")) e.classList.remove("chosen");
  element.classList.add("chosen");
  // orange for, blue against, black for nothing: told apart by brightness, too
  const colour = (v) => v > 0 ? [255 * v, 216 * v, 102 * v] : [-50 * v, -110 * v, -170 * v];
  image($("sought").getContext("2d"), found.values, 140, colour);
  const what = found.kind === "weights"
    ? "its weights: it is excited by ink where they are yellow, calmed where they are blue."
    : "the image that excites it most.";
  $("caption").textContent = `${name}: ${what}`;
  $("sought").setAttribute("aria-label", $("caption").textContent);
  $("seeks").hidden = false;
}

async function begin() {
  networks = await (await fetch("/networks")).json();
  current = Object.keys(networks)[0];
  for (const name of Object.keys(networks)) {
    const label = document.createElement("label"), input = document.createElement("input");
    Object.assign(input, { type: "radio", name: "network", value: name, checked: name === current });
    input.addEventListener("change", () => { current = name; build(); changed(); });
    label.append(input, " " + name);
    $("networks").append(label);
  }
  build();
  paint();
  changed();
}
begin();
