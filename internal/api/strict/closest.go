package strict

import (
	"slices"
	"strings"
)

// Closest returns the known name that was probably meant by name: the same in
// another case or key style, or a few letters away. Of a short name more than half
// must be right, unless the letters are only in another order. "" = none is close.
func Closest(name string, known []string) string {
	if len(name) > 64 {
		return ""
	}
	flat := flatten(name)
	for _, k := range known {
		if flatten(k) == flat {
			return k
		}
	}
	best, dist := "", 1+len(name)/4
	for _, k := range known {
		d := distance(flat, flatten(k))
		if 2*d >= len(flat) && letters(flat) != letters(flatten(k)) {
			continue
		}
		if d <= dist && (best == "" || d < dist) {
			best, dist = k, d
		}
	}
	return best
}

func flatten(s string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(s))
}

func letters(s string) string {
	b := []byte(s)
	slices.Sort(b)
	return string(b)
}

// distance is the Levenshtein distance.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
