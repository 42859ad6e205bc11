package workflow

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/workflow/source"
)

// Document is one document of a file.
type Document struct {
	// Kind is Workflow, JobTemplate, Schedule or WorkflowTest.
	Kind string
	// Workflow is set for a workflow, Test for a test of one.
	Workflow *Definition
	Test     *Test
	// Value is the tree of the others, whose fields are those of the API.
	Value *source.Value
}

// The kinds of documents.
const (
	KindWorkflow    = "Workflow"
	KindJobTemplate = "JobTemplate"
	KindSchedule    = "Schedule"
)

// longest bounds every duration of a document.
const longest = 366 * 24 * time.Hour

var (
	slug  = regexp.MustCompile(`^[a-z0-9_-]{1,64}$`)
	ident = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)
)

// Read reads the documents of a file, as far as their shape goes; Check does the
// rest. Definitions are complete as far as nothing is wrong with them.
func Read(name string, text []byte, kinds Kinds) ([]Document, *Problems) {
	p := &Problems{File: name}
	values, err := source.Read(name, text)
	if err != nil {
		x := Problem{Code: "syntax", Text: err.Error()}
		if e, ok := err.(*source.Error); ok { //nolint:errorlint // Read returns it bare
			x.Pos, x.Text = e.Pos, e.Text
		}
		p.add(x)
		return nil, p
	}
	var docs []Document
	for _, v := range values {
		if v.Kind != source.Map {
			p.at(v.Pos, "", ruleObject, "a document", v.Kind)
			continue
		}
		kind := KindWorkflow
		if k := v.Get("kind"); k != nil {
			known := []string{KindWorkflow, KindJobTemplate, KindSchedule, KindTest}
			if kind = k.Str; !slices.Contains(known, kind) {
				p.near(spot{k.Pos, "", ruleValue}, kind, known, "kind", strings.Join(known, ", "))
				continue
			}
		}
		d := Document{Kind: kind, Value: v}
		switch kind {
		case KindWorkflow:
			d.Workflow = readDefinition(v, p, kinds)
		case KindTest:
			d.Test = readTest(v, p)
		}
		docs = append(docs, d)
	}
	return docs, p
}

func readDefinition(v *source.Value, p *Problems, kinds Kinds) *Definition {
	o := p.object(v, "a workflow", "")
	o.get("kind")
	d := &Definition{
		DSL: o.integer("dsl", DSL, 1, 1<<30), ID: o.str("workflow_id"), Name: o.str("name"), Description: o.str("description"),
		Labels: labels(o), OnError: o.str("on_error"), Compensate: o.oneOf("compensation", "off", "auto") == "auto",
		Timeout: o.duration("timeout", longest), Parallel: o.integer("max_parallel", DefaultParallel, 1, MaxParallel), Pos: v.Pos,
	}
	if d.DSL > DSL {
		p.at(o.at("dsl"), "", ruleDSL, d.DSL, DSL)
	}
	if !slug.MatchString(d.ID) {
		p.at(o.at("workflow_id"), "", ruleID, "workflow_id")
	}
	if d.Timeout == 0 {
		d.Timeout = DefaultTimeout
	}
	if in := o.of("inputs", source.Map); in != nil {
		for _, pair := range in.Pairs {
			d.Inputs = append(d.Inputs, readInput(p, pair))
		}
	}
	if d.Vars = o.of("vars", source.Map); d.Vars == nil {
		d.Vars = &source.Value{Kind: source.Map}
	}
	for _, pair := range d.Vars.Pairs {
		checkName(p, pair, "a variable")
	}
	d.Outputs = named(o, "outputs")
	if c := o.get("concurrency"); c != nil {
		co := p.object(c, "concurrency", "")
		d.Concurrency = &Concurrency{
			Key: co.str("key"), Limit: co.integer("limit", 1, 1, 1000), Pos: c.Pos,
			OnConflict: Conflict(co.oneOf("on_conflict", string(ConflictQueue), string(ConflictSkip), string(ConflictCancelOldest))),
		}
		co.done()
	}
	if f := o.get("defaults"); f != nil {
		fo := p.object(f, "defaults", "")
		d.Defaults = Defaults{Retry: readRetry(fo, ""), Timeout: fo.duration("timeout", longest)}
		for _, r := range fo.strings("resources") {
			d.Defaults.Resources = append(d.Defaults.Resources, r.Str)
		}
		fo.done()
	}
	d.Nodes = readNodes(o, p, kinds, d.Defaults, "")
	if len(d.Nodes) == 0 {
		p.at(o.at("nodes"), "", ruleRequired, "a workflow", "nodes")
	}
	o.done()
	return d
}

