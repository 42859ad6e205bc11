import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// A file that needs a page says so: // @vitest-environment happy-dom
export default defineConfig({
  plugins: [react()],
  // The limits only end what hangs: vitest's own of 5 s is too short beside other work on the machine.
  test: { include: ["src/**/*.test.{ts,tsx}"], environment: "node", testTimeout: 60_000, hookTimeout: 60_000 },
});
