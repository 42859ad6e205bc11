// Says in one plain line what the JSON result of a vitest run says. A file that did not come as far
// as its tests counts as one that failed. A test that passed only when it was tried again is told too:
// vitest keeps what the attempt before it failed with. What crashes servers and loses connections may
// not fail once: a fault that shows now and then is what those tests are for.
import { readFileSync } from "node:fs";
import { basename } from "node:path";

const result = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8") || "null");
if (!result) throw new Error("vitest has written no result");
const broken = result.testResults.filter((file) => file.status === "failed" && !file.assertionResults.some((t) => t.status === "failed")).length;
const failed = result.numFailedTests + broken;
const strict = new Set(["chaos.test.ts", "instances.test.ts"]);
const skipped = result.numPendingTests + result.numTodoTests;
for (const file of result.testResults) {
  for (const test of file.assertionResults) {
    if (test.status !== "passed" || test.failureMessages.length === 0) continue;
    if (strict.has(basename(file.name))) process.exitCode = 1;
    console.log(`FLAKY ${basename(file.name)}: ${test.fullName} (passed at the second attempt): ${test.failureMessages[0].split("\n")[0]}`);
  }
}
console.log(`${result.numPassedTests} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ""}`);
if (result.numPassedTests === 0 || failed > 0) process.exitCode = 1;
