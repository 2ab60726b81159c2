// A secret store that speaks JSON over HTTP, as a backend of Keyhole: `backendType: exampleJavascript`.
//
//   GET ADDRESS/v1/secrets/KEY                          {"value": "...", "version": "3"}    ETag: "3"
//   GET ADDRESS/v1/secrets?prefix=PATH&recursive=BOOL   {"secrets": [{"key": "...", "value": "...", "version": "3"}]}
//
// The store wants a bearer token. The host adds it on the way out; this plugin never sees it.

import { answerOf, encodePath, failed, get } from "./http.js";

const SETTINGS = {
  type: "object",
  required: ["address"],
  properties: {
    address: { type: "string", description: "Where the store is, e.g. https://store.example.com." },
    prefix: {
      type: "string",
      default: "",
      description: "Put before every key and path, e.g. team-a.",
      "x-keyhole-scope": "object",
    },
  },
};

export const backend = {
  describe: () => ({
    name: "example-javascript",
    version: "0.1.0",
    backendTypes: [{ name: "exampleJavascript", aliases: [] }],
    settingsSchema: JSON.stringify(SETTINGS),
    optionsSchema: JSON.stringify({ type: "object", additionalProperties: false }),
    hosts: [],
    credentials: [{ tag: "header", val: "authorization" }],
    maxBatch: 50,
    metadata: "{}",
  }),

  validate(json) {
    const { address = "", prefix = "" } = JSON.parse(json);
    const problems = [];
    if (!/^https?:\/\//.test(address)) {
      problems.push({ path: "/address", message: "must be a URL such as https://store.example.com" });
    }
    if (encodePath(prefix) === undefined) {
      problems.push({ path: "/prefix", message: "must not lead out of its folder by `.` or `..`" });
    }
    return problems;
  },

  // The requests go out side by side, and each has an outcome of its own.
  async fetch(call, requests) {
    const settings = JSON.parse(call.settings);
    return Promise.all(
      requests.map((request) => outcome(settings, request).catch((error) => ({ tag: "failed", val: failed(error) }))),
    );
  },
};

async function outcome({ address, prefix = "" }, { selector, knownVersion }) {
  const secrets = `${address.replace(/\/+$/, "")}/v1/secrets`;
  if (selector.tag === "prefix") {
    const { path, recursive } = selector.val;
    const query = new URLSearchParams({ prefix: join(prefix, path), recursive });
    const listing = await answerOf(await get(`${secrets}?${query}`));
    return { tag: "values", val: listing.secrets.map(named) };
  }

  const path = encodePath(join(prefix, selector.val));
  if (path === undefined) {
    throw { kind: { tag: "invalid", val: "/key" }, message: `${JSON.stringify(selector.val)} leads out of its folder` };
  }
  const headers = knownVersion === undefined ? {} : { "if-none-match": `"${knownVersion}"` };
  const answer = await get(`${secrets}/${path}`, headers);
  if (answer.status === 304 && knownVersion !== undefined) {
    return { tag: "unchanged" };
  }
  if (answer.status === 404) {
    throw { kind: { tag: "not-found" }, message: `no secret ${JSON.stringify(selector.val)} in the store` };
  }
  const { value, version } = await answerOf(answer);
  return { tag: "value", val: { content: { tag: "text", val: value }, version } };
}

// The last part of the key is the name that the value gets in the Secret.
function named({ key, value, version }) {
  return { name: key.split("/").pop(), fullName: key, content: { tag: "text", val: value }, version };
}

function join(...parts) {
  return parts.map((part) => part.replace(/^\/+|\/+$/g, "")).filter(Boolean).join("/");
}
