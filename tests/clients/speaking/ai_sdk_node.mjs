// Vercel's AI SDK with its provider for compatible servers, driven over standard input.
import { answerLines, head, installed, told } from "./lines.mjs";

const { generateText, streamText } = installed("ai");
const { createOpenAICompatible } = installed("@ai-sdk/openai-compatible");

// includeUsage is left out, as most people leave it out: no usage is asked for in a stream.
function asked(ask) {
  const provider = createOpenAICompatible({
    name: "weighbridge",
    baseURL: `${ask.url}/v1`,
    apiKey: ask.key,
    headers: ask.headers ?? {},
  });
  return { model: provider(ask.model), prompt: ask.said, maxRetries: ask.retries ?? 0 };
}

await answerLines({
  async generate(ask, seen) {
    const result = await generateText(asked(ask));
    head(seen, result.response.headers);
    seen.text = result.text;
    seen.usage = result.usage;
  },
  async stream(ask, seen) {
    const result = streamText({ ...asked(ask), onError() {} });
    for await (const part of result.fullStream) {
      if (part.type === "text-delta") seen.text += part.text;
      if (part.type === "finish-step") {
        head(seen, part.response.headers);
        seen.usage = part.usage;
        seen.finish = part.finishReason;
      }
      if (part.type === "error") seen.error = told(part.error);
    }
  },
});
