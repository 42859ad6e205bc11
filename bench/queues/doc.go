// Command queues measures Runsheet's queue beside libraries that a Go program can embed as
// a queue of jobs: jobs without work are added one at a time and in batches, run until
// none is left, and waited for on a queue that has nothing else to do.
//
// Runsheet's part is its program's own measurement, `runsheet bench`, on a fresh database.
// The others are Go benchmarks in the test files of this package, so that only a
// measurement builds them; they measure the same, as queue_test.go says. The command
// builds both, gives them turns (one process and fresh databases per turn, the order
// reversed from round to round), and writes the medians as Markdown and JSON. The ratio is
// taken within a round, between turns of the same measure.
//
//	make bench-queues
//
// The module is one of its own because its dependencies are no business of the product.
// It is vetted and linted with the others; no test run includes it.
package main
