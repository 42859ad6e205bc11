package workflow

import (
	"fmt"
	"slices"
	"strings"

	"github.com/runsheet/runsheet/internal/workflow/expression"
	"github.com/runsheet/runsheet/internal/workflow/source"
)

// Leaf is a value of a config in which texts with {{ }} are templates.
type Leaf struct {
	// Constant is the value where nothing in it is computed.
	Constant any
	Template *expression.Template
	Expr     *expression.Expr
	// Keys and Items are parts of an object or a list some of which is computed.
	Keys  []string
	Parts []Leaf
	list  bool
}

// computed reports whether anything in l is.
func (l Leaf) computed() bool { return l.Template != nil || l.Expr != nil || l.Parts != nil }

// Get returns the part of an object under key.
func (l Leaf) Get(key string) (Leaf, bool) {
	for i, k := range l.Keys {
		if k == key {
			return l.Parts[i], true
		}
	}
	if m, ok := l.Constant.(map[string]any); ok {
		v, ok := m[key]
		return Leaf{Constant: v}, ok
	}
	return Leaf{}, false
}

// Refs returns what is read to compute the value.
func (l Leaf) Refs() []expression.Ref {
	var out []expression.Ref
	if l.Template != nil {
		out = append(out, l.Template.Refs()...)
	}
	if l.Expr != nil {
		out = append(out, l.Expr.Refs()...)
	}
	for _, part := range l.Parts {
		out = append(out, part.Refs()...)
	}
	return out
}

// Eval computes the value. Expressions of the language itself, such as those of a
// judgment, stay what they are: who has them evaluates them.
func (l Leaf) Eval(env expression.Env) (any, error) {
	switch {
	case l.Template != nil:
		return l.Template.Eval(env)
	case l.Expr != nil:
		return l.Expr, nil
	case l.Parts == nil:
		return l.Constant, nil
	case l.list:
		out := make([]any, 0, len(l.Parts))
		for _, p := range l.Parts {
			v, err := p.Eval(env)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	}
	out := make(map[string]any, len(l.Parts))
	for i, p := range l.Parts {
		v, err := p.Eval(env)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", l.Keys[i], err)
		}
		out[l.Keys[i]] = v
	}
	return out, nil
}

// config checks the config of a step against its kind's fields, and compiles it.
func (b *builder) config(s *Step) Leaf {
	if s.Kind.Type == "" {
		return Leaf{Constant: map[string]any{}}
	}
	return b.fields(s, s.Node.Config, s.Kind.Fields, "config", s.Node.Config.Pos)
}

func (b *builder) fields(s *Step, v *source.Value, fields []Field, what string, at source.Pos) Leaf {
	out := Leaf{Keys: []string{}, Parts: []Leaf{}}
	names := make([]string, 0, len(fields))
	for _, f := range fields {
		names = append(names, f.Name)
		if got := v.Get(f.Name); f.Required && (got == nil || got.Kind == source.Null) {
			b.p.at(at, s.ID, ruleRequired, what+" of "+s.ID, f.Name)
		}
	}
	for _, pair := range v.Pairs {
		i := slices.Index(names, pair.Key)
		if i < 0 {
			b.p.near(spot{pair.Pos, s.ID, ruleKey}, pair.Key, names, what+" of a node of type "+s.Kind.Name(), pair.Key)
			continue
		}
		if fields[i].Type == FieldNodes {
			continue
		}
		out.Keys = append(out.Keys, pair.Key)
		out.Parts = append(out.Parts, b.field(s, pair.Value, fields[i]))
	}
	return out
}

