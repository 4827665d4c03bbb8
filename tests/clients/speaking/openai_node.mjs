// OpenAI's Node SDK, driven over standard input.
import { answerLines, head, installed } from "./lines.mjs";

const OpenAI = installed("openai").default ?? installed("openai");

const client = (ask) =>
  new OpenAI({
    baseURL: `${ask.url}/v1`,
    apiKey: ask.key,
    defaultHeaders: ask.headers ?? {},
    maxRetries: ask.retries ?? 0,
    timeout: 20_000,
  });
const chatOf = (ask) => ({ model: ask.model, messages: [{ role: "user", content: ask.said }], ...ask.more });

function keepChunk(chunk, seen) {
  for (const choice of chunk.choices) seen.text += choice.delta.content ?? "";
  if (chunk.usage) seen.usage = chunk.usage;
}

await answerLines({
  async chat(ask, seen) {
    const { data, response } = await client(ask).chat.completions.create(chatOf(ask)).withResponse();
    head(seen, response.headers);
    seen.text = data.choices[0].message.content;
    seen.usage = data.usage;
  },
  async chat_streamed(ask, seen) {
    const body = { ...chatOf(ask), stream: true, stream_options: { include_usage: true } };
    const { data, response } = await client(ask).chat.completions.create(body).withResponse();
    head(seen, response.headers);
    for await (const chunk of data) keepChunk(chunk, seen);
  },
  async chat_streamed_bare(ask, seen) {
    const body = { ...chatOf(ask), stream: true };
    const { data, response } = await client(ask).chat.completions.create(body).withResponse();
    head(seen, response.headers);
    for await (const chunk of data) keepChunk(chunk, seen);
  },
  async chat_left(ask, seen) {
    // Leaves in the middle of a stream.
    const { data, response } = await client(ask)
      .chat.completions.create({ ...chatOf(ask), stream: true })
      .withResponse();
    head(seen, response.headers);
    let number = 0;
    for await (const chunk of data) {
      keepChunk(chunk, seen);
      if (++number >= 4) break;
    }
    data.controller.abort();
  },
  async responses(ask, seen) {
    const body = { model: ask.model, input: ask.said, ...ask.more };
    const { data, response } = await client(ask).responses.create(body).withResponse();
    head(seen, response.headers);
    seen.text = data.output_text;
    seen.usage = data.usage;
  },
  async responses_streamed(ask, seen) {
    const body = { model: ask.model, input: ask.said, stream: true, ...ask.more };
    const { data, response } = await client(ask).responses.create(body).withResponse();
    head(seen, response.headers);
    for await (const event of data) {
      if (event.type === "response.output_text.delta") seen.text += event.delta;
      if (event.type === "response.completed") seen.usage = event.response.usage;
    }
  },
  async embeddings(ask, seen) {
    const body = { model: ask.model, input: [ask.said, "b"] };
    const { data, response } = await client(ask).embeddings.create(body).withResponse();
    head(seen, response.headers);
    seen.text = JSON.stringify(data.data.map((row) => row.embedding.slice(0, 4)));
    seen.usage = data.usage;
  },
  async models(ask, seen) {
    const names = [];
    for await (const model of client(ask).models.list()) names.push(model.id);
    seen.text = names.join(" ");
  },
});
