package forecast

import (
	"math"
	"slices"
	"time"
)

// Span is what is known of how long a kind of job takes. The zero value
// (Count 0) means that nothing is known.
type Span struct {
	// Median and P90 are the 50 % and 90 % quantiles of the durations.
	Median, P90 time.Duration
	// Count is how many durations these are from. Few make the range wider.
	Count int
}

// Learn condenses durations, in any order, which it does not change. Negative
// ones count as zero. Without durations the result is the zero Span.
//
// Quantiles are interpolated between the two nearest durations (Hazen's rule:
// the i-th smallest of n stands for the quantile (i-1/2)/n). Nearest rank would
// jump by a whole duration when one value enters the history, and the estimate
// of everything behind it with it.
func Learn(durations []time.Duration) Span {
	if len(durations) == 0 {
		return Span{}
	}
	sorted := slices.Clone(durations)
	slices.Sort(sorted)
	return Span{
		Median: max(0, quantile(sorted, 0.5)),
		P90:    max(0, quantile(sorted, 0.9)),
		Count:  len(sorted),
	}
}

// quantile interpolates in sorted, which is not empty, by Hazen's rule.
func quantile[T ~int64](sorted []T, p float64) T {
	at := p*float64(len(sorted)) - 0.5
	i := int(math.Floor(at))
	if i < 0 {
		return sorted[0]
	}
	if i >= len(sorted)-1 {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + T(math.Round((at-float64(i))*float64(sorted[i+1]-sorted[i])))
}

const (
	// z90 is the 90 % quantile of the standard normal distribution.
	z90 = 1.2815515655446004
	// typicalSigma is how widely durations of one kind usually spread: a P90 of
	// 1.9 medians.
	typicalSigma = 0.5
	// enough is how many durations show the spread of their kind by themselves.
	enough = 20
	// maxSigma bounds the spread: a P90 of 13 medians. Kinds that do one of two
	// very different things would otherwise get tails of years.
	maxSigma = 2
	// hazard90 is the hazard of the standard normal distribution at z90, its
	// density by what is left: 0.17550/0.1.
	hazard90 = 1.755
)

// law is the distribution of durations behind a Span: lognormal, because
// durations are positive, skewed to the right and made of factors (size of the
// input, load of the machine). Median and P90 determine it.
type law struct {
	median, p90 float64 // nanoseconds
	// sigma is the standard deviation of the logarithm.
	sigma float64
	// tau is the standard error of the logarithm of the median. All jobs of the
	// kind share this error, so it does not even out over a long queue.
	tau float64
}

// newLaw needs a Span of which something is known.
func newLaw(s Span) law {
	median := max(0, float64(s.Median))
	p90 := max(median, float64(s.P90))
	if p90 == 0 {
		return law{}
	}
	median = max(median, float64(time.Millisecond))
	p90 = max(p90, median)
	n := float64(s.Count)
	sigma := math.Log(p90/median) / z90
	// Two equal durations do not show that there is no spread: what is too few
	// borrows from what is typical.
	sigma = math.Sqrt(sigma*sigma + typicalSigma*typicalSigma*max(0, 1/n-1.0/enough))
	sigma = min(sigma, maxSigma)
	// The median of n values has sqrt(pi/2) times the error of their mean.
	return law{median: median, p90: p90, sigma: sigma, tau: math.Sqrt(math.Pi/2) * sigma / math.Sqrt(n)}
}

// quantile is the duration that a share u of all jobs of the kind stays below.
func (l law) quantile(u float64) float64 {
	return l.median * math.Exp(l.sigma*normal(u))
}

// remaining is the same quantile of what is left for a job that has run for
// elapsed already.
//
// Below P90 it is the lognormal distribution above elapsed. From P90 on the job
// is none that its kind's history describes, and a lognormal tail with a small
// sigma would say "now" for ever. From there the tail is a power law, as for
// all things that have outlived what is usual: what is left grows with what
// was. Its exponent continues the hazard of the lognormal distribution at P90,
// but is at most that of a kind with typicalSigma, by which half of the overdue
// jobs need another 22 % of what they have run.
func (l law) remaining(elapsed time.Duration, u float64) float64 {
	e := max(0, float64(elapsed))
	sigma := math.Hypot(l.sigma, l.tau)
	if e >= l.p90 && e > 0 {
		exponent := hazard90 / max(sigma, typicalSigma)
		return e * (math.Pow(1-u, -1/exponent) - 1)
	}
	if sigma == 0 {
		return l.median - e
	}
	if e > 0 {
		below := 0.5 * math.Erfc(-math.Log(e/l.median)/sigma/math.Sqrt2)
		u = below + (1-below)*u
	}
	return max(0, l.median*math.Exp(sigma*normal(u))-e)
}

// normal is the quantile function of the standard normal distribution.
func normal(u float64) float64 {
	return math.Sqrt2 * math.Erfinv(2*u-1)
}
