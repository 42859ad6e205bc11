// Package powerloss proves that the storage layer keeps its promise when the
// power goes: what was acknowledged is there afterwards, what was not is there
// wholly or not at all (tests T01b and T15 of the reliability plan).
//
// It is a module of its own, because it needs a second SQLite driver: one whose
// file layer can be written in Go. Disk is such a file layer. It has a volatile
// cache like a real disk: a write is lost, torn or reordered at a power cut
// unless a sync of its file returned before. The real internal/store/sqlite
// runs on it unchanged, through its Driver hook, under concurrent clients.
//
// It proves our pragmas and the order of commit and acknowledgement. It does
// not prove the file layer of the driver that is shipped; a test of system
// calls does that elsewhere.
//
// Run all seeds with
//
//	go test ./...
//
// one seed with POWERLOSS_SEED=17 and another number of them with
// POWERLOSS_SEEDS=20000. A seed fixes the workload, the moment of the cut and
// what the disk does to unsynced writes; which client comes first is left to
// the scheduler, so a failing seed may need a few repetitions (-count=50).
package powerloss
