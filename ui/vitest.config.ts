import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// A file that needs a page says so: // @vitest-environment happy-dom
export default defineConfig({
  plugins: [react()],
  test: { include: ["src/**/*.test.{ts,tsx}"], environment: "node" },
});
