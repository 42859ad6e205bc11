// Package forecast says when each waiting job is expected to start, and within
// which range. It is pure: what runs, what waits and what is known of durations
// goes in, estimates come out. It reads no clock and changes nothing; package
// queue decides what really starts.
//
// Method. The queue is played forward, event by event, with its own rule: the
// first job in order whose slot and resources are free starts. It is played
// several times. In each run every duration is another quantile of what is
// known of its kind, spread evenly over the runs (Latin hypercube sampling), so
// that a few runs do the work of many random ones. Start is the median of the
// runs, From and To are their 10 % and 90 % quantiles: four of five jobs should
// start inside the range.
//
// Why not one run with medians and one each with low and high durations: the
// median of a sum is not the sum of medians (durations are skewed to the right,
// so twenty jobs together take longer than twenty medians), and twenty jobs are
// never all slow at once, so that such a range is far too wide.
//
// The choice of quantile depends on the job's ID and on nothing else: two calls
// with the same input give the same output, and a job's estimate does not
// flicker because another job was moved.
//
// Simplifications: a group takes all resources of its members from its start to
// its end, one unit of each; strict order and the affinity of models are not
// played; jobs that come later, cancellations and retries are unknown.
package forecast
