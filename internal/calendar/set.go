package calendar

import (
	"embed"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/runsheet/runsheet/internal/fault"
)

//go:embed data
var shipped embed.FS

// Set finds calendars by their codes. It is immutable.
type Set struct {
	// byCode has every code and alias.
	byCode map[string]*Calendar
	list   []*Calendar
}

// Shipped returns the calendars that are part of the program. It parses all
// data: callers keep the result. An error is a fault of the data.
func Shipped() (*Set, error) {
	list, err := LoadFolder(shipped)
	if err != nil {
		return nil, err
	}
	return (&Set{}).With(list...)
}

// Find returns one calendar of the program by its code, or by an alias. It is
// for a program that needs one only: it parses no more than it has to.
func Find(code string) (*Calendar, error) {
	if validCode(strings.ToUpper(code)) {
		file := strings.ReplaceAll(strings.ToLower(code), "/", "-") + ".cal"
		for _, folder := range []string{"data/", "data/gen/"} {
			if data, err := shipped.ReadFile(folder + file); err == nil {
				return Load(folder+file, data)
			}
		}
	}
	s, err := Shipped()
	if err != nil {
		return nil, err
	}
	return s.Get(code)
}

// With returns the set with more calendars, such as those of a pack or ones with
// overrides. A calendar replaces the one with the same code. An alias that is
// the code or the alias of another calendar is a conflict, a fault of the code
// name_taken.
func (s *Set) With(more ...*Calendar) (*Set, error) {
	own := map[string]*Calendar{}
	for _, c := range s.list {
		own[c.code] = c
	}
	for _, c := range more {
		own[c.code] = c
	}
	next := &Set{byCode: maps.Clone(own), list: slices.Collect(maps.Values(own))}
	slices.SortFunc(next.list, func(a, b *Calendar) int { return strings.Compare(a.code, b.code) })
	for _, c := range next.list {
		for _, alias := range c.aliases {
			if other := next.byCode[alias]; other != nil {
				return nil, fault.Newf(fault.NameTaken, "calendar %s: the alias %s is a name of %s", c.code, alias, other.code)
			}
			next.byCode[alias] = c
		}
	}
	return next, nil
}

// Get returns the calendar of a code or alias in any case; a fault of the code
// not_found if there is none.
func (s *Set) Get(code string) (*Calendar, error) {
	if c := s.byCode[strings.ToUpper(code)]; c != nil {
		return c, nil
	}
	return nil, fault.Newf(fault.NotFound, "no calendar %s", quoted(code))
}

// All lists the calendars by their codes.
func (s *Set) All() []*Calendar { return slices.Clone(s.list) }

// Spec names a calendar or a combination. Exactly one of its parts is set.
type Spec struct {
	Code  string
	AllOf []Spec
	AnyOf []Spec
	Not   *Spec
}

// maxDepth bounds the nesting of a Spec.
const maxDepth = 8

// Resolve builds what a Spec names. Errors are faults of the codes not_found and
// invalid_input.
func (s *Set) Resolve(spec Spec) (*Calendar, error) { return s.resolve(spec, 1) }

func (s *Set) resolve(spec Spec, depth int) (*Calendar, error) {
	parts := 0
	for _, has := range []bool{spec.Code != "", spec.AllOf != nil, spec.AnyOf != nil, spec.Not != nil} {
		if has {
			parts++
		}
	}
	if parts != 1 {
		return nil, fault.New(fault.InvalidInput, "a calendar is one of: a code, all_of, any_of, not")
	}
	if depth > maxDepth {
		return nil, fault.Newf(fault.InvalidInput, "calendars are nested more than %d deep", maxDepth)
	}
	if spec.Code != "" {
		return s.Get(spec.Code)
	}
	if spec.Not != nil {
		member, err := s.resolve(*spec.Not, depth+1)
		if err != nil {
			return nil, err
		}
		return Not(member)
	}
	how, specs := allOf, spec.AllOf
	if spec.AnyOf != nil {
		how, specs = anyOf, spec.AnyOf
	}
	if len(specs) > maxMembers {
		return nil, fault.Newf(fault.InvalidInput, "%s takes 1 to %d calendars", how, maxMembers)
	}
	var members []*Calendar
	for _, m := range specs {
		c, err := s.resolve(m, depth+1)
		if err != nil {
			return nil, err
		}
		members = append(members, c)
	}
	return combine(how, members)
}

// LoadFolder reads every data file (*.cal) of a folder and the folders below.
// Other files are passed over. Two files with the same code are a fault.
func LoadFolder(folder fs.FS) ([]*Calendar, error) {
	var list []*Calendar
	files := map[string]string{}
	err := fs.WalkDir(folder, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(name, ".cal") {
			return err
		}
		if len(list) == maxPackFiles {
			return fault.Newf(fault.InvalidInput, "more than %d calendars", maxPackFiles)
		}
		data, err := fs.ReadFile(folder, name)
		if err != nil {
			return err
		}
		c, err := Load(name, data)
		if err != nil {
			return err
		}
		if other, twice := files[c.code]; twice {
			return lineFault(name, 1, "%s is the calendar of %s too", other, c.code)
		}
		files[c.code] = name
		list = append(list, c)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}
