// HTTP and JSON, with errors in the contract's terms. What is thrown here, and by the plugin itself, is an
// object with `kind` and `message`; the message is shown to the user, so it never holds a body.

export async function get(url, headers = {}) {
  try {
    return await fetch(url, { headers });
  } catch {
    throw { kind: { tag: "unavailable" }, message: `no answer to GET ${shown(url)}` };
  }
}

// The JSON of a success; every other status is an error.
export async function answerOf(answer) {
  if (answer.ok) {
    try {
      return await answer.json();
    } catch {
      throw { kind: { tag: "other", val: "unreadable-answer" }, message: `no JSON came from GET ${shown(answer.url)}` };
    }
  }
  throw { kind: kindOf(answer), message: `the store answered ${answer.status} to GET ${shown(answer.url)}` };
}

function kindOf({ status, headers }) {
  const seconds = /^\d+$/.exec(headers.get("retry-after") ?? "");
  const after = seconds ? BigInt(seconds[0]) * 1000n : undefined;
  if (status === 401) return { tag: "unauthenticated" };
  if (status === 403) return { tag: "denied" };
  if (status === 404) return { tag: "not-found" };
  if (status === 429) return { tag: "throttled", val: after };
  if (status >= 500) return { tag: "unavailable", val: after };
  return { tag: "other", val: `http-${status}` };
}

// What was thrown, as an error of the contract.
export function failed({ kind, message }) {
  return kind === undefined
    ? { kind: { tag: "internal" }, message: "the plugin failed" }
    : { kind, message };
}

// A key as a path, or nothing when a part of it is `.` or `..`: servers take these for folders, so the author
// of an ExternalSecret could walk out of the prefix that the administrator set.
export function encodePath(key) {
  const parts = key.split("/");
  return parts.some((part) => part === "." || part === "..") ? undefined : parts.map(encodeURIComponent).join("/");
}

// Without the query, which may hold a token.
function shown(url) {
  return url.split("?")[0];
}
