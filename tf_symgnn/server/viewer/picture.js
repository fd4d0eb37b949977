// The picture of the scene, with a title and the legend, as a PNG file.
import { css, cssColor } from "./colors.js";

const PAD = 14;

/** Returns a PNG of a canvas, with a title above and below the legend: a range with its unit, or colors by species. */
export function toPng(canvas, { title, range, unit, swatches }) {
  const ratio = window.devicePixelRatio || 1;
  const sheet = document.createElement("canvas");
  [sheet.width, sheet.height] = [canvas.width, canvas.height];
  const pen = sheet.getContext("2d");
  pen.drawImage(canvas, 0, 0);
  pen.scale(ratio, ratio);
  pen.font = `15px ${getComputedStyle(document.body).fontFamily}`;
  pen.fillStyle = "#1c2733";
  pen.textBaseline = "middle";
  pen.fillText(title, PAD, PAD + 8);
  let [x, y] = [PAD, canvas.height / ratio - PAD - 8];
  const write = (text) => { pen.fillStyle = "#1c2733"; pen.fillText(text, x, y); x += pen.measureText(text).width + 8; };
  if (swatches) {
    for (const [symbol, color] of Object.entries(swatches)) {
      pen.fillStyle = css(color);
      pen.beginPath();
      pen.arc(x + 7, y, 7, 0, 2 * Math.PI);
      pen.fill();
      x += 22;
      write(symbol);
    }
  } else {
    write(range[0]);
    for (let k = 0; k < 190; k++) {
      pen.fillStyle = cssColor((k + 0.5) / 190);
      pen.fillRect(x + k, y - 6, 1.5, 12);
    }
    x += 198;
    write(`${range[1]} ${unit}`);
  }
  return new Promise((done) => sheet.toBlob(done, "image/png"));
}
