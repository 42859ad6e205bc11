package cli

import (
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/runlog"
)

func (a *app) storyCommand() *cobra.Command {
	return a.noun("story", "Write a story now, before every queued job", a.storyGenerate())
}

func (a *app) researchCommand() *cobra.Command {
	return a.noun("research", "Do research now, before every queued job", a.researchRun())
}

// directFlags are those of both.
type directFlags struct {
	language, model, directive string
	seed                       int64
	temperature                float64
	stream                     bool
}

func (d *directFlags) add(a *app, c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&d.language, "language", "", "`language` to write in; that of the topic if absent")
	f.StringVar(&d.model, "model", "", "`model`; the directive's, or the server's default, if absent")
	f.StringVar(&d.directive, "directive", "", "`directive` to work under, by id or name")
	f.Int64Var(&d.seed, "seed", 0, "`number` that makes the result repeatable")
	f.Float64Var(&d.temperature, "temperature", 0, "`number` from 0 to 2: how freely the model chooses")
	f.BoolVar(&d.stream, "stream", true, "print the text as it comes; without it, or with --json, at the end")
	if err := c.RegisterFlagCompletionFunc("directive", a.completeDirectives()); err != nil {
		panic("cli: " + err.Error()) // the flag was added above
	}
}

// given is a pointer to a value whose flag was given.
func given[T any](c *cobra.Command, flag string, v T) *T {
	if !c.Flags().Changed(flag) {
		return nil
	}
	return &v
}

// listener prints the text as it comes, and talks about the wait.
func (a *app) listener(on bool) (l *client.Listener, printed *printing) {
	if !on || a.json != nil || a.quiet {
		return nil, nil
	}
	p := &printing{to: a.out}
	return &client.Listener{
		Queued:  func(q client.DirectQueued) { a.talk("waiting for a slot, %d before this one", q.Position) },
		Started: func(s client.DirectStarted) { a.talk("started %s", s.RunID) },
		Token:   p.text,
	}, p
}

// printing writes pieces of text, without what a terminal would obey, and
// remembers the first error.
type printing struct {
	to    io.Writer
	strip runlog.Stripper
	end   string // of what was written
	err   error
}

func (p *printing) text(s string) {
	safe := p.strip.Strip(nil, []byte(s))
	if p.err != nil || len(safe) == 0 {
		return
	}
	_, p.err = p.to.Write(safe)
	p.end = string(safe)
}

// finish ends the last line. Where no piece came, it writes the whole.
func (p *printing) finish(whole string) error {
	if p.end == "" {
		p.text(whole)
	}
	if rest := p.strip.Flush(nil); len(rest) > 0 && p.err == nil {
		_, p.err = p.to.Write(rest)
		p.end = string(rest)
	}
	if !strings.HasSuffix(p.end, "\n") {
		p.text("\n")
	}
	return p.err
}

func (a *app) printFields(v any) error {
	b, err := a.json.pick(v)
	if err != nil {
		return err
	}
	return a.writeJSON(b)
}

// told prints a finished answer: the text, or, with -q, the run's id.
func (a *app) told(p *printing, runID, text string) error {
	if p == nil {
		p = &printing{to: a.out}
	}
	if a.quiet {
		text = runID
	}
	return p.finish(text)
}

func (a *app) storyGenerate() *cobra.Command {
	var (
		d                directFlags
		in               client.StoryRequest
		length, sections int
	)
	c := &cobra.Command{
		Use: "generate [TOPIC]", Short: "Write a story and print it", Args: cobra.MaximumNArgs(1),
		Long: `Generate takes the next free slot, before every queued job, and prints the story as it is
written. It makes no job, only a run. The topic is stored nowhere but in the story.`,
		Example: `  runsheet story generate "a lighthouse keeper who finds letters to himself" --genre mystery
  runsheet story generate --length 500 --json=run_id,story`,
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			if len(args) == 1 {
				in.Topic = args[0]
			}
			in.Length, in.Sections = given(c, "length", length), given(c, "sections", sections)
			in.Language, in.Model, in.DirectiveID = d.language, d.model, d.directive
			in.Seed, in.Temperature = given(c, "seed", d.seed), given(c, "temperature", d.temperature)
			l, p := a.listener(d.stream)
			out, err := cl.Story(c.Context(), in, l, client.Call{})
			if err != nil {
				return a.broken(p, err)
			}
			if a.json != nil {
				return a.printFields(out)
			}
			return a.told(p, out.RunID, out.Story)
		},
	}
	d.add(a, c)
	f := c.Flags()
	f.StringVar(&in.Genre, "genre", "", "`kind` of story: horror, fairy tale")
	f.StringVar(&in.Style, "style", "", "`how` it is told")
	f.IntVar(&length, "length", 0, "`words`")
	f.IntVar(&sections, "sections", 0, "`number` of sections")
	f.StringVar(&in.ResearchRunID, "research-run", "", "`run` of type research whose findings are the material")
	return c
}

// broken ends the line that a text which did not come to its end has begun.
func (a *app) broken(p *printing, err error) error {
	if p == nil || p.end == "" {
		return err
	}
	return errors.Join(err, p.finish(""))
}

func (a *app) researchRun() *cobra.Command {
	var (
		d                  directFlags
		in                 client.ResearchRequest
		files, urls, texts []string
		findings           int
	)
	c := &cobra.Command{
		Use: "run TOPIC", Short: "Do research and print the report", Args: oneArg,
		Long: `Run takes the next free slot, before every queued job, and prints the report. It makes no
job, only a run. Files are the server's, and the directive must allow them.`,
		Example: `  runsheet research run "heat pumps in old houses" --question "What did they cost?" --url https://example.org/trial --directive web
  runsheet research run "the release" --text @notes.txt`,
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			in.Topic, in.MaxFindings = args[0], given(c, "max-findings", findings)
			in.Language, in.Model, in.DirectiveID = d.language, d.model, d.directive
			in.Seed, in.Temperature = given(c, "seed", d.seed), given(c, "temperature", d.temperature)
			for _, path := range files {
				in.Sources = append(in.Sources, client.ResearchSource{Path: path})
			}
			for _, u := range urls {
				in.Sources = append(in.Sources, client.ResearchSource{URL: u})
			}
			for _, t := range texts {
				b, err := a.read(t)
				if err != nil {
					return err
				}
				in.Sources = append(in.Sources, client.ResearchSource{Text: string(b)})
			}
			l, p := a.listener(d.stream)
			out, err := cl.Research(c.Context(), in, l, client.Call{})
			if err != nil {
				return a.broken(p, err)
			}
			if a.json != nil {
				return a.printFields(out)
			}
			return a.told(p, out.RunID, out.Markdown)
		},
	}
	d.add(a, c)
	f := c.Flags()
	f.StringArrayVar(&in.Questions, "question", nil, "`question` to answer; repeatable")
	f.StringArrayVar(&files, "file", nil, "absolute `path` of a file on the server; repeatable")
	f.StringArrayVar(&urls, "url", nil, "`URL` of a page; repeatable")
	f.StringArrayVar(&texts, "text", nil, "`text` to read, @file, or - for stdin; repeatable")
	f.IntVar(&findings, "max-findings", 0, "at most this `number` of findings")
	return c
}
