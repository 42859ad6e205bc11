package workflow

import "regexp"

var (
	tagForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	number  = regexp.MustCompile(`^v?[0-9]+$`)
)

// CheckTag returns what is wrong with the name of a tag, "" = nothing. A tag can
// always be told from a version's number, and from the words that stand for a version
// already.
func CheckTag(tag string) string {
	switch {
	case !tagForm.MatchString(tag):
		return "a tag is 1 to 64 of a-z, 0-9, ., _ and -, and begins with a letter or digit"
	case number.MatchString(tag):
		return "a tag must not look like the number of a version"
	case tag == "active" || tag == "newest":
		return "active and newest stand for a version already"
	}
	return ""
}
