package order

import "github.com/runsheet/runsheet/internal/rank"

// class is the ready jobs that need the same resources. There may be as many
// classes as jobs, so that one of a single job is kept small.
type class struct {
	name   string
	head   rank.Rank   // the first job; "" only during Apply
	rest   *set[place] // the other jobs; nil if there never was one
	parked *resource   // nil = active
}

func (c *class) key() rank.Rank { return c.head }

// resource is something that classes are parked under.
type resource struct {
	name   string
	head   rank.Rank // of the first parked class; "" = none
	parked set[*class]
}

func (r *resource) key() rank.Rank { return r.head }

// ready adds a ready job to its class.
func (x *Index) ready(name string, r rank.Rank) bool {
	c := x.classes.get(name)
	switch {
	case c == nil:
		c = &class{name: name, head: r}
		x.classes.put(c)
		return x.attach(c)
	case c.head == "":
		c.head = r
		return x.attach(c)
	case c.head == r:
		return false
	}
	if c.rest == nil {
		c.rest = &set[place]{}
	}
	if r > c.head {
		return c.rest.insert(place(r))
	}
	x.detach(c)
	c.rest.insert(place(c.head))
	c.head = r
	return x.attach(c)
}

// unready removes a ready job from its class.
func (x *Index) unready(name string, r rank.Rank) bool {
	c := x.classes.get(name)
	if c == nil {
		return false
	}
	if c.head != r {
		return c.rest != nil && c.rest.remove(r)
	}
	x.detach(c)
	c.head = ""
	if c.rest != nil {
		if next, ok := c.rest.first(); ok {
			c.head = next.key()
			c.rest.remove(c.head)
			return x.attach(c)
		}
	}
	// The class may get a job again in the same Apply, and stays parked then.
	x.emptied = append(x.emptied, c)
	return true
}

// forget drops a class that has no jobs.
func (x *Index) forget(c *class) {
	if c.head == "" {
		x.classes.remove(c.name)
	}
}

// attach puts a class where its head is looked for: among the active ones or
// those that are parked under its resource.
func (x *Index) attach(c *class) bool {
	if c.parked == nil {
		return x.active.insert(c)
	}
	if c.parked.head == "" {
		// Nobody is parked there: it may have been dropped meanwhile.
		c.parked = x.resource(c.parked.name)
	}
	return c.parked.parked.insert(c) && x.reorder(c.parked)
}

func (x *Index) detach(c *class) {
	if c.parked == nil {
		x.active.remove(c.head)
		return
	}
	c.parked.parked.remove(c.head)
	x.reorder(c.parked)
}

// resource returns the one with a name, a new one if nothing is parked there.
func (x *Index) resource(name string) *resource {
	r := x.parking[name]
	if r == nil {
		r = &resource{name: name}
		x.parking[name] = r
	}
	return r
}

// reorder puts a resource to its place among the sources after its parked
// classes have changed, and drops it with the last of them.
func (x *Index) reorder(r *resource) bool {
	var head rank.Rank
	if c, ok := r.parked.first(); ok {
		head = c.head
	}
	if head == r.head {
		return true
	}
	if r.head != "" {
		x.sources.remove(r.head)
	}
	r.head = head
	if head == "" {
		delete(x.parking, r.name)
		return true
	}
	return x.sources.insert(r)
}
