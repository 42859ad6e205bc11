package logtriage

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/runsheet/runsheet/internal/task/logtriage/drain"
	"github.com/runsheet/runsheet/internal/task/logtriage/logline"
)

// Bounds of what is kept of logs, whatever their size.
const (
	// maxGroups is for each severity, so that noise takes no place from errors.
	maxGroups      = 2_000
	maxSamples     = 3
	maxSample      = 600 // bytes
	maxSampleLines = 8
	// maxClusterSources is how many sources of a cluster are named.
	maxClusterSources = 20
)

// window is the time that is looked at; zero = no bound. Until is excluded.
type window struct{ since, until time.Time }

func (w window) has(t time.Time) bool {
	return t.IsZero() || (w.since.IsZero() || !t.Before(w.since)) && (w.until.IsZero() || t.Before(w.until))
}

// collector groups events while lines stream past. Its memory does not grow with
// the number of lines.
type collector struct {
	now    time.Time
	window window
	parser logline.Parser
	masker logline.Masker
	joiner logline.Joiner
	trees  [logline.Severities]*drain.Tree
	stats  [logline.Severities][]stat

	totals  totals
	sources []*reportSource
	last    time.Time // of the source's latest line that has one

	cur event
	// clean, masked and template are reused from line to line.
	clean, masked, template []byte
}

// stat is what is known of a group.
type stat struct {
	events, lines int64
	first, last   time.Time
	sources       []int
	samples       []string
}

// event is the one whose lines are being read; lines 0 = none.
type event struct {
	severity logline.Severity
	at       time.Time
	text     []byte
	sample   []byte
	lines    int64
	shown    int
}

func newCollector(now time.Time, zone *time.Location, w window) *collector {
	c := &collector{now: now, window: w, parser: logline.Parser{Zone: zone, Now: now}}
	for i := range c.trees {
		c.trees[i] = drain.New(drain.Options{Groups: maxGroups})
	}
	return c
}

// add puts a source into the report.
func (c *collector) add(in input) *reportSource {
	s := &reportSource{Name: in.name, Kind: in.kind(), Notes: []string{}}
	if in.note != "" {
		s.Notes = append(s.Notes, in.note)
	}
	c.sources = append(c.sources, s)
	return s
}

// begin starts to read the source that was added last.
func (c *collector) begin(container bool) *reportSource {
	c.masker, c.joiner, c.last = logline.Masker{}, logline.Joiner{}, time.Time{}
	c.parser.Container = container
	s := c.sources[len(c.sources)-1]
	s.Read = true
	return s
}

// line takes one line of n bytes.
func (c *collector) line(raw []byte, n int64) {
	src := c.sources[len(c.sources)-1]
	src.Lines++
	src.Bytes += n
	c.totals.Lines++
	c.totals.Bytes += n
	c.clean = logline.Clean(c.clean[:0], raw)
	if len(bytes.TrimSpace(c.clean)) == 0 {
		c.totals.Blank++
		return
	}
	c.masked = c.masker.Mask(c.masked[:0], c.clean)
	l := c.parser.Parse(c.masked)
	if len(l.Text) == 0 && !l.Dated { // only the engine's time
		c.totals.Blank++
		return
	}
	if !l.Time.IsZero() {
		c.last = l.Time
	}
	switch c.joiner.Line(l) {
	case logline.Begins:
		c.flush()
		c.cur.severity, c.cur.at, c.cur.lines = l.Severity, c.last, 1
		c.cur.text = append(c.cur.text[:0], l.Text...)
		c.cur.sample, c.cur.shown = append(c.cur.sample[:0], head(c.masked, maxSample)...), 1
	case logline.Names:
		c.cur.text = append(append(c.cur.text, " | "...), l.Text...)
		c.cur.shown = min(c.cur.shown, maxSampleLines-1) // it is worth showing
		c.continued(l)
	case logline.Continues:
		c.continued(l)
	}
}

// continued adds a line to the event.
func (c *collector) continued(l logline.Line) {
	c.cur.lines++
	// A trace that someone logged as information is a failure all the same.
	if l.Severity > c.cur.severity && !l.Headed && l.Severity == logline.Error && c.cur.severity < logline.Warning {
		c.cur.severity = l.Severity
	}
	room := maxSample - len(c.cur.sample)
	if c.cur.shown >= maxSampleLines || room < 2 {
		return
	}
	c.cur.shown++
	c.cur.sample = append(append(c.cur.sample, '\n'), head(c.masked, room-1)...)
}

