// The page: sends a file to the server and shows the response. Text from files is inserted as text, never as HTML.
import { drawBar, drawHistogram } from "./charts.js";
import { color, css, cssColor } from "./colors.js";
import { addControls } from "./drawing/controls.js";
import { Scene } from "./drawing/scene.js";
import { cross, dot, unit } from "./drawing/vectors.js";
import { toPng } from "./picture.js";
import { askTypes, unnamedTypes } from "./types.js";

const $ = (id) => document.getElementById(id);
const digits = (value) => value.toFixed(3);
let about = {};
let result = null;
let scene = null;
let chosen = [null, null]; // ends of the range of colors, null for that of the values; they stay for the next files

async function start() {
  try {
    scene = new Scene($("atoms"));
    addControls(scene, (index) => { $("atom").textContent = describe(index); });
  } catch (error) {
    showError(error.message);
  }
  about = await request("about");
  const species = about.species.join(", ");
  $("model").textContent =
    `${about.name}${about.model === about.name ? "" : ` (${about.model})`}, version ${about.version} · species ${species} · cutoff ${about.cutoff} Å`;
  $("limits").textContent =
    `At most ${about.max_atoms.toLocaleString("en")} atoms of ${species} and ${Math.floor(about.max_bytes / 2 ** 20)} MiB; ` +
    "the last of several frames is used.";
  $("file").accept = about.suffixes.join(",");
  $("example").hidden = !about.example;
  $("picture").hidden = !scene;
}

async function request(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("the server does not respond");
  }
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

async function predict(file, species = "") {
  const page = document.documentElement.dataset;
  if (page.state === "busy") return;
  $("message").hidden = $("types").hidden = true;
  page.state = "busy";
  $("working").textContent = `Reading ${file.name} and predicting its barriers …`;
  $("working").hidden = false;
  let [state, types] = ["ready", null];
  try {
    if (file.size > about.max_bytes) throw new Error(`${file.name}: larger than ${about.max_bytes} bytes`);
    const query = new URLSearchParams({ name: file.name, species });
    show(await request(`structures?${query}`, { method: "POST", body: file }));
  } catch (error) {
    types = species ? null : unnamedTypes(error.message);
    state = types ? "asking" : "error";
    if (!types) showError(error.message);
  }
  $("working").hidden = true;
  page.state = state;
  if (!types) return;
  const symbols = await askTypes(file.name, types, about.species);
  if (symbols) await predict(file, symbols.join(","));
  else if (page.state === "asking") page.state = result ? "ready" : "empty";
}

async function openExample() {
  const response = await fetch("example").catch(() => null);
  if (response?.ok) await predict(new File([await response.blob()], about.example));
  else showError("the server does not respond");
}

function showError(message) {
  $("message").textContent = message;
  $("message").hidden = false;
}

function show(answer) {
  result = answer;
  const values = result.energy_barrier;
  document.querySelector("main").classList.add("ready");
  offerColumns();
  scene?.show(result, tints());
  paint();
  $("name").textContent = result.name;
  const frames = result.frames > 1 ? `, the last of ${result.frames} frames` : "";
  $("summary").textContent = `${values.length.toLocaleString("en")} ${values.length === 1 ? "atom" : "atoms"}${frames}`;
  $("warning").textContent = result.warning;
  $("warning").hidden = !result.warning;
  $("notices").replaceChildren(...result.notices.map((text) => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  }));
  $("notices").hidden = !result.notices.length;
  tabulate(values);
  $("slice").value = 100;
  slice();
}

/** Offers the columns of the file to color atoms by, if it has any; the chosen one stays if the file has it. */
function offerColumns() {
  const [names, before] = [Object.keys(result.columns), $("column").value];
  $("column").replaceChildren(...names.map((name) => new Option(name, name)));
  if (names.includes(before)) $("column").value = before;
  $("other").hidden = !names.length;
  if (mode() === "column" && !names.includes(before)) {
    document.querySelector("input[name=colors][value=barrier]").checked = true;
    chosen = [null, null];
  }
}

const mode = () => document.querySelector("input[name=colors]:checked").value;

/** Returns the values that colors and the histogram show: of a column of the file, or else the barriers. */
const shown = () => mode() === "column" ? result.columns[$("column").value] : result.energy_barrier;

/** Returns the unit of these values; that of most columns is not stated. */
const unitOf = () => mode() !== "column" || /^contribution_|energy_barrier/.test($("column").value) ? "eV" : "";