func checkName(p *Problems, pair source.Pair, what string) {
	if !ident.MatchString(pair.Key) {
		p.at(pair.Pos, "", ruleName, pair.Key, what)
	}
}

func labels(o *object) map[string]string {
	v := o.of("labels", source.Map)
	if v == nil {
		return nil
	}
	out := map[string]string{}
	for _, pair := range v.Pairs {
		if pair.Value.Kind != source.String {
			o.p.at(pair.Value.Pos, o.node, ruleType, "labels."+pair.Key, formString, pair.Value.Kind)
			continue
		}
		out[pair.Key] = pair.Value.Str
	}
	return out
}

// named reads a map of names and expressions, in the order of the document.
func named(o *object, name string) []Named {
	v := o.of(name, source.Map)
	if v == nil {
		return nil
	}
	var out []Named
	for _, pair := range v.Pairs {
		checkName(o.p, pair, "an output")
		if pair.Value.Kind != source.String {
			o.p.at(pair.Value.Pos, o.node, ruleType, pair.Key, formExpression, pair.Value.Kind)
			continue
		}
		out = append(out, Named{pair.Key, pair.Value.Str, pair.Value.Pos})
	}
	return out
}

func readInput(p *Problems, pair source.Pair) Input {
	checkName(p, pair, "an input")
	in := readInputType(p, pair.Value, pair.Key)
	in.Name, in.Pos = pair.Key, pair.Pos
	return in
}

func readInputType(p *Problems, v *source.Value, name string) Input {
	o := p.object(v, "the input "+name, "")
	words := make([]string, 0, 9)
	for _, t := range InputTypes() {
		words = append(words, string(t))
	}
	in := Input{
		Type: InputType(o.oneOf("type", words...)), Required: o.boolean("required"), Default: o.get("default"), Pattern: o.str("pattern"),
		Min: o.number("min"), Max: o.number("max"), Description: o.str("description"), Secret: o.boolean("secret"), Pos: v.Pos,
	}
	if e := o.of("enum", source.List); e != nil {
		in.Enum = e.Items
	}
	if items := o.get("items"); items != nil {
		of := readInputType(p, items, name+"'s items")
		in.Items = &of
	}
	o.done()
	return in
}

// retryClasses are the classes of errors that every kind may have.
var retryClasses = []string{"timeout", "http_5xx", "http_429", "exit_nonzero", "lock_timeout"}

func readRetry(o *object, node string) *Retry {
	v := o.get("retry")
	if v == nil {
		return nil
	}
	ro := o.p.object(v, "retry", node)
	r := &Retry{
		MaxAttempts: ro.integer("max_attempts", 1, 1, MaxAttempts), Pos: v.Pos, When: ro.str("when"),
		Backoff: Backoff(ro.oneOf("backoff", string(BackoffExponential), string(BackoffFixed))),
		Initial: ro.duration("initial", longest), Max: ro.duration("max", longest),
	}
	if j := ro.number("jitter"); j != nil {
		if r.Jitter = *j; *j < 0 || *j > 1 {
			o.p.at(ro.at("jitter"), node, ruleRange, "jitter", 0, 1)
		}
	}
	for _, class := range ro.strings("on") {
		if !slices.Contains(retryClasses, class.Str) {
			o.p.near(spot{class.Pos, node, ruleValue}, class.Str, retryClasses, "on", strings.Join(retryClasses, ", "))
		}
		r.On = append(r.On, class.Str)
	}
	ro.done()
	return r
}

// Defaults of a retry.
const (
	defaultInitial = time.Second
	defaultMax     = 5 * time.Minute
)

// complete fills in what a retry leaves out.
func (r Retry) complete() Retry {
	if r.MaxAttempts == 0 {
		r.MaxAttempts = 1
	}
	if r.Backoff == "" {
		r.Backoff = BackoffExponential
	}
	if r.Initial == 0 {
		r.Initial = defaultInitial
	}
	if r.Max == 0 {
		r.Max = max(defaultMax, r.Initial)
	}
	return r
}

func readNodes(o *object, p *Problems, kinds Kinds, def Defaults, within string) []Node {
	v := o.of("nodes", source.List)
	if v == nil {
		return nil
	}
	if len(v.Items) > MaxNodes {
		p.at(v.Pos, within, ruleNodes, len(v.Items), MaxNodes)
		return nil
	}
	out := make([]Node, 0, len(v.Items))
	for _, item := range v.Items {
		out = append(out, readNode(item, p, kinds, def, within))
	}
	return out
}

