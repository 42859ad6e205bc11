package calendar

import (
	"testing"
	"time"
)

func BenchmarkShipped(b *testing.B) {
	for b.Loop() {
		if _, err := Shipped(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSession(b *testing.B) {
	c := shippedCalendar(b, "XNYS")
	d := NewDate(2026, time.July, 2)
	for b.Loop() {
		if _, ok := c.Session(d); !ok {
			b.Fatal("no session")
		}
	}
}

func BenchmarkIsSession(b *testing.B) {
	c := shippedCalendar(b, "XNYS")
	d := NewDate(2026, time.July, 2)
	for b.Loop() {
		if !c.IsSession(d) {
			b.Fatal("no session")
		}
	}
}

func BenchmarkNextEventOfMonth(b *testing.B) {
	c := shippedCalendar(b, "XNYS")
	t := time.Date(2026, time.July, 2, 12, 0, 0, 0, time.UTC)
	for b.Loop() {
		if _, ok := c.NextEvent(EventEndOfMonth, t); !ok {
			b.Fatal("no event")
		}
	}
}

// shippedCalendar returns a calendar of the program.
func shippedCalendar(t testing.TB, code string) *Calendar {
	t.Helper()
	set, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	c, err := set.Get(code)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