// head is the beginning of b, at most n bytes and whole characters.
func head(b []byte, n int) []byte {
	if len(b) <= n {
		return b
	}
	for n > 0 && !utf8.RuneStart(b[n]) {
		n--
	}
	return b[:n]
}

// end ends the source.
func (c *collector) end() { c.flush() }

// flush counts the event.
func (c *collector) flush() {
	e := &c.cur
	if e.lines == 0 {
		return
	}
	defer func() { e.lines = 0 }()
	if !c.window.has(e.at) {
		c.totals.OutsideWindow += e.lines
		return
	}
	src := c.sources[len(c.sources)-1]
	widen(&src.first, &src.last, e.at)
	c.totals.Events++
	*c.totals.severity(e.severity)++
	c.template = logline.Template(c.template[:0], e.text)
	g := c.trees[e.severity].Add(c.template)
	if g == drain.None {
		c.totals.Ungrouped.Events++
		c.totals.Ungrouped.Lines += e.lines
		return
	}
	if g == len(c.stats[e.severity]) {
		c.stats[e.severity] = append(c.stats[e.severity], stat{})
	}
	s := &c.stats[e.severity][g]
	s.events++
	s.lines += e.lines
	widen(&s.first, &s.last, e.at)
	if i := len(c.sources) - 1; len(s.sources) <= maxClusterSources && (len(s.sources) == 0 || s.sources[len(s.sources)-1] != i) {
		s.sources = append(s.sources, i)
	}
	if len(s.samples) < maxSamples && !slices.Contains(s.samples, string(e.sample)) {
		s.samples = append(s.samples, string(e.sample))
	}
}

func widen(first, last *time.Time, at time.Time) {
	if at.IsZero() {
		return
	}
	if first.IsZero() || at.Before(*first) {
		*first = at
	}
	if at.After(*last) {
		*last = at
	}
}

// cluster is a group in the report.
type cluster struct {
	id       string
	severity logline.Severity
	template string
	stat
}

// clusters returns the groups, the worst and most frequent first. Groups whose
// templates have become the same are one.
func (c *collector) clusters() []cluster {
	var out []cluster
	for s := range c.trees {
		at := map[string]int{}
		templates := make([]string, len(c.stats[s]))
		for g := range templates {
			templates[g] = c.trees[s].Template(g)
		}
		names := manyNames(templates)
		for g, st := range c.stats[s] {
			template := templates[g]
			if wide := widened(template); names[wide] {
				template = wide
			}
			if i, known := at[template]; known {
				out[i].merge(st)
				continue
			}
			at[template] = len(out)
			severity := logline.Severity(s)
			out = append(out, cluster{id: clusterID(severity, template), severity: severity, template: template, stat: st})
		}
	}
	slices.SortFunc(out, func(a, b cluster) int {
		return cmp.Or(cmp.Compare(b.severity, a.severity), cmp.Compare(b.events, a.events), strings.Compare(a.template, b.template))
	})
	return out
}

// The tree never unites messages that differ in their second word, as "user bob
// logged in" and "user eve logged in" do. Where there are many such, the word is a
// name.
const (
	nameWords = 4 // messages are at least so long
	nameMany  = 4
)

// widened is a template with a wildcard as its second word, "" if it is too short.
func widened(template string) string {
	words := strings.Split(template, " ")
	if len(words) < nameWords {
		return ""
	}
	words[1] = drain.Wildcard
	return strings.Join(words, " ")
}

// manyNames finds the widened templates that stand for many.
func manyNames(templates []string) map[string]bool {
	counts, out := map[string]int{}, map[string]bool{}
	for _, t := range templates {
		if w := widened(t); w != "" {
			if counts[w]++; counts[w] >= nameMany {
				out[w] = true
			}
		}
	}
	return out
}

func (s *cluster) merge(o stat) {
	s.events += o.events
	s.lines += o.lines
	widen(&s.first, &s.last, o.first)
	widen(&s.first, &s.last, o.last)
	s.sources = append(slices.Clone(s.sources), o.sources...)
	slices.Sort(s.sources)
	s.sources = slices.Compact(s.sources)
	for _, sample := range o.samples {
		if len(s.samples) < maxSamples && !slices.Contains(s.samples, sample) {
			s.samples = append(slices.Clone(s.samples), sample)
		}
	}
}

// clusterID is the same in every run that finds the cluster.
func clusterID(s logline.Severity, template string) string {
	sum := sha256.Sum256([]byte(s.String() + "\x00" + template))
	return hex.EncodeToString(sum[:6])
}
