// Answers that the mock server streams, chosen by words in the question. The texts use every kind of markdown that the page renders.

export const ANSWERS = {
  slope: {
    thinking: "The drawing gives m = 2 kg, slope 30°, μ = 0.20, d = 1.5 m. Mass cancels. Check first that it slides at all: tan 30° = 0.577 is more than 0.20, so it does. Then constant acceleration from rest.",
    mode: "thinking", why: "One chain of steps that depend on each other.", title: "Block on a slope",
    text: `It takes **0.97 s** and is then moving at **3.10 m/s**. The mass cancels, so the 2 kg does not matter.

$$a = g(\\sin\\theta - \\mu\\cos\\theta) = 3.21\\ \\text{m/s²}, \\quad t = \\sqrt{\\frac{2d}{a}} = 0.97\\ \\text{s}$$

| Force | Along the slope | Size |
|---|---|---|
| Weight, along the slope | down | 9.81 N |
| Friction, *μN* | up | 3.40 N |
| Net | down | 6.41 N |
| Normal, *N* | none, across it | 16.99 N |

\`\`\`python
from math import sin, cos, radians, sqrt
g, slope, mu, d = 9.81, radians(30), 0.20, 1.5
a = g * (sin(slope) - mu * cos(slope))
print(round(sqrt(2 * d / a), 2), "s")  # time
\`\`\`

### What would change it

1. A steeper slope: $\\mu < \\tan\\theta$ is what lets it slide.
2. A rougher surface:
   - at \\(\\mu = 0.577\\) it just stays,
   - above, nothing moves.

> The figures assume dry friction and no air.

See [the derivation](https://example.org/slope) and ~~ignore~~ note the sign of \`mu\`. A price of $5 or $10 is no formula.`,
  },
  plain: {
    mode: "instant", why: "A short question with one answer.", title: "Plain question",
    text: "Alkaline cells lose most of their capacity in the cold because the electrolyte becomes slow. Lithium iron cells keep about 85 % at −20 °C.",
  },
  long: {
    mode: "instant", title: "A long answer",
    text: Array.from({ length: 60 }, (_, i) => `Paragraph ${i + 1}. It says that things which are said at length take a while to read, and that a page must not jump meanwhile.`).join("\n\n"),
  },
  hostile: {
    mode: "instant", title: "Hostile answer",
    text: `<script>window.hacked = 1</script> <img src=x onerror="window.hacked = 1"> [click](javascript:window.hacked=1) ![pixel](https://example.org/pixel.png)

<iframe src="https://example.org"></iframe>

<b onmouseover="window.hacked=1">bold</b> &lt;i&gt; &amp; &#x41; [ref]: $\\frac{1}{$ and $$\\begin{matrix} a$$`,
  },
  sum: {
    mode: "thinking", title: "Seventeen times twenty-three", tools: [{ name: "calculator", arguments: '{"expression":"17 * 23"}', result: "391" }],
    text: "It is 391.",
  },
  ticket: {
    mode: "instant", title: "The ticket in the mail", acts: { lane: 0, name: "tickets.close", arguments: '{"id":7,"note":"as the mail says"}' },
    text: "That is what became of the ticket.",
  },
  lanes: {
    mode: "contemplating", why: "Two questions that do not need each other.", title: "Solar panel or turbine",
    lanes: [
      { lane: 1, title: "Usable light in December", text: "Nine hours of day, fog on 40 %: a 5 W panel flat to the south yields about 6.3 Wh a day.", state: "done", part: 1 },
      { lane: 2, title: "Charging below 0 °C", text: "Lithium-ion must not be charged below 0 °C, so the panel helps only on the days the pack is warmer than that.", state: "done", part: 2 },
      { lane: 3, title: "Wind turbine instead", text: "", state: "off", note: "You cancelled this lane. Its 36 tokens are counted, and it will not be used in the answer." },
    ],
    text: "**Take the panel, with a box around the pack.** In the worst week it yields 1.4 Wh a day, which is more than the sensor draws [1]. Below freezing the pack cannot be charged [2]; nobody says more [7].",
  },
};

export function answerFor(question) {
  for (const name of Object.keys(ANSWERS)) if (question.toLowerCase().includes(name)) return { name, ...ANSWERS[name] };
  return { name: "plain", ...ANSWERS.plain };
}

/** Tokens, about: words with the space before them, as a model's stream has them. */
export const pieces = (text) => text.match(/\s*\S{1,8}|\s+$/g) ?? [];

/** The events between `start` and `done`. */
export function* eventsOf(answer) {
  yield ["progress", { prompt_tokens: 263, prompt_tokens_done: 128 }];
  yield ["progress", { prompt_tokens: 263, prompt_tokens_done: 263 }];
  for (const piece of pieces(answer.thinking ?? "")) yield ["delta", { lane: 0, thinking: piece }];
  for (const lane of answer.lanes ?? []) yield ["lane", { lane: lane.lane, title: lane.title, state: "live", tokens: 0, elapsed_ms: 0, ...(lane.part ? { part: lane.part } : {}) }];
  for (const lane of answer.lanes ?? []) {
    for (const piece of pieces(lane.text)) yield ["delta", { lane: lane.lane, text: piece }];
    yield ["lane", { lane: lane.lane, title: lane.title, state: lane.state, tokens: pieces(lane.text).length, elapsed_ms: 4200, note: lane.note }];
  }
  if (answer.acts) {
    yield ["tool", answer.acts];
    yield ["acts", answer.acts];
  }
  for (const { result, ...call } of answer.tools ?? []) {
    yield ["tool", { lane: 0, ...call }];
    yield ["tool", { lane: 0, ...call, result }];
  }
  for (const piece of pieces(answer.text)) yield ["delta", { lane: 0, text: piece }];
}
