import { defineConfig } from "vitest/config";

// Browser tests: the real binary (make build) in a real Chromium. One file at a
// time, because each starts a server and a browser.
export default defineConfig({
  test: { include: ["e2e/**/*.test.ts"], environment: "node", fileParallelism: false, testTimeout: 240_000, hookTimeout: 240_000 },
});
