// One JSON line asks, one answers: what a client of a provider saw, or with which error it ended.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

// The SDKs are where npm put them, which is told as the first argument; this file is elsewhere.
export const installed = createRequire(`${process.argv[2]}/beside`);

export async function answerLines(ways) {
  for await (const line of createInterface({ input: process.stdin })) {
    const ask = JSON.parse(line);
    const seen = { text: "" };
    try {
      await ways[ask.way](ask, seen);
    } catch (error) {
      seen.error = told(error);
    }
    process.stdout.write(`${JSON.stringify(seen)}\n`);
  }
}

export function told(error) {
  const inner = error?.lastError ?? error;
  return {
    type: inner?.name && inner.name !== "Error" ? inner.name : (inner?.constructor?.name ?? typeof inner),
    status: inner?.status ?? inner?.statusCode ?? null,
    message: String(inner?.message ?? inner),
    request_id: inner?.requestID ?? inner?.responseHeaders?.["x-request-id"] ?? null,
  };
}

export function head(seen, headers) {
  const get = (name) => (typeof headers.get === "function" ? headers.get(name) : headers[name]) ?? null;
  seen.request_id = get("x-request-id");
  seen.cost = get("x-weighbridge-cost");
  seen.initiative = get("x-weighbridge-initiative");
}
