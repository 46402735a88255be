// Builds the packages' dist/ folders, and the files that the collector serves (to the folder given, else into the Python package).

import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const served = resolve(process.argv[2] ?? join(here, "../src/headwater/edge/client"));
const { version } = JSON.parse(readFileSync(join(here, "client/package.json"), "utf8"));

const shared = {
  absWorkingDir: here,
  bundle: true,
  minify: true,
  target: "es2020",
  charset: "utf8",
  legalComments: "none",
  banner: { js: `/*! Headwater ${version}, Apache-2.0 */` },
  define: { __VERSION__: JSON.stringify(version) },
  logLevel: "warning",
};
// Names that begin with _ are private to a class: short ones keep the client small.
const client = { ...shared, mangleProps: /^_./ };

await Promise.all([
  build({ ...shared, entryPoints: ["redirect/src/script.ts"], format: "iife", outfile: "redirect/dist/headwater-redirect.js" }),
  build({ ...shared, entryPoints: ["redirect/src/redirect.ts"], format: "esm", outfile: "redirect/dist/index.js" }),
  build({ ...shared, entryPoints: ["sw/src/worker.ts"], format: "iife", outfile: "sw/dist/headwater-sw.js" }),
  build({ ...shared, entryPoints: ["sw/src/register.ts"], format: "esm", outfile: "sw/dist/index.js" }),
  build({ ...client, entryPoints: ["client/src/index.ts"], format: "esm", outfile: "client/dist/headwater.js" }),
  build({ ...client, entryPoints: ["client/src/index.ts"], format: "iife", globalName: "headwater", outfile: "client/dist/headwater.iife.js" }),
  build({ ...shared, entryPoints: ["client/src/react.ts"], format: "esm", external: ["react", "@headwater/client"], outfile: "client/dist/react.js" }),
]);

mkdirSync(served, { recursive: true });
for (const file of ["redirect/dist/headwater-redirect.js", "sw/dist/headwater-sw.js", "client/dist/headwater.js", "client/dist/headwater.iife.js"]) {
  copyFileSync(join(here, file), join(served, file.split("/").at(-1)));
}
