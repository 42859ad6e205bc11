package client

import (
	"iter"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// values builds a query; empty values are left out.
type values url.Values

func (v values) text(name, value string) values {
	if value != "" {
		v[name] = []string{value}
	}
	return v
}

func (v values) list(name string, items []string) values {
	return v.text(name, strings.Join(items, ","))
}

func (v values) time(name string, t time.Time) values {
	if !t.IsZero() {
		v[name] = []string{t.UTC().Format(time.RFC3339Nano)}
	}
	return v
}

func (v values) number(name string, n int) values {
	if n != 0 {
		v[name] = []string{strconv.Itoa(n)}
	}
	return v
}

func (v values) labels(labels map[string]string) values {
	for k, value := range labels {
		v["label"] = append(v["label"], k+":"+value)
	}
	slices.Sort(v["label"])
	return v
}

// pages walks over all pages of a list. It ends after the first error.
func pages[T any](page func(cursor string) ([]T, *string, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for cursor := ""; ; {
			items, next, err := page(cursor)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if next == nil || *next == "" || *next == cursor {
				return
			}
			cursor = *next
		}
	}
}

// Collect gathers at most limit items of an iterator; 0 = all.
//
//	jobs, err := client.Collect(c.Jobs(ctx, client.JobFilter{}), 100)
func Collect[T any](seq iter.Seq2[T, error], limit int) ([]T, error) {
	var out []T
	for item, err := range seq {
		if err != nil {
			return out, err
		}
		if out = append(out, item); limit > 0 && len(out) == limit {
			break
		}
	}
	return out, nil
}

func escape(id string) string { return url.PathEscape(id) }

func (v values) url() url.Values { return url.Values(v) }
