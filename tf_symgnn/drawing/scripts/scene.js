// Draws atoms as shaded spheres and bonds as cylinders in WebGL 2. A sphere is a square facing the viewer, on which rays
// are intersected with the sphere.
import { apply, dot, plus, product, times, turn } from "./vectors.js";

const GROUND = [0.953, 0.961, 0.973];
const START = product(turn(0, 0.32), turn(-0.5, 0));

const SIDES = 16; // of a cylinder

const SHADE = `
uniform vec3 ground; uniform float haze;
vec3 shade(vec3 normal, vec3 albedo, float height) {
  vec3 light = normalize(vec3(-0.45, 0.65, 0.75));
  float lit = 0.56 + 0.5 * max(dot(normal, light), 0.0);
  float shine = 0.18 * pow(max(dot(reflect(-light, normal), vec3(0.0, 0.0, 1.0)), 0.0), 26.0);
  float rim = smoothstep(0.0, 0.42, normal.z);
  vec3 shaded = albedo * lit * mix(0.45, 1.0, rim) + shine;
  float far = clamp(0.5 - 0.5 * height / haze, 0.0, 1.0);
  return mix(shaded, ground, 0.5 * far * far);
}`;

const SPHERE_VERTEX = `#version 300 es
in vec2 corner; in vec4 atom; in vec3 tint;
uniform mat3 rotation; uniform vec3 center; uniform vec2 scale; uniform float depth; uniform vec4 cut;
out vec2 across; out vec3 albedo; out float height; out float radius;
void main() {
  vec3 place = rotation * (atom.xyz - center);
  across = corner * 1.04; albedo = tint; height = place.z; radius = atom.w;
  gl_Position = vec4((place.xy + across * radius) * scale, -place.z / depth, 1.0);
  if (dot(cut.xyz, atom.xyz) > cut.w) gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
}`;

const SPHERE_FRAGMENT = `#version 300 es
precision highp float;
in vec2 across; in vec3 albedo; in float height; in float radius;
uniform float depth;
out vec4 color;
${SHADE}
void main() {
  float square = dot(across, across);
  float soft = fwidth(square);
  float cover = 1.0 - smoothstep(1.0 - soft, 1.0, square);
  if (cover <= 0.0) discard;
  vec3 normal = vec3(across, sqrt(max(1.0 - square, 0.0)));
  color = vec4(shade(normal, albedo, height), cover);
  gl_FragDepth = 0.5 - 0.5 * (height + normal.z * radius) / depth;
}`;

const CYLINDER_VERTEX = `#version 300 es
in vec2 rim; in vec4 from; in vec3 to; in vec3 tint;
uniform mat3 rotation; uniform vec3 center; uniform vec2 scale; uniform float depth; uniform vec4 cut;
out vec3 normal; out vec3 albedo; out float height;
void main() {
  vec3 start = rotation * (from.xyz - center), stop = rotation * (to - center);
  vec3 along = normalize(stop - start);
  vec3 side = normalize(cross(along, abs(along.z) < 0.9 ? vec3(0.0, 0.0, 1.0) : vec3(1.0, 0.0, 0.0)));
  normal = cos(rim.x) * side + sin(rim.x) * cross(side, along); albedo = tint;
  vec3 place = mix(start, stop, rim.y) + from.w * normal;
  height = place.z;
  gl_Position = vec4(place.xy * scale, -place.z / depth, 1.0);
  if (max(dot(cut.xyz, from.xyz), dot(cut.xyz, to)) > cut.w) gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
}`;

const CYLINDER_FRAGMENT = `#version 300 es
precision highp float;
in vec3 normal; in vec3 albedo; in float height;
out vec4 color;
${SHADE}
void main() { color = vec4(shade(normalize(normal), albedo, height), 1.0); }`;

const LINE_VERTEX = `#version 300 es
in vec3 end;
uniform mat3 rotation; uniform vec3 center; uniform vec2 scale; uniform float depth;
void main() {
  vec3 place = rotation * (end - center);
  gl_Position = vec4(place.xy * scale, -place.z / depth, 1.0);
}`;

