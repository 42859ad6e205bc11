package crontab

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/schedule"
)

// TestParse reads the example of cronie's crontab(5), with what else a table has.
func TestParse(t *testing.T) {
	t.Parallel()
	table := Parse("\ufeff"+`# Edit this file to introduce tasks to be run by cron.
#
# m h  dom mon dow   command
SHELL=/bin/bash
# mail any output to paul, no matter whose crontab this is
MAILTO=paul
CRON_TZ = Japan
LANG="de_DE.UTF-8"

# run five minutes after midnight,
# every day
5 0 * * *       $HOME/bin/daily.job >> $HOME/tmp/out 2>&1
15 14 1 * *     /usr/bin/monthly
# 0 1 * * * taken-out
0 22 * * 1-5    mail -s "It's 10pm" joe%Joe,%%Where are your kids?%`+"\r\n"+`
PATH=/opt/bin:/usr/bin
HOME=/srv/it's
RANDOM_DELAY=45
CRON_TZ=
@reboot -n start
	-23 0-23/2 * * * date +\%F
`, Options{})
	env := []Variable{{"LANG", "de_DE.UTF-8"}}
	path := []Variable{{"PATH", "/opt/bin:/usr/bin"}}
	home := append(env, Variable{"HOME", "/srv/it's"})
	want := []Entry{
		{
			Line: 12, Name: "daily-job", Description: "run five minutes after midnight, every day", Expression: "5 0 * * *", Zone: "Japan", Shell: "/bin/bash", Env: env,
			Command: "$HOME/bin/daily.job >> $HOME/tmp/out 2>&1", Remarks: []Remark{{Code: HomeNeeded, Text: "it seems to need the home folder of its user; name it with --home"}},
		},
		{Line: 13, Name: "monthly", Expression: "15 14 1 * *", Zone: "Japan", Shell: "/bin/bash", Env: env, Command: "/usr/bin/monthly"},
		{
			Line: 15, Name: "mail", Expression: "0 22 * * 1-5", Zone: "Japan", Shell: "/bin/bash", Env: env,
			Command: `mail -s "It's 10pm" joe`, Stdin: "Joe,\n\nWhere are your kids?\n",
		},
		{
			Line: 21, Name: "start", Expression: "@reboot", Shell: "/bin/bash", Env: home, Exports: path, Dir: "/srv/it's", Offset: 45 * time.Minute, Command: "start",
		},
		{
			Line: 22, Name: "date", Expression: "23 0-23/2 * * *", Shell: "/bin/bash", Env: home, Exports: path, Dir: "/srv/it's", Offset: 45 * time.Minute, Command: "date +%F",
		},
	}
	if d := cmp.Diff(want, table.Entries); d != "" {
		t.Error(d)
	}
	if len(table.Problems) > 0 || len(table.Remarks) != 1 || table.Remarks[0].Line != 6 || table.Remarks[0].Code != NothingMailed {
		t.Errorf("problems %v, notes %v", table.Problems, table.Remarks)
	}
	if d := cmp.Diff([]string{"/bin/bash", "-c", "PATH='/opt/bin:/usr/bin'; export PATH\ncd '/srv/it'\\''s' || exit 1\ndate +%F"}, table.Entries[4].Argv()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"/bin/bash", "-c", "/usr/bin/monthly"}, table.Entries[1].Argv()); d != "" {
		t.Error(d)
	}
}

// TestSystem reads Debian's /etc/crontab.
func TestSystem(t *testing.T) {
	t.Parallel()
	table := Parse(`# /etc/crontab: system-wide crontab
SHELL=/bin/sh
# Example of job definition:
# .---------------- minute (0 - 59)
# |  .------------- hour (0 - 23)
# |  |  .---------- day of month (1 - 31)
# *  *  *  *  * user-name command to be executed
17 *	* * *	root	cd / && run-parts --report /etc/cron.hourly
25 6	* * *	root	test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }
* * * * * www:daemon /usr/bin/php -q /var/www/cron.php
@daily root
* * * * * * root command
`, Options{System: true})
	var got []string
	for _, e := range table.Entries {
		got = append(got, e.User+" "+e.Name+" "+e.Description+"|"+e.Command)
	}
	if d := cmp.Diff([]string{
		"root cron-hourly |cd / && run-parts --report /etc/cron.hourly",
		"root cron-daily |test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }",
		"www cron |/usr/bin/php -q /var/www/cron.php",
	}, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]Problem{
		{11, 12, NewRemark(UserMissing)}, {12, 13, NewRemark(UserMissing)},
	}, table.Problems); d != "" {
		t.Error(d)
	}
}

