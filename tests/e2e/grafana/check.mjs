// Check dashboards with tsc: node check.mjs types.ts dashboard.json…
//
// Each becomes a file that assigns its JSON, as a literal, to both types of types.ts: a literal may have no field that a
// type does not know. Prints one JSON object: name of the dashboard -> what is wrong with it, by the compiler.

import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import process from "node:process";
import ts from "typescript";

const [types, ...dashboards] = process.argv.slice(2);
// Beside node_modules, so that the compiler finds the packages; of its own, so that two runs do not meet.
const folder = mkdtempSync(join(import.meta.dirname, "checked-"));
try {
  copyFileSync(types, join(folder, "types.ts"));
  const files = dashboards.map((path) => {
    const json = JSON.parse(readFileSync(path, "utf8"));
    const { annotations: _, ...grafana } = json;
    const file = join(folder, `${basename(path, ".json")}.ts`);
    writeFileSync(file, [
      'import type { CallboardDashboard, GrafanaDashboard } from "./types";',
      `export const byGrafana: GrafanaDashboard = ${JSON.stringify(grafana, null, 2)};`,
      `export const byCallboard: CallboardDashboard = ${JSON.stringify(json, null, 2)};`,
    ].join("\n"));
    return file;
  });
  const program = ts.createProgram(files, {
    strict: true, noEmit: true, skipLibCheck: true, types: [],
    target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler,
  });
  const verdict = Object.fromEntries(dashboards.map((path) => [basename(path, ".json"), []]));
  for (const wrong of ts.getPreEmitDiagnostics(program)) {
    const text = ts.flattenDiagnosticMessageText(wrong.messageText, "\n");
    // What is wrong with the types themselves, or with none of the files, stands under its own name.
    const name = wrong.file ? basename(wrong.file.fileName, ".ts") : "the compiler";
    (verdict[name] ??= []).push(text);
  }
  console.log(JSON.stringify(verdict));
} finally {
  rmSync(folder, { recursive: true });
}
