// Makes dist/example-go.wasm: `npm ci && npm run build`. Go compiles for WASI preview 1; the adapter that jco
// brings makes a component of that.
import { componentEmbed, componentNew, preview1AdapterReactorPath } from "@bytecodealliance/jco";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
// In a project of your own: a copy of Keyhole's folder `wit`.
const contract = here("../../../wit");
const output = here("dist/example-go.wasm");
const core = here("dist/core.wasm");

mkdirSync(here("dist"), { recursive: true });
const flags = ["-trimpath", "-buildmode=c-shared", "-ldflags=-s -w -checklinkname=0"];
execFileSync("go", ["build", ...flags, "-o", core, "."], {
  cwd: here("."),
  env: { ...process.env, GOOS: "wasip1", GOARCH: "wasm" },
  stdio: "inherit",
});

// jco takes the contract as one text: each file of `deps` becomes a package in braces.
const packages = readdirSync(`${contract}/deps`)
  .filter((name) => name.endsWith(".wit"))
  .map((name) => readFileSync(`${contract}/deps/${name}`, "utf8").replace(/^package (.*);$/m, "package $1 {") + "\n}");
const witSource = [readFileSync(`${contract}/backend.wit`, "utf8"), ...packages].join("\n");

const typed = await componentEmbed({ binary: readFileSync(core), witSource, world: "plugin-with-wasi" });
const adapter = readFileSync(preview1AdapterReactorPath());
writeFileSync(output, await componentNew(typed, [["wasi_snapshot_preview1", adapter]]));
rmSync(core);
