package research

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// markdown is research.md. A number in brackets is that of a source in its list;
// no other brackets are left unescaped, whatever model and sources say.
func markdown(r Report) string {
	var b strings.Builder
	number := map[string]int{}
	for i, s := range r.Sources {
		number[s.ID] = i + 1
	}
	fmt.Fprintf(&b, "# %s\n\n", plain(r.Topic))
	if r.Basis == BasisModel {
		b.WriteString("**No sources were given. Every claim below is the model's own and has no source.**\n\n")
	}
	if r.Summary != "" {
		fmt.Fprintf(&b, "## Summary\n\n%s\n\n*Written by the model %s from the findings below.*\n\n", summary(r, number), plain(r.Model))
	}
	b.WriteString("## Findings\n\n")
	if len(r.Findings) == 0 {
		b.WriteString("Nothing was found.\n\n")
	}
	rest := findings(&b, r, number)
	if len(rest) > 0 && len(rest) < len(r.Findings) {
		b.WriteString("### Other findings\n\n")
	}
	for _, f := range rest {
		finding(&b, f, number)
	}
	if len(r.OpenQuestions) > 0 {
		b.WriteString("## Open questions\n\n")
		for _, q := range r.OpenQuestions {
			fmt.Fprintf(&b, "- %s\n", plain(q))
		}
		b.WriteString("\n")
	}
	if len(r.Sources) > 0 {
		b.WriteString("## Sources\n\n")
		for i, s := range r.Sources {
			fmt.Fprintf(&b, "%d. %s\n", i+1, listed(s))
		}
		b.WriteString("\n")
	}
	if len(r.Tags) > 0 {
		tags := make([]string, len(r.Tags))
		for i, t := range r.Tags {
			tags[i] = plain(t)
		}
		fmt.Fprintf(&b, "Tags: %s\n\n", strings.Join(tags, ", "))
	}
	if len(r.Notes) > 0 {
		b.WriteString("## Notes\n\n")
		for _, n := range r.Notes {
			where := ""
			if i := number[n.SourceID]; i > 0 {
				where = fmt.Sprintf("Source %d: ", i)
			}
			fmt.Fprintf(&b, "- %s%s\n", where, plain(n.Text))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// findings writes those that answer a question below it and returns the others.
func findings(b *strings.Builder, r Report, number map[string]int) []Finding {
	byQuestion := map[int][]Finding{}
	var rest []Finding
	for _, f := range r.Findings {
		if f.Question == nil {
			rest = append(rest, f)
		} else {
			byQuestion[*f.Question] = append(byQuestion[*f.Question], f)
		}
	}
	for i, q := range r.Questions {
		if len(byQuestion[i+1]) == 0 {
			continue
		}
		fmt.Fprintf(b, "### %s\n\n", plain(q))
		for _, f := range byQuestion[i+1] {
			finding(b, f, number)
		}
	}
	return rest
}

func finding(b *strings.Builder, f Finding, number map[string]int) {
	if f.SourceID == nil {
		fmt.Fprintf(b, "- %s\n\n", plain(f.Text))
		return
	}
	where := ""
	switch {
	case f.Page != nil:
		where = fmt.Sprintf("page %d, ", *f.Page)
	case f.Line != nil:
		where = fmt.Sprintf("line %d, ", *f.Line)
	}
	fmt.Fprintf(b, "- %s [%d]\n  > %s\n  >\n  > (%scharacters %d to %d)\n\n",
		plain(f.Text), number[*f.SourceID], plain(*f.Quote), where, *f.Start, *f.End)
}

// summary is the summary with sources in place of findings.
func summary(r Report, number map[string]int) string {
	var b strings.Builder
	for i, p := range strings.Split(r.Summary, "\n\n") {
		if i > 0 {
			b.WriteString("\n\n")
		}
		b.WriteString(cited(p, r.Findings, number))
	}
	return b.String()
}

func cited(text string, list []Finding, number map[string]int) string {
	var b strings.Builder
	last := 0
	for _, at := range references().FindAllStringIndex(text, -1) {
		b.WriteString(plain(strings.TrimRight(text[last:at[0]], " ")))
		last = at[1]
		var refs []string
		seen := map[int]bool{}
		for _, n := range numbers(text[at[0]:at[1]]) {
			if n < 1 || n > len(list) || list[n-1].SourceID == nil {
				continue
			}
			if s := number[*list[n-1].SourceID]; !seen[s] {
				seen[s] = true
				refs = append(refs, "["+strconv.Itoa(s)+"]")
			}
		}
		if len(refs) > 0 {
			b.WriteString(" " + strings.Join(refs, ""))
		}
	}
	if rest := text[last:]; rest != "" {
		if strings.HasPrefix(rest, " ") && last > 0 {
			b.WriteString(" ")
		}
		b.WriteString(plain(rest))
	}
	return b.String()
}

// listed is a source's entry in the list.
func listed(s Source) string {
	parts := []string{"**" + plain(s.Name) + "**"}
	if s.Origin != "" {
		parts = append(parts, plain(s.Origin))
	}
	if s.Error != "" {
		return strings.Join(append(parts, "not read: "+plain(s.Error)), ", ")
	}
	parts = append(parts, s.Format, fmt.Sprintf("%d bytes", s.Bytes))
	if s.RetrievedAt != nil && s.Kind != "text" {
		parts = append(parts, "read "+s.RetrievedAt.Format(time.RFC3339))
	}
	if len(s.SHA256) >= 16 {
		parts = append(parts, "sha256 `"+s.SHA256[:16]+"…`")
	}
	return strings.Join(parts, ", ")
}

// plain writes text so that Markdown shows it as it is, on one line: what a model or a
// stranger's page says must not become a link, an image or HTML, nor a command to the
// terminal on which the file is shown.
func plain(s string) string {
	s = oneLine(s)
	var b strings.Builder
	for i, r := range s {
		switch {
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			continue
		case r == '<':
			b.WriteString("&lt;")
			continue
		case r == '&':
			b.WriteString("&amp;")
			continue
		case strings.ContainsRune("\\`*_[]>|~", r), i == 0 && strings.ContainsRune("#+-=", r),
			r == '!' && strings.HasPrefix(s[i+1:], "["), r == '.' && i > 0 && strings.Trim(s[:i], "0123456789") == "",
			r == ')' && i > 0 && strings.Trim(s[:i], "0123456789") == "",
			r == ':' && strings.HasPrefix(s[i:], "://"): // no autolinks
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	// GitHub's Markdown makes links of names that begin so.
	return strings.ReplaceAll(b.String(), "www.", `www\.`)
}