// TestProblems: each is at its place, and the lines around it are read.
func TestProblems(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line   string
		column int
		text   string
	}{
		{"0 24 * * * x", 3, "24 is not an hour; write 0 for midnight"},
		{"é 1 * * * x", 1, "is not a minute"},
		{"  0 1 * foo * x", 9, "is not a month"},
		{"0 1 * * fri,,mon x", 13, "a day of the week is missing"},
		{"0 22-2 * * * x", 3, "the range 22-2 begins after its end"},
		{"0 1 * * *", 10, "the command is missing"},
		{"0 1 *", 6, "the time has 3 of 5 fields"},
		{"0 1 * * * * x", 11, "more than five fields"},
		{"0 1 * * * %x", 11, "the command is missing"},
		{"@fortnightly x", 1, "no macro @fortnightly"},
		{"@every x y", 8, "not a duration"},
		{"@every", 7, "a duration and a command"},
		{"CRON_TZ=Mars/Olympus", 9, `no time zone "Mars/Olympus"`},
		{"RANDOM_DELAY=x", 14, "from 0 to 1440"},
		{"SHELL=bash", 7, "absolute path"},
		{"HOME=x", 6, "absolute path"},
		{"A-B=1", 1, `"A-B" cannot be`},
		{"RUNSHEET_X=1", 1, "cannot be"},
		{"0 1 * * * \xff", 11, "not UTF-8"},
		{"0 1 * * * a\x00", 12, "NUL"},
	} {
		table := Parse("1 1 * * * above\n"+c.line+"\nCRON_TZ=UTC\n2 1 * * * below\n", Options{})
		if len(table.Problems) != 1 || table.Problems[0].Line != 2 || table.Problems[0].Column != c.column || !strings.Contains(table.Problems[0].Text, c.text) {
			t.Errorf("%q: %v", c.line, table.Problems)
		}
		if len(table.Entries) != 2 || table.Entries[1].Name != "below" {
			t.Errorf("%q: %d entries", c.line, len(table.Entries))
		}
	}
	table := Parse("CRON_TZ=Mars\n1 1 * * * a\n", Options{})
	if len(table.Entries) != 0 || len(table.Problems) != 2 || table.Problems[1].Line != 2 {
		t.Errorf("an entry in an unknown zone: %v", table)
	}
}

// TestExpressions: what fires otherwise in cron is rewritten.
func TestExpressions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in, out string
		remarks int
	}{
		{"0 12 13 * FRI", "0 12 13 * FRI", 0},
		{"0 12 */2 * MON", "0 12 */2 * +MON", 0},
		{"0 12 13 * */2", "0 12 13 * +*/2", 0},
		{"0 12 */2 * *", "0 12 */2 * *", 0},
		{"*/90 */36 * * *", "*/60 */24 * * *", 2},
		{"5/20 * * * *", "5/20 * * * *", 1},
		{"~ 6~15 ~10 * *", "H H(6-15) H(1-10) * *", 3},
		{"0 0 * jan-mar FRI-sun", "0 0 * jan-mar FRI-sun", 0},
		{"@every_minute", "* * * * *", 0},
		{"@every 90m", "@every 90m", 0},
		{"@midnight", "@midnight", 0},
	} {
		table := Parse(c.in+" /bin/x\n", Options{})
		if len(table.Entries) != 1 {
			t.Errorf("%s: %v", c.in, table.Problems)
			continue
		}
		if e := table.Entries[0]; e.Expression != c.out || len(e.Remarks) != c.remarks || e.Command != "/bin/x" {
			t.Errorf("%s: %q, %q", c.in, e.Expression, e.Remarks)
		}
	}
}

