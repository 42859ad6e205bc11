// Package archive is the file format of backups: one stream that holds the rows
// of every table, the content of artifacts and the logs of runs, and that proves
// at its end that it is whole (docs/adr/0008-backup-format.md).
//
// The stream is a plain tar file, so that it can be looked at with any tar
// program, but only the one form that Writer makes is accepted: regular files
// with known names in a fixed order, and headers that equal, byte for byte, what
// Writer would have written. There are no links, no paths and no compression, so
// there is nothing to escape from a folder with and nothing that unpacks to more
// than was read.
//
//	runsheet-backup.json   format and version, so that others are known at once
//	tables/NAME.jsonl      one for each table, in the order in which they are loaded
//	blobs/SHA256           content of artifacts, ascending
//	logs/RUN.log[.1|.2]    logs, ascending
//	manifest.json          what the members before are: counts, sizes, SHA-256
//	end                    SHA-256 of all bytes before it
//
// The package knows neither databases nor folders; package backup does.
package archive

import (
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
)

// Version is the version of the format that this program writes, and the only
// one that it reads.
const Version = 1

// Kind is what a member holds. The kinds follow each other in this order.
type Kind int

// The kinds of members.
const (
	head Kind = iota
	Table
	Blob
	Log
	manifest
	end
)

const (
	headName     = "runsheet-backup.json"
	manifestName = "manifest.json"
	endName      = "end"
	formatName   = "runsheet-backup"
)

// maxHead and maxManifest bound, in bytes, what is held in memory.
const (
	maxHead     = 4 << 10
	maxManifest = 4 << 20
)

// MaxDamaged is how many damaged blobs a backup can name.
const MaxDamaged = 1000

// Manifest tells what an archive holds.
type Manifest struct {
	// Schema is the version of the database schema that the rows fit.
	Schema int64 `json:"schema_version"`
	// Product is the version of the program that made the archive.
	Product string `json:"product_version"`
	// CreatedAt is the moment whose state the archive holds, at the earliest.
	CreatedAt time.Time `json:"created_at"`
	// Engine is the database that the rows came from: sqlite or postgres.
	Engine string `json:"engine"`
	// Tables are the tables in the order of their members.
	Tables []TableSum `json:"tables"`
	// Blobs and Logs sum up the other members.
	Blobs Group `json:"blobs"`
	Logs  Group `json:"logs"`
	// WithoutBlobs says that content of artifacts was left out on request.
	WithoutBlobs bool `json:"without_blobs"`
	// AbsentBlobs is how many blobs rows refer to that were not stored any more.
	AbsentBlobs int `json:"absent_blobs"`
	// DamagedBlobs are those whose content did not have the SHA-256 of its name
	// when the backup was made. Their members are worthless.
	DamagedBlobs []string `json:"damaged_blobs"`
}

// TableSum is the proof of one table.
type TableSum struct {
	Name   string `json:"name"`
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Group is the proof of all blobs or all logs. SHA256 is that of the lines
// "NAME SIZE SHA256\n" of its members.
type Group struct {
	Count  int64  `json:"count"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Entry is one member.
type Entry struct {
	Kind Kind
	// Name is the table's, the SHA-256 of the blob, or the file name of the log.
	// It was checked: it has no separators and is safe as a file name.
	Name string
	// Size is the length of the content in bytes.
	Size int64
}

func (e Entry) path() string {
	switch e.Kind {
	case head:
		return headName
	case Table:
		return "tables/" + e.Name + ".jsonl"
	case Blob:
		return "blobs/" + e.Name
	case Log:
		return "logs/" + e.Name
	case manifest:
		return manifestName
	case end:
		return endName
	}
	return ""
}

// parsePath is the inverse of path; false for a name that no member has.
func parsePath(path string) (Entry, bool) {
	switch path {
	case headName:
		return Entry{Kind: head}, true
	case manifestName:
		return Entry{Kind: manifest}, true
	case endName:
		return Entry{Kind: end}, true
	}
	folder, name, _ := strings.Cut(path, "/")
	switch folder {
	case "tables":
		name, ok := strings.CutSuffix(name, ".jsonl")
		return Entry{Kind: Table, Name: name}, ok && IsTableName(name)
	case "blobs":
		return Entry{Kind: Blob, Name: name}, isSum(name)
	case "logs":
		return Entry{Kind: Log, Name: name}, IsLogName(name)
	}
	return Entry{}, false
}

// IsTableName reports whether a table may have that name.
func IsTableName(name string) bool {
	if name == "" || len(name) > 60 {
		return false
	}
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && c != '_' && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// IsLogName reports whether name is RUN.log, RUN.log.1 or RUN.log.2.
func IsLogName(name string) bool {
	run, rest, ok := strings.Cut(name, ".log")
	return ok && id.Check(id.Run, run) == nil && (rest == "" || rest == ".1" || rest == ".2")
}

func isSum(s string) bool {
	if len(s) != 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func invalid(format string, args ...any) error {
	return fault.Newf(fault.BackupInvalid, format, args...)
}