/** Returns the lowest and the highest value; round a single value, a range with it in the middle. */
function span() {
  const values = shown();
  const [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  return high - low < 1e-6 ? [low - 0.05, high + 0.05] : [low, high];
}

const bySpecies = () => mode() === "species";

/** Returns the range of colors. */
const range = () => span().map((end, k) => chosen[k] ?? end);

function fraction(value) {
  const [low, high] = range();
  return (value - low) / (high - low);
}

/** Returns the color of each atom. */
function tints() {
  if (bySpecies()) return result.symbols.map((symbol) => result.species_colors[symbol]);
  return shown().map((value) => color(fraction(value)));
}

/** Returns the texts at the ends of the color bar; a sign marks that there are values beyond. */
function ends() {
  const values = shown();
  const [lowest, highest] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  const [low, high] = [chosen[0] ?? lowest, chosen[1] ?? highest];
  return [(lowest < low ? "≤ " : "") + digits(low), (highest > high ? "≥ " : "") + digits(high)];
}

/** Colors atoms, histogram and legend. */
function paint() {
  scene?.paint(tints());
  const gray = bySpecies();
  const label = mode() === "column" ? $("column").value : "energy barrier (eV)";
  drawHistogram($("histogram"), shown(), span(), label, (value) => gray ? "#9aa7b4" : cssColor(fraction(value)));
  for (const element of document.querySelectorAll(".unit")) element.textContent = unitOf();
  $("scale").hidden = gray;
  $("swatches").hidden = !gray;
  $("swatches").replaceChildren(...Object.entries(result.species_colors).flatMap(([symbol, tint]) => {
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = css(tint);
    return [swatch, symbol];
  }));
  [$("lowest").textContent, $("highest").textContent] = ends();
  if (!gray) drawBar($("bar"));
  [$("low").value, $("high").value] = range().map(digits);
}

/** Takes the lower (0) or the upper (1) end of the range of colors from its field. */
function choose(end) {
  const before = chosen;
  chosen = chosen.with(end, $(["low", "high"][end]).valueAsNumber);
  const [low, high] = range();
  if (!(low < high)) chosen = before; // also of a field without a number
  paint();
}

function tabulate(values) {
  const symbols = [...new Set(result.symbols)].sort();
  const rows = symbols.map((symbol) => [symbol, values.filter((_, i) => result.symbols[i] === symbol)]);
  $("statistics").tBodies[0].replaceChildren(...[...rows, ["all", values]].map(([label, members]) => {
    const mean = members.reduce((sum, value) => sum + value, 0) / members.length;
    const std = Math.sqrt(members.reduce((sum, value) => sum + (value - mean) ** 2, 0) / members.length);
    const row = document.createElement("tr");
    for (const text of [label, members.length.toLocaleString("en"), digits(mean), digits(std)])
      row.appendChild(document.createElement("td")).textContent = text;
    return row;
  }));
}

/** Hides atoms beyond a plane that is parallel to two cell vectors, between the outermost atoms. */
function slice() {
  if (!result) return;
  const axis = Number(document.querySelector("input[name=axis]:checked").value);
  let normal = unit(cross(result.cell[(axis + 1) % 3], result.cell[(axis + 2) % 3]));
  if (dot(normal, result.cell[axis]) < 0 !== $("flip").checked) normal = normal.map((value) => -value);
  const along = result.positions.map((position) => dot(normal, position));
  const [low, high] = [along.reduce((a, b) => Math.min(a, b)), along.reduce((a, b) => Math.max(a, b))];
  const limit = low + (high - low) * $("slice").value / 100 + 1e-4;
  scene?.slice(normal, limit);
  $("cut").textContent = `${(limit - low).toFixed(1)} of ${(high - low).toFixed(1)} Å`;
  $("shown").textContent = `${along.filter((value) => value <= limit).length.toLocaleString("en")} atoms shown`;
}

function save(blob, suffix) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${result.name.replace(/\.(gz|bz2|xz|zst)$/i, "").replace(/\.[^.]*$/, "")}-barriers.${suffix}`;
  link.click();
  URL.revokeObjectURL(link.href);
}

async function savePicture() {
  const swatches = bySpecies() ? result.species_colors : null;
  save(await toPng(scene.picture(), { title: result.name, range: ends(), unit: unitOf(), swatches }), "png");
}

function describe(index) {
  if (index < 0) return "";
  const place = result.positions[index].map((value) => value.toFixed(2)).join(", ");
  const column = mode() === "column" ? `, ${$("column").value} ${digits(shown()[index])}` : "";
  return `${result.symbols[index]}, atom ${index}: ${digits(result.energy_barrier[index])} eV${column} at (${place}) Å`;
}

const stage = $("stage");
addEventListener("dragover", (event) => { event.preventDefault(); stage.classList.add("over"); });
addEventListener("dragleave", (event) => { if (!event.relatedTarget) stage.classList.remove("over"); });
addEventListener("drop", (event) => {
  event.preventDefault();
  stage.classList.remove("over");
  if (event.dataTransfer.files.length) predict(event.dataTransfer.files[0]);
});
$("file").addEventListener("change", ({ target }) => {
  if (target.files.length) predict(target.files[0]);
  target.value = ""; // the same file can be chosen again
});
for (const control of document.querySelectorAll("input[name=axis], #flip, #slice"))
  control.addEventListener("input", slice);
const repaint = () => { chosen = [null, null]; paint(); }; // the range is that of other values
for (const control of document.querySelectorAll("input[name=colors]")) control.addEventListener("input", repaint);
$("column").addEventListener("input", () => {
  document.querySelector("input[name=colors][value=column]").checked = true;
  repaint();
});
["low", "high"].forEach((id, end) => $(id).addEventListener("change", () => choose(end)));
$("whole").addEventListener("click", repaint);
$("download").addEventListener("click", () => save(new Blob([result.extxyz], { type: "chemical/x-xyz" }), "xyz"));
$("picture").addEventListener("click", savePicture);
$("example").addEventListener("click", openExample);

start().catch((error) => showError(error.message));
