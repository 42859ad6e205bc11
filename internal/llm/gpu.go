package llm

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// GPUs says which models share a device, as the operator declared it. Models of one
// device take its lock besides their own, so that no two of them run at the same
// time unless the lock has more units.
type GPUs struct {
	rules    []gpuRule
	capacity map[string]int
}

// gpuRule is "PATTERN=LOCK": models whose name matches take the lock.
type gpuRule struct {
	model *regexp.Regexp
	lock  string
}

var gpuLock = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$`)

// maxGPUUnits bounds how many models may use a device at a time.
const maxGPUUnits = 1024

// ParseGPUs reads rules "qwen3:*=gpu:0", where * stands for any text and the first
// rule that matches a model counts, and capacities "gpu:0=2", 1 where there is
// none. The error names the item.
func ParseGPUs(rules, capacities []string) (GPUs, error) {
	g := GPUs{capacity: map[string]int{}}
	for _, item := range rules {
		pattern, lock, ok := strings.Cut(item, "=")
		pattern, lock = strings.TrimSpace(pattern), strings.TrimSpace(lock)
		if !ok || pattern == "" || !gpuLock.MatchString(lock) {
			return g, fmt.Errorf("%q must be MODEL=LOCK, for example qwen3:*=gpu:0", item)
		}
		if strings.HasPrefix(lock, "model:") {
			return g, fmt.Errorf("%q: a lock that begins with model: belongs to a model", item)
		}
		text := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `.*`)
		g.rules = append(g.rules, gpuRule{regexp.MustCompile(`(?i)^` + text + `$`), lock})
	}
	for _, item := range capacities {
		lock, text, _ := strings.Cut(item, "=")
		lock = strings.TrimSpace(lock)
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n < 1 || n > maxGPUUnits || !gpuLock.MatchString(lock) {
			return g, fmt.Errorf("%q must be LOCK=NUMBER from 1 to %d, for example gpu:0=2", item, maxGPUUnits)
		}
		g.capacity[lock] = n
	}
	return g, nil
}

// Locks are the locks of devices that a model takes; none if no rule matches. A
// name without a tag is looked for with the tag latest too.
func (g GPUs) Locks(model string) []string {
	for _, r := range g.rules {
		if r.model.MatchString(model) || r.model.MatchString(tagged(model)) || r.model.MatchString(tagged(local(model))) {
			return []string{r.lock}
		}
	}
	return nil
}

// Capacities are the units of each declared lock, by name: those without a number
// have 1.
func (g GPUs) Capacities() map[string]int {
	out := map[string]int{}
	for _, r := range g.rules {
		out[r.lock] = 1
	}
	maps.Copy(out, g.capacity)
	return out
}

// local is a model's name without the registry that Ollama takes where none is
// named, in lower case.
func local(model string) string {
	return strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(model), "registry.ollama.ai/"), "library/")
}

// LockName is the name of a model's lock, in lower case, without the tag latest and
// the registry library: to Ollama these names are one model. A name that no lock can have is made one:
// what does not fit becomes a dash, and what is too long is cut, so that two
// models of such names may share a lock, which is safe.
func LockName(model string) string {
	name := strings.Map(func(r rune) rune {
		if r < 0x80 && (r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || slices.Contains([]rune("._:/-"), r)) {
			return r
		}
		return '-'
	}, strings.TrimSuffix(local(model), ":latest"))
	const most = 128 - len("model:")
	return "model:" + name[:min(len(name), most)]
}