// TestBothDays: an odd Monday is both, as cron sees it.
func TestBothDays(t *testing.T) {
	t.Parallel()
	e := Parse("0 12 */2 * MON x\n", Options{}).Entries[0]
	x, err := schedule.Parse(e.Expression, schedule.Options{})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for range 20 {
		n, ok := x.Cron.Next(at)
		if !ok || n.At.Weekday() != time.Monday || n.At.Day()%2 != 1 {
			t.Fatalf("%v", n.At)
		}
		at = n.At
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		want Variable
		ok   bool
	}{
		{"A=b", Variable{"A", "b"}, true},
		{"A = b c  ", Variable{"A", "b c"}, true},
		{`A="b c  "`, Variable{"A", "b c  "}, true},
		{`'A'= 'b"c' `, Variable{"A", `b"c`}, true},
		{"A=", Variable{"A", ""}, true},
		{"A=b=c", Variable{"A", "b=c"}, true},
		{`A="b`, Variable{}, false},
		{`A="b" c`, Variable{}, false},
		{"A b=c", Variable{}, false},
		{"=b", Variable{}, false},
		{"0 1 * * * A=b", Variable{}, false},
	} {
		if got, ok := setting(c.in); got != c.want || ok != c.ok {
			t.Errorf("%q: %q, %v", c.in, got, ok)
		}
	}
	table := Parse("A=1\n* * * * * one\nA=2\nLD_PRELOAD=/x\n* * * * * two\n", Options{Home: "/home/ann"})
	if d := cmp.Diff([]Variable{{"A", "1"}, {"HOME", "/home/ann"}}, table.Entries[0].Env); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]Variable{{"A", "2"}, {"HOME", "/home/ann"}}, table.Entries[1].Env); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]Variable{{"LD_PRELOAD", "/x"}}, table.Entries[1].Exports); d != "" {
		t.Error(d)
	}
	fish := Parse("SHELL=/usr/bin/fish\nPATH=/x\n* * * * * one\n", Options{}).Entries[0]
	if d := cmp.Diff([]string{"/bin/sh", "-c", "PATH='/x'; export PATH\nexec \"$0\" -c \"$1\"", "/usr/bin/fish", "one"}, fish.Argv()); d != "" {
		t.Error(d)
	}
}

