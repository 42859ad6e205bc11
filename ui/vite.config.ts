import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import tailwind from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

// compressed replaces every asset by its .br and .gz form. The server unpacks the
// .gz for a client that can read neither, so the binary holds no third form.
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    closeBundle() {
      const folder = join(import.meta.dirname, "dist");
      for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || !/\.(js|css|svg|html)$/.test(entry.name)) continue;
        const file = join(entry.parentPath, entry.name);
        const text = readFileSync(file);
        if (entry.name === "index.html") continue; // small, and looked at by tests
        const quality = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: text.length };
        writeFileSync(`${file}.br`, brotliCompressSync(text, { params: quality }));
        const zipped = gzipSync(text, { level: 9 });
        zipped[9] = 255; // the system that made it: unknown, so that all machines make the same
        writeFileSync(`${file}.gz`, zipped);
        rmSync(file);
      }
    },
  };
}

export default defineConfig({
  base: "/ui/",
  plugins: [react(), tailwind(), compressed()],
  build: {
    target: "es2022",
    assetsInlineLimit: 0, // the policy forbids what is inline
    modulePreload: { polyfill: false },
    sourcemap: false,
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        // Small files in one chunk each: gzip finds more in a large text, and imports cost bytes. kit is what
        // the first page needs; with more in it, dialogs and forms would be part of the first load.
        codeSplitting: {
          groups: [
            { name: "icons", priority: 3, test: /lucide-react/ },
            { name: "form", priority: 1, test: /src.kit.(Combobox|CommandField|Fold|SchemaForm|Segmented|command)\./ },
            { name: "kit", priority: 2, test: /src.(api|states|text.kit|text.states|kit.(Badge|Button|CopyAs|Field|Kbd|Menu|More|Page|States|Toasts|Tooltip|Values|Wanted|announce|control|crumb|cx|format|labels|missing|place|quote|random|rows|schema|settled|shortcuts|toast|url|who|wrong|zonechoice)\.)/ },
          ],
        },
      },
    },
  },
  server: { proxy: { "/api": { target: "http://127.0.0.1:8420", ws: true }, "/problems": "http://127.0.0.1:8420" } },
});
