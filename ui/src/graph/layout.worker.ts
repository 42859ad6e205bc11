// The worker that lays graphs out, so that a large one does not stop the page.

import { layoutGraph } from "./layout";
import type { LayoutAnswer, LayoutQuestion } from "./layoutClient";

self.onmessage = (e: MessageEvent<LayoutQuestion>) => {
  let answer: LayoutAnswer;
  try {
    answer = { id: e.data.id, layout: layoutGraph(e.data.input) };
  } catch (err) {
    answer = { id: e.data.id, error: err instanceof Error ? err.message : String(err) };
  }
  self.postMessage(answer);
};
