// The shop's name, logo and colour.

import { sandbox } from "./config.js";
import { fill, h } from "./html.js";

const LIGHT = [255, 255, 255];
const DARK = [21, 23, 28];
/** Contrast of accessible text (WCAG 2 AA), with room for tints behind it. */
const READABLE = 5.2;

/** Dresses the page in the brand: `--accent` is its colour, shifted until it can be read on the page's background. */
export function dress(brand) {
  fill(document.getElementById("shop"), logo(brand), h("span", {}, brand.name));
  const color = [1, 3, 5].map((at) => parseInt((brand.color ?? "#1a4fb4").slice(at, at + 2), 16));
  // The brightest form of the colour, so that a dark blue becomes a light blue and not a grey.
  const bright = color.map((part) => (part * 255) / Math.max(...color, 1));
  const style = document.documentElement.style;
  style.setProperty("--accent-light", readable(color, LIGHT, [0, 0, 0]));
  style.setProperty("--accent-dark", readable(bright, DARK, [255, 255, 255]));
}

/** Where the shop can be reached, if it says so. */
export function supportOf({ support_url: url, support_email: email }) {
  return url ?? (email && `mailto:${email}`);
}

function logo(brand) {
  if (!brand.logo) return null;
  const image = h("img", { src: local(brand.logo), alt: "", width: 32, height: 32, onerror: () => image.remove() });
  return image;
}

/** Where the browser finds this; only the sandbox's pictures and payments are elsewhere than they say. */
export function local(url) {
  return sandbox ? sandbox.local(url) : url;
}

function readable(rgb, background, towards) {
  while (contrast(rgb, background) < READABLE) rgb = rgb.map((part, at) => part + (towards[at] - part) / 10);
  return `rgb(${rgb.map(Math.round).join(" ")})`;
}

function contrast(one, other) {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

/** Relative luminance (WCAG 2). */
function luminance(rgb) {
  const [red, green, blue] = rgb.map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
