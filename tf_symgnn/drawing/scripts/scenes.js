// Several scenes on one canvas, selected from a menu, in an element that `tf_symgnn.drawing` writes.
import { addControls } from "./controls.js";
import { Scene } from "./scene.js";

export function showScenes(figure) {
  if (figure.dataset.shown) return; // a page may have several such elements, each with this script
  figure.dataset.shown = "yes";
  const [canvas, menu, label] = ["canvas", "select", "output"].map((name) => figure.querySelector(name));
  const scenes = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
  let scene;
  try {
    scene = new Scene(canvas);
  } catch (error) {
    label.textContent = error.message;
    return;
  }
  const select = () => scene.show(scenes[menu.selectedIndex], scenes[menu.selectedIndex].colors);
  addControls(scene, (index) => { label.textContent = scenes[menu.selectedIndex].labels[index] ?? ""; });
  menu.addEventListener("change", select);
  select();
}
