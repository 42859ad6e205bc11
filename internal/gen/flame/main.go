// Command flame draws a profile of processor time as a flame graph, an SVG picture
// without scripts:
//
//	go run ./internal/gen/flame -title "drain, SQLite" sqlite-drain.pprof drain.svg
//
// Each box is a function, as wide as the share of the time in which it was on the stack,
// with its callers below it. Boxes that stand side by side are in the order of their
// names: where a box stands says nothing. What is narrower than a picture can show is
// left out. The form is that of Brendan Gregg, "The Flame Graph", CACM 59(6), 2016.
package main

import (
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"html"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/google/pprof/profile"
)

// The picture's measures, in pixels.
const (
	width     = 1200
	row       = 15
	margin    = 10
	head      = 34
	letter    = 6.3 // of the font, about
	narrowest = 6
)

func main() {
	title := flag.String("title", "", "text above the picture")
	flag.Parse()
	if err := run(*title, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "flame:", err)
		os.Exit(1)
	}
}

func run(title string, args []string) error {
	if len(args) != 2 {
		return errors.New("give a profile and the picture's name")
	}
	in, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // it was read
	p, err := profile.Parse(in)
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	root, err := read(p)
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	out, err := os.Create(args[1])
	if err != nil {
		return err
	}
	draw(out, title, root, float64(p.DurationNanos))
	return out.Close()
}

// module is what the names of the product's own functions begin with.
const module = "github.com/runsheet/runsheet/"

// frame is a function on one kind of stack.
type frame struct {
	name   string
	time   float64 // ns of processor time in it and in what it calls
	called map[string]*frame
}

func (f *frame) call(name string) *frame {
	if f.called == nil {
		f.called = map[string]*frame{}
	}
	if f.called[name] == nil {
		f.called[name] = &frame{name: name}
	}
	return f.called[name]
}

// read adds up the samples of a profile by their stacks.
func read(p *profile.Profile) (*frame, error) {
	at := slices.IndexFunc(p.SampleType, func(t *profile.ValueType) bool { return t.Type == "cpu" && t.Unit == "nanoseconds" })
	if at < 0 {
		return nil, errors.New("it is no profile of processor time")
	}
	root := &frame{name: "all"}
	for _, s := range p.Sample {
		v := float64(s.Value[at])
		f := root
		f.time += v
		for _, l := range slices.Backward(s.Location) {
			for _, line := range slices.Backward(l.Line) { // the callers of what is inlined come last
				f = f.call(line.Function.Name)
				f.time += v
			}
		}
	}
	if root.time == 0 {
		return nil, errors.New("it has no samples")
	}
	return root, nil
}

// deep is how many rows are drawn above f.
func (f *frame) deep(least float64) int {
	d := 0
	for _, c := range f.called {
		if c.time >= least {
			d = max(d, 1+c.deep(least))
		}
	}
	return d
}

func draw(w io.Writer, title string, root *frame, spent float64) {
	least := root.time * narrowest / (width - 2*margin)
	rows := 1 + root.deep(least)
	height := head + rows*row + margin
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="ui-monospace,monospace" font-size="10.5">`+"\n", width, height)
	fmt.Fprintf(w, `<rect width="100%%" height="100%%" fill="#fff"/><text x="%d" y="16" font-size="14">%s</text>`+"\n", margin, html.EscapeString(title))
	fmt.Fprintf(w, `<text x="%d" y="30" fill="#555">%.1f s of processor time in %.1f s; what is below %.2f %% is left out</text>`+"\n", margin, root.time/1e9, spent/1e9, 100*least/root.time)
	p := picture{w: w, floor: height - margin - row, perNS: (width - 2*margin) / root.time, all: root.time, least: least}
	p.box(root, 0, margin)
	fmt.Fprintln(w, "</svg>")
}

type picture struct {
	w                 io.Writer
	floor             int
	perNS, all, least float64
}

// box draws a frame and what it calls above it.
func (p picture) box(f *frame, level int, x float64) {
	wide := f.time * p.perNS
	y := p.floor - level*row
	name := short(f.name)
	fmt.Fprintf(p.w, `<g><title>%s %.1f%%</title><rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`,
		html.EscapeString(strings.TrimPrefix(f.name, module)), 100*f.time/p.all, x, y, wide-0.3, row-1, colour(f.name))
	if room := int((wide - 4) / letter); room >= 3 {
		if len(name) > room {
			name = name[:room-1] + "…"
		}
		fmt.Fprintf(p.w, `<text x="%.1f" y="%d">%s</text>`, x+2, y+row-4, html.EscapeString(name))
	}
	fmt.Fprintln(p.w, "</g>")
	for _, key := range slices.Sorted(maps.Keys(f.called)) {
		if c := f.called[key]; c.time >= p.least {
			p.box(c, level+1, x)
			x += c.time * p.perNS
		}
	}
}

// short is a function's name without the folders of its package and without type
// parameters.
func short(name string) string {
	base, _, _ := strings.Cut(path.Base(strings.ReplaceAll(name, "[...]", "")), "[")
	return base
}

// colour tells whose code a function is: the product's, the database drivers', the
// garbage collector's and the scheduler's, or other.
func colour(name string) string {
	h := fnv.New32a()
	_, _ = io.WriteString(h, name) // never fails
	shade := int(h.Sum32() % 24)
	switch {
	case strings.HasPrefix(name, module):
		return fmt.Sprintf("rgb(%d,%d,%d)", 120+shade, 190+shade, 150+shade)
	case strings.HasPrefix(name, "modernc.org/"), strings.HasPrefix(name, "github.com/jackc/"), strings.HasPrefix(name, "database/sql"):
		return fmt.Sprintf("rgb(%d,%d,%d)", 140+shade, 180+shade, 225+shade)
	case strings.HasPrefix(name, "runtime."):
		return fmt.Sprintf("rgb(%d,%d,%d)", 200+shade, 200+shade, 200+shade)
	}
	return fmt.Sprintf("rgb(%d,%d,%d)", 230+shade, 190+shade, 130+shade)
}