// field checks and compiles one value.
func (b *builder) field(s *Step, v *source.Value, f Field) Leaf {
	if v.Kind == source.Null {
		return Leaf{}
	}
	if f.Type == FieldExpr {
		if v.Kind != source.String {
			b.p.at(v.Pos, s.ID, ruleType, f.Name, formExpression, v.Kind)
			return Leaf{}
		}
		return Leaf{Expr: b.expr(strings.TrimSpace(v.Str), v.Pos, s, scope{result: f.Result, parts: f.Parts})}
	}
	if v.Kind == source.String && strings.Contains(v.Str, "{{") {
		if f.Constant {
			b.p.at(v.Pos, s.ID, ruleConstant, f.Name)
		}
		return Leaf{Template: b.template(v.Str, v.Pos, s, scope{secrets: s.Kind.Secrets, config: true})}
	}
	wrong := func() Leaf {
		b.p.at(v.Pos, s.ID, ruleType, f.Name, fieldForms[f.Type], v.Kind)
		return Leaf{}
	}
	switch f.Type {
	case FieldString:
		if v.Kind != source.String {
			return wrong()
		}
		if len(f.Enum) > 0 && !slices.Contains(f.Enum, v.Str) {
			b.p.near(spot{v.Pos, s.ID, ruleValue}, v.Str, f.Enum, f.Name, strings.Join(f.Enum, ", "))
		}
		if f.Node && b.exists(v.Str, v.Pos, s) && (v.Str == s.ID || !slices.Contains(b.g.Descendants(v.Str), s.ID)) {
			b.p.at(v.Pos, s.ID, ruleBefore, f.Name, s.ID, v.Str)
		}
	case FieldInteger:
		if v.Kind != source.Int {
			return wrong()
		}
	case FieldNumber:
		if v.Kind != source.Int && v.Kind != source.Float {
			return wrong()
		}
	case FieldBoolean:
		if v.Kind != source.Bool {
			return wrong()
		}
	case FieldDuration:
		if _, ok := ParseDuration(v.Str); v.Kind != source.String || !ok {
			return wrong()
		}
	case FieldObject:
		if v.Kind != source.Map {
			return wrong()
		}
		if f.Fields != nil {
			return b.fields(s, v, f.Fields, f.Name, v.Pos)
		}
	case FieldList:
		if v.Kind != source.List {
			return wrong()
		}
		if f.Fields != nil {
			return b.objects(s, v, f)
		}
	case FieldAny, FieldExpr, FieldNodes:
	}
	return b.free(s, v, f)
}

var fieldForms = map[FieldType]form{
	FieldString: formString, FieldInteger: formInteger, FieldNumber: formNumber, FieldBoolean: formBoolean,
	FieldDuration: formDuration, FieldObject: formObject, FieldList: formList, FieldAny: formAny,
}

func (b *builder) objects(s *Step, v *source.Value, f Field) Leaf {
	out := Leaf{list: true, Parts: []Leaf{}}
	for _, item := range v.Items {
		if item.Kind != source.Map {
			b.p.at(item.Pos, s.ID, ruleItems, f.Name, formObjects, item.Kind)
			continue
		}
		out.Parts = append(out.Parts, b.fields(s, item, f.Fields, f.Name, item.Pos))
	}
	return out
}

// free compiles a value without a given shape.
func (b *builder) free(s *Step, v *source.Value, f Field) Leaf {
	out := Leaf{Parts: []Leaf{}}
	switch v.Kind {
	case source.String:
		if strings.Contains(v.Str, "{{") {
			return Leaf{Template: b.template(v.Str, v.Pos, s, scope{secrets: s.Kind.Secrets, config: true})}
		}
	case source.List:
		out.list = true
		for _, item := range v.Items {
			out.Parts = append(out.Parts, b.free(s, item, f))
		}
	case source.Map:
		out.Keys = []string{}
		for _, pair := range v.Pairs {
			out.Keys = append(out.Keys, pair.Key)
			out.Parts = append(out.Parts, b.free(s, pair.Value, f))
		}
	case source.Null, source.Bool, source.Int, source.Float:
	}
	if !slices.ContainsFunc(out.Parts, Leaf.computed) {
		return Leaf{Constant: v.Plain()}
	}
	return out
}
