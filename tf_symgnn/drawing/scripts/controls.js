// Rotation and zoom of a scene by pointer, wheel and keys.

/** Adds the controls; `hover` receives the index of the atom under the pointer, or -1. */
export function addControls(scene, hover) {
  const { canvas } = scene;
  canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
  canvas.addEventListener("pointermove", (event) => {
    if (event.buttons) scene.turn(0.008 * event.movementX, 0.008 * event.movementY);
    else hover(scene.pick(event.offsetX, event.offsetY));
  });
  canvas.addEventListener("pointerleave", () => hover(-1));
  canvas.addEventListener("wheel", (event) => {
    // On a page that scrolls, the wheel belongs to the page until the user selects the scene.
    const { scrollHeight, clientHeight } = document.documentElement;
    if (scrollHeight > clientHeight && document.activeElement !== canvas) return;
    event.preventDefault();
    scene.magnify(Math.exp(-0.0012 * event.deltaY));
  }, { passive: false });
  canvas.addEventListener("dblclick", () => scene.reset());
  canvas.addEventListener("keydown", (event) => {
    const turns = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] };
    if (turns[event.key]) scene.turn(...turns[event.key]);
    else if ("+-".includes(event.key)) scene.magnify(event.key === "+" ? 1.15 : 1 / 1.15);
    else return;
    event.preventDefault();
  });
}
