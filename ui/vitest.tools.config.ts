import { defineConfig } from "vitest/config";

// No tests: pictures for the documentation, and the times of graphs.
export default defineConfig({ test: { include: ["e2e/screenshots.ts", "e2e/graph.ts"], environment: "node", hookTimeout: 120_000 } });