func TestPercent(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][2]string{
		"a":             {"a", ""},
		"a%":            {"a", ""},
		"a%b":           {"a", "b\n"},
		`a\%b%c\%d%e`:   {"a%b", "c%d\ne\n"},
		`a\\%b`:         {`a\\`, "b\n"},
		`a\nb\`:         {`a\nb\`, ""},
		"cat%%x%":       {"cat", "\nx\n"},
		`date +\%Y-\%m`: {"date +%Y-%m", ""},
	} {
		if command, stdin := percent(in); command != want[0] || stdin != want[1] {
			t.Errorf("%q: %q, %q", in, command, stdin)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"/opt/jobs/backup.sh --all":                     "backup",
		"cd /srv && ./run.py":                           "run",
		"nice -n 10 python3 -u /opt/Train_Model.py":     "train-model",
		"A=1 B=2 /bin/x":                                "x",
		"[ -x /usr/bin/certbot ] && certbot -q renew":   "certbot",
		"flock -n /tmp/x.lock timeout 60 php artisan":   "artisan",
		"curl -fsS https://example.org/ping >/dev/null": "curl",
		`"/opt/my job" x`:                               "my",
		"((":                                            "job",
		"한국":                                            "job",
		"bash -c 'x'":                                   "x",
		"test -f /x":                                    "test",
		strings.Repeat("a", 200):                        strings.Repeat("a", maxName),
	} {
		if got := slug(program(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	names := func(text string) (out []string) {
		for _, e := range Parse(text, Options{}).Entries {
			out = append(out, e.Name)
		}
		return out
	}
	one := names("1 * * * * a x\n2 * * * * a y\n2 * * * * a y\n3 * * * * b\n")
	two := names("1 * * * * a x\n3 * * * * b\n0 * * * * c\n2 * * * * a y\n")
	if one[0] != "a" || !strings.HasPrefix(one[1], "a-") || one[2] != one[1]+"-2" || one[3] != "b" || two[3] != one[1] || two[1] != "b" {
		t.Errorf("%q, then %q", one, two)
	}
}

func TestRemarks(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"bin/x":                "home folder",
		"cd work && ./x":       "home folder",
		"cat < ~/x":            "home folder",
		"/x > $HOME/y":         "home folder",
		"root /x":              "--system",
		"cd /srv && ./x":       "",
		"/x https://a.b/c":     "",
		"rsync a/ host:~b/ -a": "",
	} {
		e := Parse("* * * * * "+in+"\n", Options{}).Entries[0]
		got := ""
		for _, r := range e.Remarks {
			got += r.Text
		}
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q: %q", in, got)
		}
	}
	if e := Parse("* * * * * x", Options{}).Entries[0]; len(e.Remarks) != 1 || e.Remarks[0].Code != LineNotEnded {
		t.Errorf("a last line that does not end: %q", e.Remarks)
	}
}

// FuzzParse: any text is read without a panic, and what comes out can be used.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"* * * * * x\n", "@every 5m x%y\n", "A=b\n# c\n-~ 1~2 */99 * +MON x\r\n", "\"", "'a'='", "@", "-", "0 24 * * * é\xff", "CRON_TZ=x\n@daily root y\n", "* * * * * %",
		"-n", "* * * * * -n -n x", "a\x00=", "0 0 */2 * H x\n0 0 */2 * H x\n", "HOME=/a\nSHELL=/fish\n1 1 1 1 1 \\%\\",
	} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, text string, system bool) {
		table := Parse(text, Options{System: system})
		names := map[string]bool{}
		for _, e := range table.Entries {
			if names[e.Name] || e.Name == "" || e.Line < 1 {
				t.Fatalf("name %q, line %d", e.Name, e.Line)
			}
			names[e.Name] = true
			if _, err := schedule.Parse(e.Expression, schedule.Options{HashSeed: "x"}); err != nil {
				t.Fatalf("%q: %v", e.Expression, err)
			}
			for _, a := range e.Argv() {
				if a == "" || strings.ContainsRune(a, 0) || !utf8.ValidString(a) {
					t.Fatalf("argument %q", a)
				}
			}
		}
		for _, p := range append(table.Problems, table.Remarks...) {
			if p.Line < 1 || p.Column < 1 || p.Text == "" || p.Code == "" {
				t.Fatalf("problem %v", p)
			}
		}
	})
}

// TestCodes: each is met by a table, has a text of its own, and its values fill the
// places of the text.
func TestCodes(t *testing.T) {
	t.Parallel()
	met := map[Code]bool{NeverFires: true, AtServerStart: true} // those are of who knows the time
	tell := func(line string, r Remark) {
		met[r.Code] = true
		if r.Text == "" || strings.ContainsAny(r.Text, "{}") {
			t.Errorf("%q: %q", line, r.Text)
		}
		for name, value := range r.Values {
			if name != "field" && !strings.Contains(r.Text, value) {
				t.Errorf("%q: %s %q is not in %q", line, name, value, r.Text)
			}
		}
	}
	for _, line := range []string{
		"0 1 * * * \xff", "0 1 * * * a\x00", "@every", "0 1 *", "0 1 * * * * x", "0 24 * * * x", "0 22-2 * * * x", "@fortnightly x", "0 1 * * fri,,mon x", "0 1 * * *",
		"CRON_TZ=Mars\n1 1 * * * x", "RANDOM_DELAY=x", "HOME=x", "A-B=1", "* * * * * x", "* * * * * root ~/x", "~ 5/20 */36 * * x", "TZ=UTC", "MAILTO=ann", "USER=ann",
	} {
		table := Parse(line, Options{})
		for _, p := range append(table.Problems, table.Remarks...) {
			tell(line, p.Remark)
		}
		for _, e := range table.Entries {
			for _, r := range e.Remarks {
				tell(line, r)
			}
		}
	}
	for _, line := range []string{"* * * * * root", "* * * * * :x y", "* * * * * ann x"} {
		table := Parse(line+"\n", Options{System: true})
		for _, p := range table.Problems {
			tell(line, p.Remark)
		}
		for _, e := range table.Entries {
			tell(line, e.Remarks[0])
		}
	}
	for _, c := range Codes {
		if !met[c] {
			t.Errorf("%s is met by no line", c)
		}
		delete(met, c)
	}
	if len(met) > 0 {
		t.Errorf("codes that are not listed: %v", met)
	}
	p := Parse("0 24 * * * x\n", Options{}).Problems[0]
	if v := Parse("0 0 32 * * x\n", Options{}).Problems[0].Values; v["field"] != "day_of_the_month" {
		t.Errorf("a day: %v", v)
	}
	if d := cmp.Diff(Problem{1, 3, Remark{ValueInvalid, map[string]string{"item": "24", "field": "hour"}, "24 is not an hour; write 0 for midnight"}}, p); d != "" {
		t.Error(d)
	}
}
