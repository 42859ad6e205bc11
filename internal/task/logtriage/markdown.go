package logtriage

import (
	"fmt"
	"strings"
	"time"
)

// maxListed is how many sources report.md lists.
const maxListed = 100

// markdown is report.md. Whatever comes from logs, names of files or the model is
// either in a fence that it cannot close or escaped, so that it shows as text: no
// HTML, no links, no images.
func (r *report) markdown() string {
	var b strings.Builder
	t := r.Totals
	fmt.Fprintf(&b, "# Log triage\n\n%d lines in %d events of %d sources, %d clusters", t.Lines, t.Events, len(r.Sources), t.Clusters)
	if n := len(r.Clusters); n < t.Clusters {
		fmt.Fprintf(&b, ", of which the first %d are shown", n)
	}
	fmt.Fprintf(&b, ".\nGenerated %s", r.GeneratedAt.UTC().Format(time.RFC3339))
	if r.Model != "" {
		fmt.Fprintf(&b, " with the model %s; causes and suggestions are its guesses", text(r.Model))
	}
	b.WriteString(".\n\n")
	if r.Window.Since != nil || r.Window.Until != nil {
		fmt.Fprintf(&b, "Window: %s to %s.\n\n", or(r.Window.Since, "the beginning"), or(r.Window.Until, "the end"))
	}
	b.WriteString("| severity | events |\n|---|---|\n")
	s := t.Severities
	fmt.Fprintf(&b, "| fatal | %d |\n| error | %d |\n| warning | %d |\n| info | %d |\n| debug | %d |\n",
		s.Fatal, s.Error, s.Warning, s.Info, s.Debug)
	if len(r.Notes) > 0 {
		b.WriteString("\n## Notes\n\n")
		for _, n := range r.Notes {
			fmt.Fprintf(&b, "- %s\n", text(n))
		}
	}
	b.WriteString("\n## Clusters\n")
	if len(r.Clusters) == 0 {
		b.WriteString("\nThere is nothing to show.\n")
	}
	for i, c := range r.Clusters {
		c.markdown(&b, i+1)
	}
	r.listSources(&b)
	return b.String()
}

func (c reportCluster) markdown(b *strings.Builder, number int) {
	fmt.Fprintf(b, "\n### %d. %s: %d events\n\n", number, c.Severity, c.Count)
	fence(b, c.Template)
	fmt.Fprintf(b, "\n- id: %s\n- first seen: %s\n- last seen: %s\n- lines: %d\n", c.ID, or(c.FirstSeen, "unknown"), or(c.LastSeen, "unknown"), c.Lines)
	var names []string
	for _, s := range c.Sources {
		names = append(names, text(s))
	}
	fmt.Fprintf(b, "- sources: %s\n", strings.Join(names, ", "))
	if c.ModelSeverity != "" && c.ModelSeverity != c.Severity {
		fmt.Fprintf(b, "- the model takes it for: %s\n", c.ModelSeverity)
	}
	if c.Cause != "" {
		fmt.Fprintf(b, "\n**Suggested cause:** %s\n", text(c.Cause))
	}
	if c.Suggestion != "" {
		fmt.Fprintf(b, "\n**Suggested next step:** %s\n", text(c.Suggestion))
	}
	if len(c.Samples) > 0 {
		b.WriteString("\nSamples:\n\n")
		fence(b, strings.Join(c.Samples, "\n"))
	}
}

func (r *report) listSources(b *strings.Builder) {
	b.WriteString("\n## Sources\n\n| source | kind | lines | bytes | first | last | notes |\n|---|---|---|---|---|---|---|\n")
	for i, s := range r.Sources {
		if i == maxListed {
			fmt.Fprintf(b, "\nand %d more, which report.json lists.\n", len(r.Sources)-maxListed)
			return
		}
		var notes []string
		for _, n := range s.Notes {
			notes = append(notes, text(n))
		}
		fmt.Fprintf(b, "| %s | %s | %d | %d | %s | %s | %s |\n",
			text(s.Name), s.Kind, s.Lines, s.Bytes, or(s.First, ""), or(s.Last, ""), strings.Join(notes, "; "))
	}
}

func or(t *time.Time, otherwise string) string {
	if t == nil {
		return otherwise
	}
	return t.UTC().Format(time.RFC3339)
}

// fence writes text as a code block whose fence is longer than any run of
// backticks in it (CommonMark, section 4.5).
func fence(b *strings.Builder, s string) {
	longest, run := 2, 0
	for _, c := range s {
		if run++; c != '`' {
			run = 0
		}
		longest = max(longest, run)
	}
	mark := strings.Repeat("`", longest+1)
	fmt.Fprintf(b, "%stext\n%s\n%s\n", mark, s, mark)
}

// text escapes a text for a paragraph, a list or a table: all that Markdown and
// HTML give a meaning, and what makes a link of an address.
func text(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch r {
		case '<':
			b.WriteString("&lt;")
		case '>':
			b.WriteString("&gt;")
		case '&':
			b.WriteString("&amp;")
		case '\n', '\r', '\t':
			b.WriteByte(' ')
		case '\\', '`', '*', '_', '{', '}', '[', ']', '(', ')', '#', '+', '!', '|', '~', ':', '@', '$':
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			if r < 0x20 || r == 0x7f {
				continue
			}
			b.WriteRune(r)
		}
	}
	// GitHub's Markdown makes links of names that begin so.
	return strings.ReplaceAll(b.String(), "www.", `www\.`)
}
