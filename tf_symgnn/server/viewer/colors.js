// The color map viridis of Smith and van der Walt, at seventeen points.
const POINTS = [
  [68, 1, 84], [72, 24, 106], [71, 45, 123], [66, 64, 134], [59, 82, 139], [51, 99, 141], [44, 114, 142],
  [38, 130, 142], [33, 145, 140], [31, 160, 136], [40, 174, 128], [63, 188, 115], [94, 201, 98], [132, 212, 75],
  [173, 220, 48], [216, 226, 25], [253, 231, 37],
];

/** Returns the color [red, green, blue], from 0 to 1, of a fraction of the range. */
export function color(fraction) {
  const index = Math.min(Math.max(fraction, 0), 1) * (POINTS.length - 1);
  const low = Math.min(Math.floor(index), POINTS.length - 2);
  return POINTS[low].map((value, k) => (value + (index - low) * (POINTS[low + 1][k] - value)) / 255);
}

/** Returns a color in CSS syntax. */
export function css(color) {
  return `rgb(${color.map((value) => Math.round(255 * value)).join(" ")})`;
}

/** Returns the color of a fraction of the range in CSS syntax. */
export function cssColor(fraction) {
  return css(color(fraction));
}
