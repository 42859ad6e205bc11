package main

import "slices"

// contestant is one queue on one database.
type contestant struct {
	Name     string `json:"name"`
	Database string `json:"database"` // with its durability
	beside   string // engine of the Runsheet that it is compared with
	product  bool   // it is that Runsheet
	bench    string // the benchmark of a library
	only     string // what it takes part in; "" is everything
}

// Engines that Runsheet works on.
const (
	onSQLite   = "sqlite"
	onPostgres = "postgresql"
)

// contestants are all that are measured. Redis stands beside SQLite, which is what
// Runsheet uses unless it is told otherwise.
func contestants() []contestant {
	return []contestant{
		{Name: "Runsheet", Database: "SQLite FULL", beside: onSQLite, product: true},
		{Name: "Runsheet, store without HTTP", Database: "SQLite FULL", beside: onSQLite, bench: "BenchmarkStoreSQLite", only: one},
		{Name: "River", Database: "SQLite FULL", beside: onSQLite, bench: "BenchmarkRiverSQLite"},
		{Name: "goqite", Database: "SQLite FULL", beside: onSQLite, bench: "BenchmarkGoqiteFull"},
		{Name: "goqite", Database: "SQLite NORMAL, syncs no commit", beside: onSQLite, bench: "BenchmarkGoqiteNormal"},
		{Name: "Asynq", Database: "Redis, syncs every write", beside: onSQLite, bench: "BenchmarkAsynqAlways"},
		{Name: "Asynq", Database: "Redis, syncs every second", beside: onSQLite, bench: "BenchmarkAsynqEverySecond"},
		{Name: "Runsheet", Database: "PostgreSQL", beside: onPostgres, product: true},
		{Name: "Runsheet, store without HTTP", Database: "PostgreSQL", beside: onPostgres, bench: "BenchmarkStorePostgres", only: one},
		{Name: "River", Database: "PostgreSQL", beside: onPostgres, bench: "BenchmarkRiver"},
		{Name: "River, 2,000 workers", Database: "PostgreSQL", beside: onPostgres, bench: "BenchmarkRiverMany", only: drain},
	}
}

// Parts of a benchmark.
const (
	one     = "insert"
	batch   = "bulk"
	drain   = "drain"
	latency = "latency"
)

// scenario is one of `runsheet bench`, and the parts of a library's benchmark that
// measure the same.
type scenario struct {
	name  string
	parts []string
}

// scenarios are in the order in which a round takes them.
func scenarios() []scenario {
	return []scenario{{"insert", []string{one, batch}}, {"drain", []string{drain}}, {latency, []string{latency}}}
}

// takes reports whether the contestant has a turn at a scenario.
func (c contestant) takes(s scenario) bool { return c.only == "" || slices.Contains(s.parts, c.only) }
