// Pictures of an item: stored by the service at once, shown here as thumbnails that outlive a reload.

import * as api from "./api.js";
import { button, fill, h, mark } from "./html.js";
import { titleOf } from "./problems.js";

const SIZE = 72;
const LIMIT = 10;

/** Room for pictures of one chosen item; `chosen.photos` has the handle and a thumbnail of each. */
export function photoField(journey, chosen) {
  const { words: { say } } = journey;
  const list = h("ul", { class: "photos" });
  const show = () => fill(list, chosen.photos.map((photo, at) => h("li", {},
    photo.thumbnail ? h("img", { src: photo.thumbnail, alt: photo.name, width: SIZE, height: SIZE }) : h("span", {}, photo.name),
    button([h("span", { "aria-hidden": "true" }, "×"), h("span", { class: "unseen" }, say("removePhoto", { name: photo.name }))],
      () => { chosen.photos.splice(at, 1); show(); }, "remove"))));
  const input = h("input", {
    type: "file", multiple: true, accept: "image/*", class: "unseen", onchange: async () => {
      const files = [...input.files].slice(0, LIMIT - chosen.photos.length);
      zone.ariaBusy = "true";
      for (const file of files) await store(journey, chosen, file, input);
      zone.ariaBusy = "false";
      input.value = "";
      show();
      journey.tell(say("stored", { count: chosen.photos.length }));
    },
  });
  const zone = h("label", { class: "upload" }, input, h("span", {}, say("photos")));
  show();
  return h("div", { class: "field" }, list, zone, h("p", { class: "hint" }, say("photosHint")), h("p", { class: "error" }));
}

async function store({ words: { say } }, chosen, file, input) {
  mark(input, "");
  try {
    chosen.photos.push({ file: await api.upload(file), name: file.name, thumbnail: await thumbnail(file) });
  } catch (problem) {
    if (!(problem instanceof api.Problem)) throw problem;
    mark(input, `${file.name}: ${titleOf(problem, say)}`);
  }
}

/** A small copy as a data address; null for a picture that this browser cannot read. */
async function thumbnail(file) {
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (!bitmap) return null;
  const canvas = h("canvas", { width: 2 * SIZE, height: 2 * SIZE });
  const side = Math.min(bitmap.width, bitmap.height);
  canvas.getContext("2d").drawImage(bitmap, (bitmap.width - side) / 2, (bitmap.height - side) / 2, side, side, 0, 0, 2 * SIZE, 2 * SIZE);
  return canvas.toDataURL("image/jpeg", 0.7);
}