const LINE_FRAGMENT = `#version 300 es
precision highp float;
out vec4 color;
void main() { color = vec4(0.36, 0.42, 0.49, 1.0); }`;

export class Scene {
  /** Draws on a canvas; throws an error if the browser has no WebGL 2. */
  constructor(canvas) {
    this.canvas = canvas;
    this.gl = canvas.getContext("webgl2", { antialias: true, alpha: false });
    if (!this.gl) throw new Error("this browser does not support WebGL 2");
    this.rotation = START;
    this.zoom = 1;
    this.cut = { normal: [0, 0, 0], limit: 1 };
    this._build();
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => { this._build(); this._upload(); });
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  /**
   * Shows atoms: positions and radii in angstrom, and the color [red, green, blue] of each atom; the edges of a cell, if
   * given; and bonds {from, to, radius, color} between two points.
   */
  show({ positions, cell, radii, bonds = [] }, tints) {
    this.atoms = positions.map((position, i) => ({ position, radius: radii[i] }));
    this.tints = tints;
    this.bonds = bonds;
    const corners = cell ? [0, 1, 2, 3, 4, 5, 6, 7].map((bits) =>
      cell.reduce((sum, vector, k) => plus(sum, times((bits >> k) & 1, vector)), [0, 0, 0])) : [];
    this.corners = corners;
    const [low, high] = [0, 1].map((side) => [0, 1, 2].map((k) => [...positions, ...corners].reduce(
      (best, point) => (side ? Math.max(best, point[k]) : Math.min(best, point[k])), side ? -Infinity : Infinity)));
    this.center = times(0.5, plus(low, high));
    this.radius = radii.reduce((a, b) => Math.max(a, b));
    this.extent = 0.5 * Math.hypot(...high.map((value, k) => value - low[k])) + this.radius;
    const seen = [...corners, ...positions].map((point) => apply(START, plus(point, times(-1, this.center))));
    this.halves = [0, 1].map((k) => this.radius + seen.reduce((most, point) => Math.max(most, Math.abs(point[k])), 0));
    this._upload();
    this.reset();
  }

  /** Shows the atoms in other colors. */
  paint(tints) {
    this.tints = tints;
    this._attribute(this.spheres, "tint", 3, tints.flat(), 1);
    this.draw();
  }

  /** Returns the canvas with what is shown, for the rest of this task. */
  picture() {
    this._draw();
    return this.canvas;
  }

  /** Hides atoms whose coordinate along `normal` is larger than `limit`, angstrom. */
  slice(normal, limit) {
    this.cut = { normal, limit };
    this.draw();
  }

  /** Rotates by angles, radians, about the vertical and the horizontal axis of the screen. */
  turn(vertical, horizontal) {
    this.rotation = product(turn(vertical, horizontal), this.rotation);
    this.draw();
  }

  magnify(factor) {
    this.zoom = Math.min(Math.max(this.zoom * factor, 0.3), 40);
    this.draw();
  }

  reset() {
    this.rotation = START;
    this.zoom = 1;
    this.draw();
  }

  /** Returns the index of the foremost atom at a point of the canvas, in CSS pixels, or -1. */
  pick(x, y) {
    if (!this.atoms) return -1;
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    const scale = this._scale(width, height);
    const at = [(2 * x / width - 1) / scale[0], (1 - 2 * y / height) / scale[1]];
    let [best, index] = [-Infinity, -1];
    this.atoms.forEach(({ position, radius }, i) => {
      if (dot(this.cut.normal, position) > this.cut.limit) return;
      const place = apply(this.rotation, plus(position, times(-1, this.center)));
      const rest = radius ** 2 - (place[0] - at[0]) ** 2 - (place[1] - at[1]) ** 2;
      if (rest > 0 && place[2] + Math.sqrt(rest) > best) [best, index] = [place[2] + Math.sqrt(rest), i];
    });
    return index;
  }

  /** Draws before the next repaint of the browser. */
  draw() {
    this._pending ??= requestAnimationFrame(() => { this._pending = undefined; this._draw(); });
  }

