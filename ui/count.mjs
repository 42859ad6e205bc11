// Says in one plain line what the JSON result of a vitest run says. A file that did not come as far
// as its tests counts as one that failed.
import { readFileSync } from "node:fs";

const result = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8") || "null");
if (!result) throw new Error("vitest has written no result");
const broken = result.testResults.filter((file) => file.status === "failed" && !file.assertionResults.some((t) => t.status === "failed")).length;
const failed = result.numFailedTests + broken;
const skipped = result.numPendingTests + result.numTodoTests;
console.log(`${result.numPassedTests} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ""}`);
if (result.numPassedTests === 0 || failed > 0) process.exitCode = 1;
