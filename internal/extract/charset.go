package extract

import (
	"bytes"
	"encoding/binary"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// decode returns data as UTF-8. A byte order mark beats what was said, and so does
// UTF-8 that is valid: both do not come about by accident. What is neither and of
// no known charset is read as windows-1252, a superset of ISO 8859-1.
func decode(data []byte, charset string) (string, error) {
	if rest, ok := bytes.CutPrefix(data, []byte("\xef\xbb\xbf")); ok {
		return valid(rest), nil
	}
	if order := wide(data); order != nil {
		return utf16Text(data[2:], order), nil
	}
	switch charset {
	case "utf-16le", "utf-16":
		return utf16Text(data, binary.LittleEndian), nil
	case "utf-16be":
		return utf16Text(data, binary.BigEndian), nil
	}
	if utf8.Valid(data) && charset != "iso-2022-jp" {
		return string(data), nil
	}
	switch charset {
	case "utf-8", "utf8":
		return valid(data), nil
	case "", "us-ascii", "ascii":
		charset = "windows-1252"
	}
	table := single(charset)
	if table == nil {
		return "", ErrCharset
	}
	out, err := table.NewDecoder().Bytes(data)
	if err != nil {
		return "", ErrCharset
	}
	return valid(out), nil
}

func valid(b []byte) string { return strings.ToValidUTF8(string(b), "\uFFFD") }

// single is the table of a charset with one byte for each character, nil if it is
// not known. ISO 8859-1 is read as windows-1252, as browsers do (WHATWG Encoding).
func single(charset string) *charmap.Charmap {
	switch charset {
	case "iso-8859-1", "latin1", "windows-1252", "cp1252":
		return charmap.Windows1252
	case "iso-8859-2", "latin2":
		return charmap.ISO8859_2
	case "windows-1250", "cp1250":
		return charmap.Windows1250
	case "windows-1251", "cp1251":
		return charmap.Windows1251
	case "iso-8859-5":
		return charmap.ISO8859_5
	case "iso-8859-15", "latin9":
		return charmap.ISO8859_15
	case "koi8-r":
		return charmap.KOI8R
	}
	return nil
}

// wide is the byte order of UTF-16 that begins with a mark, nil if it does not.
func wide(data []byte) binary.ByteOrder {
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe")):
		return binary.LittleEndian
	case bytes.HasPrefix(data, []byte("\xfe\xff")):
		return binary.BigEndian
	}
	return nil
}

func utf16Text(b []byte, order binary.ByteOrder) string {
	units := make([]uint16, 0, len(b)/2)
	for ; len(b) >= 2; b = b[2:] {
		units = append(units, order.Uint16(b))
	}
	return string(utf16.Decode(units))
}

// metaCharset is the charset that an HTML page says of itself in its first
// kilobyte, "" if none (HTML standard, 13.2.3.2).
func metaCharset(data []byte) string {
	found := regexp.MustCompile(`(?i)<meta[^>]{0,200}charset\s*=\s*["']?\s*([a-z0-9_:-]{1,40})`).FindSubmatch(data[:min(len(data), 1024)])
	if found == nil {
		return ""
	}
	return strings.ToLower(string(found[1]))
}
