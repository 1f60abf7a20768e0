const $ = (id) => document.getElementById(id);
const PAD = 280, CANVAS = 140, PEN = 22, STEP = 8, NEAR = 2;
const STEPS = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
const pad = $("pad"), ink = pad.getContext("2d", { willReadFrequently: true });
const small = document.createElement("canvas");
small.width = small.height = CANVAS;
const shrink = small.getContext("2d", { willReadFrequently: true });

let strokes = [];      // each of points [x, y], or a test image {pixels, label}; never changed but at its end
let past = [];         // what strokes were, for undo
let turn = 0;          // counts what the user does: a test image that comes after more was done is dropped
let stroke = null;     // the one that is being drawn
let hand = null;       // who draws it: a pointer's id, or "keys"
const pen = { x: 140, y: 60 };  // of the keys

ink.lineCap = "round";
ink.strokeStyle = "#fff";
ink.lineWidth = PEN;
ink.imageSmoothingEnabled = false;

// Piece by piece, as it was drawn: a stroke that is painted anew gives the same pixels.
function trace([x, y], [u, v]) {
  ink.beginPath();
  ink.moveTo(x, y);
  ink.lineTo(u, v + 0.01);
  ink.stroke();
}

function paint() {
  ink.fillRect(0, 0, PAD, PAD);
  for (const s of strokes) {
    if (s.pixels) ink.drawImage(picture(s.pixels, grey), 0, 0, PAD, PAD);
    else s.forEach((point, i) => trace(s[Math.max(0, i - 1)], point));
  }
}

const grey = (v) => [v, v, v];

// 784 values on a canvas of 28 x 28
function picture(values, colour, canvas = document.createElement("canvas")) {
  canvas.width = canvas.height = 28;
  const context = canvas.getContext("2d"), image = context.createImageData(28, 28);
  for (let i = 0; i < 784; i++) {
    const [r, g, b] = colour(values[i]);
    image.data[4 * i] = r;
    image.data[4 * i + 1] = g;
    image.data[4 * i + 2] = b;
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

function testImage() {
  return strokes.length === 1 && strokes[0].pixels ? strokes[0] : null;
}

// what the server reads: a test image as it is, else the drawing
function bytes() {
  if (testImage()) return new Uint8Array(strokes[0].pixels);
  shrink.drawImage(pad, 0, 0, CANVAS, CANVAS);
  const rgba = shrink.getImageData(0, 0, CANVAS, CANVAS).data;
  const found = new Uint8Array(CANVAS * CANVAS);
  for (let i = 0; i < found.length; i++) found[i] = rgba[4 * i];
  return found;
}

function become(next) {
  past.push(strokes);
  strokes = next;
  paint();
  changed();
}

function start(point, by) {
  stroke = [point];
  hand = by;
  turn++;
  become([...strokes, stroke]);
}

function extend(point) {
  const last = stroke.at(-1);
  if (Math.hypot(point[0] - last[0], point[1] - last[1]) < NEAR) return;
  stroke.push(point);
  trace(last, point);
}

function lift() {
  if (!stroke) return;
  stroke = hand = null;
  showPen();
  rest();
}

// Where on the pad pointers are; it may have been scrolled since the last event.
function places(events) {
  const box = pad.getBoundingClientRect();
  return events.map((e) => [(e.clientX - box.left) * PAD / box.width, (e.clientY - box.top) * PAD / box.height]);
}

pad.addEventListener("pointerdown", (event) => {
  if (stroke || event.button !== 0) return;
  pad.setPointerCapture(event.pointerId);
  $("pen").hidden = true;
  start(places([event])[0], event.pointerId);
});
pad.addEventListener("pointermove", (event) => {
  if (hand !== event.pointerId) return;
  const all = event.getCoalescedEvents?.() ?? [];
  places(all.length ? all : [event]).forEach(extend);
  changed();
});
for (const end of ["pointerup", "pointercancel"]) {
  pad.addEventListener(end, (event) => { if (hand === event.pointerId) lift(); });
}

// the arrow keys move a pen, which draws while the space bar is down
function showPen() {
  const mark = $("pen");
  mark.style.left = `${100 * pen.x / PAD}%`;
  mark.style.top = `${100 * pen.y / PAD}%`;
  mark.classList.toggle("down", hand === "keys");
}

pad.addEventListener("keydown", (event) => {
  const step = STEPS[event.key];
  if (!step && event.key !== " ") return;
  event.preventDefault();
  if (step) {
    pen.x = Math.min(PAD, Math.max(0, pen.x + step[0]));
    pen.y = Math.min(PAD, Math.max(0, pen.y + step[1]));
    if (hand === "keys") { extend([pen.x, pen.y]); changed(); }
  } else if (!stroke) start([pen.x, pen.y], "keys");
  showPen();
  $("pen").hidden = false;
});
pad.addEventListener("keyup", (event) => { if (event.key === " " && hand === "keys") lift(); });
pad.addEventListener("focus", () => { showPen(); $("pen").hidden = !pad.matches(":focus-visible"); });
pad.addEventListener("blur", () => { $("pen").hidden = true; if (hand === "keys") lift(); });

$("clear").addEventListener("click", () => {
  lift();
  turn++;
  if (strokes.length) become([]);
});
$("undo").addEventListener("click", () => {
  if (stroke) return;  // what isn't finished can't be undone
  turn++;
  if (!past.length) return;
  strokes = past.pop();
  paint();
  changed();
});
$("load").addEventListener("click", async () => {
  lift();
  const mine = ++turn;
  try {
    const found = await ask("/digit/" + Math.floor(Math.random() * 2000));
    if (mine === turn) become([found]);
  } catch (error) { if (mine === turn) tell(error.message); }
});
document.addEventListener("keydown", (event) => {
  // Caps Lock makes it a capital; with Shift it redoes elsewhere, and here does nothing
  if (event.key.toLowerCase() !== "z" || !(event.ctrlKey || event.metaKey) || event.shiftKey) return;
  event.preventDefault();
  $("undo").click();
});
paint();
