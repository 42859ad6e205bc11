package blob_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/blob"
)

func TestParsePlace(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("paths of Unix")
	}
	for text, want := range map[string]blob.Place{
		"file:///srv/a/":                       {Dir: "/srv/a"},
		"s3://bucket":                          {Bucket: "bucket", Endpoint: "s3.amazonaws.com"},
		"s3://bucket/a/b/?region=eu-central-1": {Bucket: "bucket", Prefix: "a/b/", Endpoint: "s3.amazonaws.com", Region: "eu-central-1"},
		"s3://bucket?endpoint=minio:9000":      {Bucket: "bucket", Endpoint: "minio:9000", Region: "us-east-1", PathStyle: true},
		"s3://bucket?endpoint=http://127.0.0.1:9000/&path_style=false":  {Bucket: "bucket", Endpoint: "127.0.0.1:9000", Plain: true, Region: "us-east-1"},
		"s3://bucket?endpoint=https%3A%2F%2Fs3.eu-west-1.amazonaws.com": {Bucket: "bucket", Endpoint: "s3.eu-west-1.amazonaws.com"},
	} {
		got, err := blob.ParsePlace(text)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", text, err, diff)
		}
	}
}

func TestParsePlaceRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "/srv/a", "http://h/b", "file://", "file://host/a", "file:///a?x=geheim", "file:rel", "s3://", "s3:///a", "s3://ab", "s3://b_geheim",
		"s3://user:geheim@bucket", "s3://bucket/../x", "s3://bucket/a//b", "s3://bucket/a%20b", "s3://bucket#geheim", "s3://bucket?secret=geheim",
		"s3://bucket?geheim=1", "s3://bucket?endpoint=ftp://h", "s3://bucket?endpoint=http://u:geheim@h", "s3://bucket?endpoint=http://h/path",
		"s3://bucket?endpoint=", "s3://bucket?region=a&region=b", "s3://bucket?region=a/b", "s3://bucket?path_style=maybe", "s3://bucket?%zz", "s3://bucket:99/geheim\x00",
	} {
		if p, err := blob.ParsePlace(text); err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%q: %+v, %v", text, p, err)
		}
	}
}