  _draw() {
    const { gl, canvas } = this;
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio));
    canvas.height = Math.max(1, Math.round(canvas.clientHeight * ratio));
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(...GROUND, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    if (!this.atoms) return;
    gl.enable(gl.DEPTH_TEST);
    gl.enable(gl.SAMPLE_ALPHA_TO_COVERAGE);
    this._use(this.spheres);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, this.atoms.length);
    gl.disable(gl.SAMPLE_ALPHA_TO_COVERAGE);
    this._use(this.cylinders);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 2 * (SIDES + 1), this.bonds.length);
    this._use(this.lines);
    gl.drawArrays(gl.LINES, 0, 3 * this.corners.length);
  }

  /** Selects a drawing and sets its uniforms; it may lack some of them. */
  _use({ program, arrays }) {
    const { gl, canvas } = this;
    const at = (name) => gl.getUniformLocation(program, name);
    gl.useProgram(program);
    gl.bindVertexArray(arrays);
    gl.uniformMatrix3fv(at("rotation"), true, this.rotation.flat());
    gl.uniform3fv(at("center"), this.center);
    gl.uniform2fv(at("scale"), this._scale(canvas.clientWidth, canvas.clientHeight));
    gl.uniform1f(at("depth"), 2 * this.extent);
    gl.uniform1f(at("haze"), this.extent);
    gl.uniform3fv(at("ground"), GROUND);
    gl.uniform4f(at("cut"), ...this.cut.normal, this.cut.limit);
  }

  /** Returns the scale from angstrom to canvas coordinates, which go from -1 to 1. */
  _scale(width, height) {
    const pixels = 0.86 * this.zoom * Math.min(width / this.halves[0], height / this.halves[1]) / 2;
    return [2 * pixels / width, 2 * pixels / height];
  }

  _build() {
    this.spheres = this._drawing(SPHERE_VERTEX, SPHERE_FRAGMENT);
    this.cylinders = this._drawing(CYLINDER_VERTEX, CYLINDER_FRAGMENT);
    this.lines = this._drawing(LINE_VERTEX, LINE_FRAGMENT);
  }

  _drawing(...sources) {
    const { gl } = this;
    const program = gl.createProgram();
    [gl.VERTEX_SHADER, gl.FRAGMENT_SHADER].forEach((kind, k) => {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, sources[k]);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    });
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost())
      throw new Error(`this browser cannot draw atoms: ${gl.getProgramInfoLog(program)}`);
    return { program, arrays: gl.createVertexArray(), buffers: {} };
  }

  _upload() {
    if (!this.atoms) return;
    const edges = this.corners.flatMap((corner, from) =>
      [1, 2, 4].filter((bit) => !(from & bit)).flatMap((bit) => [corner, this.corners[from | bit]]));
    this._attribute(this.lines, "end", 3, edges.flat());
    this._attribute(this.spheres, "corner", 2, [-1, -1, 1, -1, -1, 1, 1, 1]);
    this._attribute(this.spheres, "atom", 4, this.atoms.flatMap(({ position, radius }) => [...position, radius]), 1);
    this._attribute(this.spheres, "tint", 3, this.tints.flat(), 1);
    const rim = Array.from({ length: SIDES + 1 }, (_, k) => [0, 1].map((end) => [2 * Math.PI * k / SIDES, end]));
    this._attribute(this.cylinders, "rim", 2, rim.flat(2));
    this._attribute(this.cylinders, "from", 4, this.bonds.flatMap(({ from, radius }) => [...from, radius]), 1);
    this._attribute(this.cylinders, "to", 3, this.bonds.flatMap(({ to }) => to), 1);
    this._attribute(this.cylinders, "tint", 3, this.bonds.flatMap(({ color }) => color), 1);
  }

  _attribute({ program, arrays, buffers }, name, size, values, divisor = 0) {
    const { gl } = this;
    const index = gl.getAttribLocation(program, name);
    buffers[name] ??= gl.createBuffer();
    gl.bindVertexArray(arrays);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffers[name]);
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array(values), gl.STATIC_DRAW);
    gl.enableVertexAttribArray(index);
    gl.vertexAttribPointer(index, size, gl.FLOAT, false, 0, 0);
    gl.vertexAttribDivisor(index, divisor);
  }
}
