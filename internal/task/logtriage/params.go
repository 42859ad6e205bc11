package logtriage

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
)

// Defaults and bounds of params.
const (
	defaultMaxBytes    = 256 << 20
	defaultMaxLines    = 10_000_000
	defaultMaxClusters = 40
	defaultLanguage    = "English"
	maxAge             = 10 * 366 * 24 * time.Hour
)

// params is what a job says. The zero value of each field means that it was not
// given.
type params struct {
	Sources           []source `json:"sources"`
	Since             string   `json:"since"`
	Until             string   `json:"until"`
	Timezone          string   `json:"timezone"`
	MaxBytes          int64    `json:"max_bytes"`
	MaxLines          int64    `json:"max_lines"`
	MaxClusters       int      `json:"max_clusters"`
	Model             string   `json:"model"`
	Language          string   `json:"language"`
	Seed              *int64   `json:"seed"`
	Temperature       *float64 `json:"temperature"`
	AllowWithoutModel bool     `json:"allow_without_model"`
}

// source is one entry of sources: Path or Container.
type source struct {
	Path      string `json:"path"`
	Container string `json:"container"`
	Since     string `json:"since"`
	Tail      int    `json:"tail"`
}

// name is how messages and the report call it.
func (s source) name() string {
	if s.Container != "" {
		return "container " + s.Container
	}
	return s.Path
}

// glob reports whether it may stand for several files.
func (s source) glob() bool { return strings.ContainsAny(s.Path, "*?") }

func decode(raw json.RawMessage) (params, error) {
	var p params
	if len(raw) > 0 {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		if err := d.Decode(&p); err != nil {
			return p, fault.FromJSON(err, "params do not fit the schema of log_triage")
		}
	}
	if p.MaxBytes <= 0 {
		p.MaxBytes = defaultMaxBytes
	}
	if p.MaxLines <= 0 {
		p.MaxLines = defaultMaxLines
	}
	if p.MaxClusters <= 0 {
		p.MaxClusters = defaultMaxClusters
	}
	if p.Language == "" {
		p.Language = defaultLanguage
	}
	return p, nil
}

// check finds all that is wrong with p by itself. now is any time.
func (p params) check(now time.Time) error {
	bad := fault.New(fault.InvalidInput, "params of log_triage are not valid")
	for i, s := range p.Sources {
		at := fmt.Sprintf("/sources/%d", i)
		switch {
		case s.Path != "" && s.Container != "", s.Path == "" && s.Container == "":
			bad = bad.At(at, "bad_source", "must have either path or container")
		case s.Path != "" && (s.Since != "" || s.Tail != 0):
			bad = bad.At(at, "bad_source", "since and tail are for containers; use since and max_bytes of the params")
		case s.Path != "":
			if err := checkPath(s.Path); err != nil {
				bad = bad.At(at+"/path", "bad_path", err.Error())
			}
		}
		if _, err := instant(s.Since, now); err != nil {
			bad = bad.At(at+"/since", "bad_time", err.Error())
		}
	}
	since, err := instant(p.Since, now)
	if err != nil {
		bad = bad.At("/since", "bad_time", err.Error())
	}
	until, errUntil := instant(p.Until, now)
	if errUntil != nil {
		bad = bad.At("/until", "bad_time", errUntil.Error())
	}
	if err == nil && errUntil == nil && !since.IsZero() && !until.IsZero() && !since.Before(until) {
		bad = bad.At("/until", "bad_window", "must be after since")
	}
	if _, err := p.zone(); err != nil {
		bad = bad.At("/timezone", "bad_zone", err.Error())
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	return nil
}

func (p params) zone() (*time.Location, error) {
	if p.Timezone == "" {
		return time.UTC, nil
	}
	loc, err := time.LoadLocation(p.Timezone)
	if err != nil || p.Timezone == "Local" {
		return nil, errors.New("must be the name of a time zone, such as Europe/Berlin")
	}
	return loc, nil
}

// checkPath wants an absolute clean path with forward slashes.
func checkPath(p string) error {
	switch {
	case strings.ContainsAny(p, "\x00\n\r"):
		return errors.New("must not have control characters")
	case !path.IsAbs(p) && !driveAbs(p):
		return errors.New("must be absolute")
	case path.Clean(p) != p:
		return fmt.Errorf("must be clean: %s", path.Clean(p))
	}
	for elem := range strings.SplitSeq(p, "/") {
		if strings.Contains(elem, "**") && elem != "**" {
			return errors.New("** must stand between slashes")
		}
		if strings.ContainsAny(elem, `[]\`) && strings.ContainsAny(p, "*?") {
			return errors.New(`a pattern has only *, ? and **, no brackets and no \`)
		}
	}
	return nil
}

// driveAbs reports whether p begins with a drive, C:/.
func driveAbs(p string) bool {
	return len(p) >= 3 && p[1] == ':' && p[2] == '/' && (p[0]|0x20) >= 'a' && (p[0]|0x20) <= 'z'
}

// instant reads a time, or a duration before now; "" is the zero time.
func instant(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC(), nil
	}
	d, err := clock.ParseDuration(s)
	if err != nil || d < 0 || d > maxAge {
		return time.Time{}, errors.New("must be a time such as 2026-01-31T08:00:00Z, or a duration such as 24h, at most ten years")
	}
	return now.Add(-d).UTC(), nil
}
