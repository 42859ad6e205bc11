import { defineConfig } from "vitest/config";

// No test: pictures for the documentation, see e2e/screenshots.ts.
export default defineConfig({ test: { include: ["e2e/screenshots.ts"], environment: "node", hookTimeout: 120_000 } });
