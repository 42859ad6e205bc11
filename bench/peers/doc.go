// Command peers measures durable workflow steps of Runsheet beside those of other
// durable engines that a Go program can embed, on the same databases with the same
// durability: runs of ten steps without work, some at once.
//
// Each engine is a Go benchmark: Runsheet's is BenchmarkRuns of internal/app, those of
// the others are the benchmarks of this package, which are in test files, so that only
// a measurement builds them. The command builds both test binaries, gives them turns
// (one process and one fresh database per turn, the order reversed from round to
// round), and writes the medians as a table and as JSON. The ratio is taken within a
// round, between turns that ran one after the other.
//
//	make bench-peers
//
// The module is one of its own because its dependencies are no business of the
// product. It is vetted and linted with the others; no test run includes it.
package main
