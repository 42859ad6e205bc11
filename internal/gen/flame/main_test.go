package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
)

// profileOf is a profile whose stacks, "caller;called", have these milliseconds.
func profileOf(stacks map[string]int64) *profile.Profile {
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
		PeriodType: &profile.ValueType{Type: "cpu", Unit: "nanoseconds"}, Period: 1, DurationNanos: 2e9,
	}
	for stack, ms := range stacks {
		s := &profile.Sample{Value: []int64{1, ms * 1e6}}
		for name := range strings.SplitSeq(stack, ";") {
			f := &profile.Function{ID: uint64(len(p.Function) + 1), Name: name}
			l := &profile.Location{ID: f.ID, Line: []profile.Line{{Function: f}}}
			p.Function, p.Location = append(p.Function, f), append(p.Location, l)
			s.Location = append([]*profile.Location{l}, s.Location...) // the innermost comes first
		}
		p.Sample = append(p.Sample, s)
	}
	return p
}

func TestPicture(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from, to := filepath.Join(dir, "x.pprof"), filepath.Join(dir, "x.svg")
	file, err := os.Create(from)
	if err != nil {
		t.Fatal(err)
	}
	p := profileOf(map[string]int64{
		"main.main;github.com/runsheet/runsheet/internal/queue.(*Queue).Run": 600, "main.main;a/b.Do[...]": 399, "rare.one": 1,
	})
	if err := p.Write(file); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if err := run("drain <1>", []string{from, to}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(strings.NewReader(string(b))); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, b)
		}
	}
	got := string(b)
	for _, want := range []string{
		"drain &lt;1&gt;", "1.0 s of processor time in 2.0 s", "<title>all 100.0%</title>", "<title>main.main 99.9%</title>",
		"<title>internal/queue.(*Queue).Run 60.0%</title>", `width="707.7"`, ">queue.(*Queue).Run</text>", ">b.Do</text>",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "rare.one") {
		t.Error("what is too narrow is drawn")
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	p := profileOf(nil)
	if _, err := read(p); err == nil {
		t.Error("a profile without samples is drawn")
	}
	p = profileOf(map[string]int64{"a": 1})
	p.SampleType[1].Type = "alloc_space"
	if _, err := read(p); err == nil {
		t.Error("a profile of memory is drawn")
	}
	if run("", []string{"/dev/null", "/dev/null"}) == nil || run("", nil) == nil {
		t.Error("nothing is drawn")
	}
}
