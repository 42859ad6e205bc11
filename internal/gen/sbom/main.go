// Command sbom writes the SPDX 2.3 document of a built binary: what Go put into
// it about its own making (debug/buildinfo) is what the document says, so it
// describes this file and not what a go.mod would give today.
//
//	go run ./internal/gen/sbom -licences docs/licences.md -created 2026-01-31T12:00:00Z bin/runsheet
//
// The same file and flags give the same bytes.
package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
)

type document struct {
	SPDXVersion       string         `json:"spdxVersion"`
	DataLicense       string         `json:"dataLicense"`
	SPDXID            string         `json:"SPDXID"`
	Name              string         `json:"name"`
	DocumentNamespace string         `json:"documentNamespace"`
	CreationInfo      creation       `json:"creationInfo"`
	DocumentDescribes []string       `json:"documentDescribes"`
	Packages          []part         `json:"packages"`
	Relationships     []relationship `json:"relationships"`
}

type creation struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

type part struct {
	SPDXID           string      `json:"SPDXID"`
	Name             string      `json:"name"`
	VersionInfo      string      `json:"versionInfo"`
	PackageFileName  string      `json:"packageFileName,omitempty"`
	Supplier         string      `json:"supplier"`
	DownloadLocation string      `json:"downloadLocation"`
	FilesAnalyzed    bool        `json:"filesAnalyzed"`
	Checksums        []checksum  `json:"checksums,omitempty"`
	LicenseConcluded string      `json:"licenseConcluded"`
	LicenseDeclared  string      `json:"licenseDeclared"`
	CopyrightText    string      `json:"copyrightText"`
	ExternalRefs     []reference `json:"externalRefs"`
	Purpose          string      `json:"primaryPackagePurpose"`
}

type checksum struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"checksumValue"`
}

type reference struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

type relationship struct {
	Element string `json:"spdxElementId"`
	Type    string `json:"relationshipType"`
	Related string `json:"relatedSpdxElement"`
}

func main() {
	licences := flag.String("licences", "docs/licences.md", "table of modules and licences")
	created := flag.String("created", "", "time of the document, RFC 3339 in UTC")
	version := flag.String("version", "", "version of runsheet")
	flag.Parse()
	if err := write(os.Stdout, flag.Arg(0), *licences, *created, *version); err != nil {
		slog.New(slog.NewTextHandler(os.Stderr, nil)).Error("write the SBOM", "error", err)
		os.Exit(1)
	}
}

func write(w io.Writer, path, licences, created, version string) error {
	if path == "" || created == "" || version == "" {
		return errors.New("usage: sbom -created TIME -version V [-licences FILE] BINARY")
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read build info: %w", err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	known, err := readLicences(licences)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	d, err := describe(info, known, binary{filepath.Base(path), hex.EncodeToString(sum[:]), created, version})
	if err != nil {
		return err
	}
	return enc.Encode(d)
}

// binary is what build info does not tell of the binary.
type binary struct{ file, sum, created, version string }

func describe(info *debug.BuildInfo, known map[string]string, m binary) (document, error) {
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	root := part{
		SPDXID: "SPDXRef-runsheet", Name: "runsheet", VersionInfo: m.version, PackageFileName: m.file,
		Supplier: "Organization: Runsheet", DownloadLocation: "https://" + info.Main.Path, Checksums: []checksum{{"SHA256", m.sum}},
		LicenseConcluded: "Apache-2.0", LicenseDeclared: "Apache-2.0", CopyrightText: "NOASSERTION", Purpose: "APPLICATION",
		ExternalRefs: purl(info.Main.Path, m.version, "?goos="+settings["GOOS"]+"&goarch="+settings["GOARCH"]),
	}
	d := document{
		SPDXVersion: "SPDX-2.3", DataLicense: "CC0-1.0", SPDXID: "SPDXRef-DOCUMENT", Name: m.file + "-" + m.version,
		// The content's hash makes the name unique for the file and the same for
		// everybody who builds it.
		DocumentNamespace: "https://" + info.Main.Path + "/sbom/" + m.file + "-" + m.sum,
		CreationInfo:      creation{m.created, []string{"Tool: runsheet-sbom"}},
		DocumentDescribes: []string{root.SPDXID}, Packages: []part{root},
		Relationships: []relationship{{"SPDXRef-DOCUMENT", "DESCRIBES", root.SPDXID}},
	}
	add := func(name, version, licence string) {
		p := part{
			SPDXID: "SPDXRef-" + unfit.ReplaceAllString(name, "-"), Name: name, VersionInfo: version, Supplier: "NOASSERTION",
			DownloadLocation: "NOASSERTION", LicenseConcluded: licence, LicenseDeclared: licence, CopyrightText: "NOASSERTION",
			ExternalRefs: purl(name, version, ""), Purpose: "LIBRARY",
		}
		d.Packages = append(d.Packages, p)
		d.Relationships = append(d.Relationships, relationship{root.SPDXID, "CONTAINS", p.SPDXID})
	}
	add("stdlib", strings.TrimPrefix(info.GoVersion, "go"), "BSD-3-Clause")
	for _, mod := range info.Deps {
		licence, ok := known[mod.Path]
		if !ok {
			return d, fmt.Errorf("the licence of %s is not known: run make generate", mod.Path)
		}
		if mod.Replace != nil {
			mod = mod.Replace
		}
		add(mod.Path, mod.Version, licence)
	}
	return d, nil
}

// unfit are the characters that an SPDX id must not have.
var unfit = regexp.MustCompile(`[^A-Za-z0-9.-]`)

func purl(name, version, qualifiers string) []reference {
	return []reference{{"PACKAGE-MANAGER", "purl", "pkg:golang/" + name + "@" + strings.ReplaceAll(version, "+", "%2B") + qualifiers}}
}

// readLicences reads the rows of the table.
func readLicences(path string) (map[string]string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for line := range strings.Lines(string(b)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) == 4 {
			out[strings.TrimSpace(cells[1])] = strings.TrimSpace(cells[2])
		}
	}
	return out, nil
}
