// Package queue runs jobs: it claims what package claim decides, gives each attempt
// to its task, and records how it ended.
//
// One Engine runs per server process. It holds a lease (an instance row with a
// fresh id) and renews it every few seconds; work whose lease cannot be renewed
// in time is stopped, because another instance may start it again. At start,
// and then regularly, it looks for attempts whose instance is gone, ends what
// is left of their processes, and only then puts the jobs back or fails them.
//
// The queue does not know job types; it meets them through task.Registry. The
// order and its reasons are in package claim, which is pure.
package queue
