// What cannot be done, in words: the texts of the service itself, by language and code.

import { readdirSync, readFileSync } from "node:fs";

const folder = new URL("../../../app/http/problem_types/texts/", import.meta.url);
const texts = new Map(
  readdirSync(folder).map((file) => [file.slice(0, 2), JSON.parse(readFileSync(new URL(file, folder))).why_not]),
);

/** The first language of the header that there are texts in. */
export function languageFor(header = "") {
  const asked = header.split(",").map((tag) => tag.trim().slice(0, 2).toLowerCase());
  return asked.find((language) => texts.has(language)) ?? "en";
}

export const whyNotText = (code, language) => (code && texts.get(language)[code]) ?? null;