func readNode(v *source.Value, p *Problems, kinds Kinds, def Defaults, within string) Node {
	o := p.object(v, "a node", within)
	n := Node{ID: o.str("node_id"), Pos: v.Pos}
	o.node = n.ID
	if !slug.MatchString(n.ID) {
		p.at(o.at("node_id"), n.ID, ruleID, "node_id")
	}
	kind := readKind(o, &n, kinds)
	o.what = "the node " + n.ID
	if n.Config = o.of("config", source.Map); n.Config == nil {
		n.Config = &source.Value{Kind: source.Map, Pos: n.Pos}
	}
	for _, s := range o.strings("depends_on") {
		id, outcome, _ := strings.Cut(s.Str, ".")
		n.DependsOn = append(n.DependsOn, Source{id, outcome, s.Pos})
	}
	readNext(o, &n)
	n.When, n.Join = o.str("when"), Join(o.oneOf("join", string(JoinAll), string(JoinAny), string(JoinAlways)))
	if r := readRetry(o, n.ID); r != nil {
		n.Retry = r.complete()
	} else if def.Retry != nil {
		n.Retry = def.Retry.complete()
	} else {
		n.Retry = Retry{}.complete()
	}
	if n.Timeout = o.duration("timeout", longest); n.Timeout == 0 {
		n.Timeout = def.Timeout
	}
	n.OnError, n.Compensate = o.str("on_error"), o.str("compensate")
	if n.OnError == "" {
		n.OnError = kind.onError()
	}
	for _, r := range o.strings("resources") {
		n.Resources = append(n.Resources, Named{Text: r.Str, Pos: r.Pos})
	}
	if o.v.Get("resources") == nil {
		for _, r := range def.Resources {
			n.Resources = append(n.Resources, Named{Text: r, Pos: n.Pos})
		}
	}
	n.Outputs, n.IdempotencyKey = named(o, "outputs"), o.str("idempotency_key")
	n.OnCrash = CrashPolicy(o.oneOf("on_crash", "", string(CrashRetry), string(CrashFail), string(CrashAsk)))
	if n.Mock = o.of("mock", source.Map); n.Mock != nil {
		m := readMock(p, n.Mock, n.ID, 0)
		n.Mocked = &m
	}
	n.places = map[string]source.Pos{}
	for _, pair := range o.v.Pairs {
		n.places[pair.Key] = pair.Pos
	}
	o.done()
	for _, f := range kind.Fields {
		if f.Type == FieldNodes {
			body := p.object(n.Config, "config", n.ID)
			n.Body = readNodes(body, p, kinds, def, n.ID)
		}
	}
	return n
}

// readKind reads type and subtype, also by their aliases.
func readKind(o *object, n *Node, kinds Kinds) Kind {
	word := o.str("type")
	n.Type, n.Subtype = resolve(word)
	field, list := kinds.subtypes(n.Type)
	known := kinds.Types()
	if !slices.Contains(known, n.Type) {
		for alias := range aliases {
			known = append(known, alias)
		}
		slices.Sort(known)
		o.p.near(spot{o.at("type"), n.ID, ruleNodeType}, word, known, word)
		// The subtype's field is not known then, whatever it is called.
		for _, f := range []string{"action_type", "data_type", "target_type", "wait_type", "channel"} {
			o.get(f)
		}
		return Kind{}
	}
	if field != "" {
		sub := o.get(field)
		switch {
		case n.Subtype != "" && sub != nil && sub.Str != n.Subtype:
			o.p.at(sub.Pos, n.ID, ruleAlready, word, n.Type, n.Subtype)
		case n.Subtype == "" && sub == nil:
			o.p.at(o.at("type"), n.ID, ruleSubtype, n.Type, field, strings.Join(list, ", "))
		case n.Subtype == "":
			n.Subtype = sub.Str
		}
	}
	kind, ok := kinds.Get(n.Type, n.Subtype)
	if !ok && n.Subtype != "" {
		o.p.near(spot{o.at(field), n.ID, ruleNodeSubtype}, n.Subtype, list, field, n.Subtype)
	}
	return kind
}

// readNext reads one node, a list of them, or a map from outcomes to nodes.
func readNext(o *object, n *Node) {
	v := o.get("next")
	if v == nil {
		return
	}
	add := func(outcome string, v *source.Value) {
		for _, item := range append(v.Items, leaf(v)...) {
			if item.Kind != source.String {
				o.p.at(item.Pos, n.ID, ruleItems, "next", formNodes, item.Kind)
				continue
			}
			n.Next = append(n.Next, Target{item.Str, outcome, item.Pos})
		}
	}
	if v.Kind != source.Map {
		add("", v)
		return
	}
	for _, pair := range v.Pairs {
		add(pair.Key, pair.Value)
	}
}

// leaf is v itself unless it is a list.
func leaf(v *source.Value) []*source.Value {
	if v.Kind == source.List {
		return nil
	}
	return []*source.Value{v}
}
