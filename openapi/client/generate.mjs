// Writes src/schema.ts from ../bff.json: its types, the method and path of every call, the problem codes.
import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";
import ts from "typescript";

const published = await readFile(new URL("../bff.json", import.meta.url), "utf8");
// Titles repeat the names.
const description = JSON.parse(published, (key, value) => (key === "title" && typeof value === "string" ? undefined : value));
// What is no success is thrown as a Problem, whatever the call.
for (const { responses } of Object.values(description.paths).flatMap(Object.values)) {
  for (const status of Object.keys(responses)) if (!status.startsWith("2")) delete responses[status];
}
const codes = description.components.schemas.Problem.properties.code["x-extensible-enum"];
const calls = Object.entries(description.paths).flatMap(([path, operations]) =>
  Object.entries(operations).map(
    ([method, { operationId }]) => `  ${operationId}: ["${method.toUpperCase()}", "${path}"],`,
  ),
);
// A member with a default may be left out of a request.
const types = astToString(await openapiTS(description, { defaultNonNullable: false, transform: opened }));
const text = `// Written by \`make openapi\` from ../bff.json.
${types}
/** Method and path of every call. */
export const CALLS = {
${calls.join("\n")}
} as const;

/** What a problem's \`code\` can be today; later versions may add to it. */
export type ProblemCode =
${codes.map((code) => `  | "${code}"`).join("\n")};
`;

/** The words of today, and `string & {}` for those of tomorrow: editors still offer the words. */
function opened({ "x-extensible-enum": words }) {
  const { createUnionTypeNode, createLiteralTypeNode, createStringLiteral, createIntersectionTypeNode } = ts.factory;
  if (!words) return undefined;
  const other = [ts.factory.createKeywordTypeNode(ts.SyntaxKind.StringKeyword), ts.factory.createTypeLiteralNode([])];
  const known = words.map((word) => createLiteralTypeNode(createStringLiteral(word)));
  return createUnionTypeNode([...known, createIntersectionTypeNode(other)]);
}

await writeFile(new URL("src/schema.ts", import.meta.url), text);
