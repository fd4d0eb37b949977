// Vectors are [x, y, z], matrices are three rows.

export const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
export const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
export const plus = (a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
export const times = (s, a) => [s * a[0], s * a[1], s * a[2]];
export const unit = (a) => times(1 / Math.hypot(...a), a);
export const apply = (matrix, a) => matrix.map((row) => dot(row, a));

export function product(left, right) {
  const columns = [0, 1, 2].map((k) => right.map((row) => row[k]));
  return left.map((row) => columns.map((column) => dot(row, column)));
}

/** Returns the rotation by angles, radians, about the vertical and the horizontal axis of the screen. */
export function turn(vertical, horizontal) {
  const [c, s, d, t] = [Math.cos(vertical), Math.sin(vertical), Math.cos(horizontal), Math.sin(horizontal)];
  return product([[1, 0, 0], [0, d, -t], [0, t, d]], [[c, 0, s], [0, 1, 0], [-s, 0, c]]);
}
