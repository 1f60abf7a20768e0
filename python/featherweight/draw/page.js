let networks = {}, current = null;
let latest = null;     // the last answer of the current network
let busy = false, wanted = false;

// what is read aloud; the answer only when it rests, not at every stroke's every point
function say(text) {
  $("said").textContent = text;
}

function tell(trouble) {
  $("answer").textContent = trouble;
  say(trouble);
}

async function ask(path, options) {
  let response, found;
  try {
    response = await fetch(path, options);
    found = await response.json();
  } catch {
    throw new Error(response && !response.ok
      ? `The server failed (${response.status}).`
      : "The server doesn't answer. Does featherweight draw still run?");
  }
  if (!response.ok) throw new Error(`The server refused it: ${found.error}.`);
  return found;
}

// one request on its way at a time; what was drawn meanwhile is read next, as it is then
function changed() {
  wanted = true;
  if (!busy) read();
}

async function read() {
  busy = true;
  while (wanted) {
    wanted = false;
    const name = current;
    try {
      const found = await ask("/read/" + name, { method: "POST", body: bytes() });
      if (name !== current) continue;
      latest = found;
      show(found);
    } catch (error) { tell(error.message); }
  }
  busy = false;
  rest();
}

function rest() {
  if (stroke || busy || !latest) return;
  for (const p of drawn.layers.flat()) {
    p.g.setAttribute("aria-label", latest.layers ? `${p.name}: ${Number(p.value.toFixed(2))}` : p.name);
  }
  if ($("said").textContent !== $("answer").textContent) say($("answer").textContent);
}

function choose(name) {
  current = name;
  latest = null;
  chosen = null;
  build();
  forget();
  changed();
}

async function begin() {
  try { networks = await ask("/networks"); } catch (error) { tell(error.message); return; }
  for (const name of Object.keys(networks)) {
    const label = document.createElement("label"), input = document.createElement("input");
    Object.assign(input, { type: "radio", name: "network", value: name, checked: !current, autocomplete: "off" });
    current ??= name;
    input.addEventListener("change", () => choose(name));
    label.append(input, " " + name);
    $("networks").append(label);
  }
  choose(current);
}
begin();
