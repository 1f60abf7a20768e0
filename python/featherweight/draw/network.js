const SVG = "http://www.w3.org/2000/svg";
const FOR = "#ffd866", AGAINST = "#56b4e9", FINE = 2;  // canvas points to a unit of the picture
const NARROW = 480;    // less width than this, and than height: the layers lie below each other
const LOW = 500;       // no more height than this: neurons stand in several columns, lest they be small
const glow = $("glow").getContext("2d");

let drawn = null;      // the network's parts on the page
let focused = [0, 0];  // layer and place of the neuron that the tab key reaches
let chosen = null;     // layer and place of the neuron whose picture is shown

// How the page is held.
function held() {
  const width = $("reading").clientWidth;
  return { narrow: width < NARROW && width < innerHeight, low: innerHeight <= LOW };
}

// Where everything lies: the layers as columns from left to right or, if narrow, as rows.
function arrange(info, { narrow, low }) {
  const width = 360, height = 400;
  const layers = [], pixels = narrow ? { x: 124, y: 2, size: 112 } : { x: 6, y: 130, size: 140 };
  let along = narrow ? 158 : 200;  // the way that the signal takes
  // many layers stand closer together, lest the picture be small
  const count = info.neurons.length;
  const step = narrow ? Math.max(58, Math.min(78, 470 / count))
    : Math.max(60, Math.min(low ? 90 : 130, 650 / count));
  for (const neurons of info.neurons) {
    const many = neurons.length, last = layers.length === info.neurons.length - 1;
    const row = many > 20 || !(narrow || low) ? 20 : many > 10 ? Math.ceil(many / 2) : 10;
    const gap = narrow ? Math.min(34, (width - 8) / row)
      : Math.min(low ? 34 : 22, (height - 50) / Math.min(many, row));
    const used = Math.min(many, row), rows = Math.ceil(many / row);
    const places = neurons.map((_, j) => {
      const across = (j % row - (used - 1) / 2) * gap, on = along + Math.floor(j / row) * gap;
      return narrow ? [width / 2 + across, on] : [on, height / 2 - 10 + across];
    });
    const end = along + (rows - 1) * gap;
    const label = narrow ? [width / 2, end + (last ? 44 : 30)] : [(along + end) / 2, height - 8];
    layers.push({ places, label, gap, rows, radius: Math.min(narrow ? 12 : 9, gap * 0.42) });
    along = end + step;
  }
  const label = narrow ? [pixels.x + pixels.size + 50, 62] : [76, height - 8];
  return { pixels, layers, label, width: narrow ? width : along - step + 70, height: narrow ? along - step + 50 : height };
}

function make(kind, attributes, parent) {
  const e = document.createElementNS(SVG, kind);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  parent.append(e);
  return e;
}

function write(text, [x, y]) {
  make("text", { x, y }, $("network")).textContent = text;
}

function build() {
  const info = networks[current], svg = $("network"), how = held(), { narrow } = how;
  const { pixels, layers, label, width, height } = arrange(info, how);
  $("parameters").textContent = info.parameters.toLocaleString("en");
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  $("picture").style.maxWidth = `min(100%, ${width / height} * var(--picture))`;
  $("glow").width = FINE * width;
  $("glow").height = FINE * height;
  const image = $("pixels").style;
  image.left = `${100 * pixels.x / width}%`;
  image.top = `${100 * pixels.y / height}%`;
  image.width = `${100 * pixels.size / width}%`;
  write("784 pixels", label);
  drawn = { ...how, pixels, layers: layers.map(({ places, label, gap, rows, radius }, layer) => {
    const size = info.sizes[layer + 1], shown = size > places.length ? `${places.length} of ${size}` : size;
    write(`${shown} ${info.activation[layer]}`, label);
    return places.map(([cx, cy], j) => {
      const last = layer === layers.length - 1, neuron = info.neurons[layer][j];
      const name = last ? `output ${neuron}` : `layer ${layer + 1}, neuron ${neuron}`;
      const g = make("g", { class: "neuron", tabindex: -1, role: "button", "aria-label": name }, svg);
      make("circle", { cx, cy, r: gap / 2, class: "reach" }, g);
      const circle = make("circle", { cx, cy, r: radius, fill: "#000" }, g);
      const text = last ? make("text", narrow ? { x: cx, y: cy + 28 } : { x: cx + 24, y: cy + 5 }, svg) : null;
      if (text) text.textContent = neuron;
      text?.classList.toggle("crowded", rows > 1);  // then only the answer has room for its number
      g.addEventListener("click", () => { focus([layer, j]); seek([layer, j]); });
      g.addEventListener("keydown", (event) => move(event, layer, j));
      return { cx, cy, g, circle, text, name, neuron, value: 0, fill: "#000" };
    });
  }) };
  focused = [0, 0];
  part(focused).g.setAttribute("tabindex", 0);
  mark();
}

const part = ([layer, j]) => drawn.layers[layer][j];

// ---- what is lit
function tone(share) {
  const v = Math.min(1, Math.abs(share));
  const full = share < 0 ? [86, 180, 233] : [255, 255, 255];
  return `rgb(${full.map((c) => Math.round(c * v))})`;
}

