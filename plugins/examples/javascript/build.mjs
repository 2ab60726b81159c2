// Makes dist/example-javascript.wasm of src/plugin.js: `npm ci && npm run build`.
import { componentize } from "@bytecodealliance/componentize-js";
import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const { component } = await componentize({
  sourcePath: here("src/plugin.js"),
  // In a project of your own: a copy of Keyhole's folder `wit`.
  witPath: here("../../../wit"),
  worldName: "plugin",
  // Only `fetch` is needed; a plugin serves no requests of its own.
  disableFeatures: ["fetch-event"],
});
await mkdir(here("dist"), { recursive: true });
await writeFile(here("dist/example-javascript.wasm"), component);
