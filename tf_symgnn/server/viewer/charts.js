// Draws the histogram and the color bar on canvases of any pixel density.
import { cssColor } from "./colors.js";

const MARGIN = { left: 38, right: 8, top: 8, bottom: 38 };
const INK = "#5d6b79";

function context(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  return { pen, width, height };
}

/** Returns about `number` round values from low to high, each with its text. */
export function ticks(low, high, number) {
  const rough = (high - low) / number;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const values = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++)
    values.push([k * step, (k * step).toFixed(digits)]);
  return values;
}

/** Returns the number of values in each of `parts` equal bins between low and high. */
export function count(values, low, high, parts) {
  const bins = new Array(parts).fill(0);
  for (const value of values) bins[Math.min(Math.floor((value - low) / (high - low) * parts), parts - 1)]++;
  return bins;
}

/** Draws the numbers of values between low and high; `tint` returns the CSS color of a value. */
export function drawHistogram(canvas, values, [low, high], label, tint) {
  const { pen, width, height } = context(canvas);
  const bins = count(values, low, high, Math.min(40, Math.max(8, Math.round(2 * values.length ** (1 / 3)))));
  const most = Math.max(...bins);
  const [right, bottom] = [width - MARGIN.right, height - MARGIN.bottom];
  const x = (value) => MARGIN.left + (value - low) / (high - low) * (right - MARGIN.left);
  const y = (number) => bottom - number / most * (bottom - MARGIN.top);
  pen.font = `12px ${getComputedStyle(canvas).fontFamily}`;
  pen.fillStyle = INK;
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (const [number, text] of ticks(0, most, 4).filter(([number]) => Number.isInteger(number))) {
    pen.fillText(text, MARGIN.left - 6, y(number));
    pen.fillRect(MARGIN.left, Math.round(y(number)), right - MARGIN.left, 0.4);
  }
  pen.textAlign = "center";
  pen.textBaseline = "top";
  for (const [value, text] of ticks(low, high, 5)) {
    pen.fillRect(x(value), bottom, 1, 4);
    pen.fillText(text, Math.min(Math.max(x(value), MARGIN.left), right - 8), bottom + 6);
  }
  pen.fillText(label, (MARGIN.left + right) / 2, bottom + 22);
  bins.forEach((number, k) => {
    const [from, to] = [k, k + 1].map((edge) => MARGIN.left + edge / bins.length * (right - MARGIN.left));
    pen.fillStyle = tint(low + (k + 0.5) / bins.length * (high - low));
    pen.fillRect(from + 0.5, y(number), to - from - 1, bottom - y(number));
  });
}

export function drawBar(canvas) {
  const { pen, width, height } = context(canvas);
  for (let k = 0; k < width; k++) {
    pen.fillStyle = cssColor((k + 0.5) / width);
    pen.fillRect(k, 0, 1.5, height);
  }
}