function light(p, value, scale) {
  const fill = tone(value / scale);
  if (value < 0 !== p.value < 0) p.g.classList.toggle("negative", value < 0);
  if (fill !== p.fill) p.circle.setAttribute("fill", fill);
  p.fill = fill;
  p.value = value;
}

function show(found) {
  picture(found.pixels, grey, $("pixels"));
  drawn.layers.forEach((parts, layer) => {
    parts.forEach((p, j) => {
      light(p, found.layers?.[layer][j] ?? 0, found.scales?.[layer] ?? 1);
      p.text?.classList.toggle("best", found.digit === p.neuron);
    });
  });
  shine(found.lines ?? []);
  const image = testImage();
  $("answer").textContent = found.digit === undefined
    ? "Nothing is drawn yet."
    : `${found.digit}, ` + sureness(found.confidence)
      + (image ? ` (a test image of a ${image.label})` : "");
}

// per cents only where the outputs add up to 1
function sureness(largest) {
  return networks[current].activation.at(-1) === "softmax"
    ? `${(100 * largest).toFixed(0)} % sure` : `whose output is ${largest.toFixed(2)}`;
}

function shine(lines) {
  const { x, y, size } = drawn.pixels, one = size / 28;
  glow.setTransform(FINE, 0, 0, FINE, 0, 0);
  glow.clearRect(0, 0, glow.canvas.width, glow.canvas.height);
  lines.forEach((some, layer) => {
    for (const [from, to, share] of some) {
      const strength = Math.abs(share), end = drawn.layers[layer][to];
      const begin = layer
        ? drawn.layers[layer - 1][from]
        : { cx: x + (from % 28 + 0.5) * one, cy: y + (Math.floor(from / 28) + 0.5) * one };
      glow.strokeStyle = share > 0 ? FOR : AGAINST;
      glow.globalAlpha = 0.15 + 0.75 * strength;
      glow.lineWidth = (layer ? 0.5 : 0.3) + (layer ? 2.5 : 1) * strength;
      glow.setLineDash(share > 0 ? [] : [4, 3]);
      glow.beginPath();
      glow.moveTo(begin.cx, begin.cy);
      glow.lineTo(end.cx, end.cy);
      glow.stroke();
    }
  });
}

// ---- from neuron to neuron by the keys
function focus(at) {
  part(focused).g.setAttribute("tabindex", -1);
  focused = at;
  part(focused).g.setAttribute("tabindex", 0);
  part(focused).g.focus();
}

function move(event, layer, j) {
  const [step, hop] = STEPS[event.key] ? STEPS[event.key].map(Math.sign) : [0, 0];
  const [layers, places] = drawn.narrow ? [hop, step] : [step, hop];
  if (event.key === "Enter" || event.key === " ") seek([layer, j]);
  else if (layers && drawn.layers[layer + layers]) {
    const next = drawn.layers[layer + layers].length;
    focus([layer + layers, Math.floor((j + 0.5) / drawn.layers[layer].length * next)]);
  } else if (places && drawn.layers[layer][j + places]) focus([layer, j + places]);
  else if (!STEPS[event.key]) return;
  event.preventDefault();
}

// ---- what a neuron looks for
// dark blue against, grey for nothing, yellow for: told apart by how bright they are alone
function signed(v) {
  const [low, high] = v < 0 ? [[124, 123, 120], [0, 34, 78]] : [[124, 123, 120], [254, 232, 56]];
  return low.map((c, i) => c + (high[i] - c) * Math.abs(v));
}

function mark() {
  for (const e of document.querySelectorAll(".chosen")) {
    e.classList.remove("chosen");
    e.removeAttribute("aria-pressed");
  }
  if (!chosen) return;
  part(chosen).g.classList.add("chosen");
  part(chosen).g.setAttribute("aria-pressed", "true");
}

async function seek(at) {
  const network = current, { name, neuron } = part(at);
  chosen = at;
  mark();
  try {
    const found = await ask(`/seeks/${network}/${at[0]}/${neuron}`);
    if (chosen !== at || network !== current) return;  // another was asked for meanwhile
    const weights = found.kind === "weights", nothing = found.kind === "nothing";
    picture(found.values, weights ? signed : (v) => grey(255 * v), $("sought"));
    $("sought").hidden = nothing;
    $("caption").textContent = `${name}: ` + (weights
      ? "its weights. Ink excites it where they are yellow, calms it where they are dark blue."
      : nothing ? "no image was found that excites it." : "the image that excites it most.");
    $("sought").setAttribute("aria-label", $("caption").textContent);
    say($("caption").textContent);
    $("seeks").scrollIntoView({ block: "nearest" });
  } catch (error) { tell(error.message); }
}

function forget() {
  chosen = null;
  mark();
  $("sought").hidden = true;
  $("caption").textContent = "Click a neuron to see what it looks for.";
}

addEventListener("resize", () => {
  if (!drawn) return;
  const { narrow, low } = held();
  if (drawn.narrow === narrow && drawn.low === low) return;
  build();
  if (latest) show(latest);
  rest();
});
