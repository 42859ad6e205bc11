import { defineConfig } from "vitest/config";

// Browser tests: the real binary (make build) in a real Chromium. Two files at a
// time: each starts a server and a browser, and mostly waits for them. In CI a test that
// fails is tried once more; count.mjs tells which those were, and they are to be mended.
export default defineConfig({
  test: { include: ["e2e/**/*.test.ts"], environment: "node", maxWorkers: 2, testTimeout: 240_000, hookTimeout: 240_000, retry: process.env.CI ? 1 : 0 },
});
