package crontab

import (
	"fmt"
	"slices"
	"strings"
)

// Code says what a remark is about. It never changes its meaning, so that a page can
// say the same in another language.
type Code string

// The codes. What is in braces in their texts are the values that they come with.
const (
	NotUTF8              Code = "not_utf8"
	NULCharacter         Code = "nul_character"
	EveryIncomplete      Code = "every_incomplete"
	FieldsMissing        Code = "fields_missing"
	FieldsTooMany        Code = "fields_too_many"
	ValueInvalid         Code = "value_invalid"
	RangeBackwards       Code = "range_backwards"
	MacroUnknown         Code = "macro_unknown"
	TimeInvalid          Code = "time_invalid"
	UserMissing          Code = "user_missing"
	UserEmpty            Code = "user_empty"
	CommandMissing       Code = "command_missing"
	ZoneUnknown          Code = "zone_unknown"
	ZoneUnknownAbove     Code = "zone_unknown_above"
	DelayInvalid         Code = "delay_invalid"
	PathNotAbsolute      Code = "path_not_absolute"
	NameInvalid          Code = "name_invalid"
	LineNotEnded         Code = "line_not_ended"
	OtherUser            Code = "other_user"
	SystemTable          Code = "system_table"
	HomeNeeded           Code = "home_needed"
	NumberFixed          Code = "number_fixed"
	StepAmbiguous        Code = "step_ambiguous"
	StepTooLarge         Code = "step_too_large"
	ZoneOfCommands       Code = "zone_of_commands"
	NothingMailed        Code = "nothing_mailed"
	SettingWithoutEffect Code = "setting_without_effect"
	NeverFires           Code = "never_fires"
	AtServerStart        Code = "at_server_start"
)

type text struct {
	code Code
	text string
}

// texts has what each code says; "" = what package schedule says of the expression.
var texts = []text{
	{NotUTF8, "the line is not UTF-8"},
	{NULCharacter, "a NUL character"},
	{EveryIncomplete, "a duration and a command have to follow @every"},
	{FieldsMissing, "the time has {count} of 5 fields, or this is no setting"},
	{FieldsTooMany, "the time has more than five fields"},
	{ValueInvalid, ""},
	{RangeBackwards, ""},
	{MacroUnknown, ""},
	{TimeInvalid, ""},
	{UserMissing, "a user and a command have to follow the time"},
	{UserEmpty, "the user has no name"},
	{CommandMissing, "the command is missing"},
	{ZoneUnknown, `there is no time zone "{zone}"`},
	{ZoneUnknownAbove, "left out, because the time zone of line {line} is unknown"},
	{DelayInvalid, "RANDOM_DELAY has to be a number of minutes from 0 to 1440"},
	{PathNotAbsolute, "{name} has to be an absolute path"},
	{NameInvalid, `"{name}" cannot be the name of a variable`},
	{LineNotEnded, "the line does not end; cron itself ignores it"},
	{OtherUser, "it ran as {user} and will run as the server's user"},
	{SystemTable, "the command begins with root: a system table is read with --system"},
	{HomeNeeded, "it seems to need the home folder of its user; name it with --home"},
	{NumberFixed, "{item} is a number of the schedule's own, which stays the same"},
	{StepAmbiguous, "crons do not agree about {item}: here it is {meaning}"},
	{StepTooLarge, "the step of {item} is larger than the field: as with cron, only its first value counts"},
	{ZoneOfCommands, "TZ is for the commands only; the time zone of the table is CRON_TZ"},
	{NothingMailed, "nothing is mailed: the output is the run's log, and a webhook can tell of failures"},
	{SettingWithoutEffect, "{name} has no effect here"},
	{NeverFires, "it never fires"},
	{AtServerStart, "it runs when the server starts, not the machine"},
}

// Codes are all codes. Nobody changes it.
var Codes = codesOf()

func codesOf() []Code {
	out := make([]Code, 0, len(texts))
	for _, t := range texts {
		out = append(out, t.code)
	}
	return out
}

// Remark is something to be said of a line.
type Remark struct {
	Code Code
	// Values are what the text has at its places, by their names; nil = it has none.
	Values map[string]string
	// Text says it in English.
	Text string
}

func (r Remark) String() string { return r.Text }

// NewRemark makes one of names and values in turn. It panics when the code is unknown.
func NewRemark(code Code, values ...string) Remark {
	at := slices.IndexFunc(texts, func(t text) bool { return t.code == code })
	r := Remark{Code: code}
	var places []string
	for i := 0; i+1 < len(values); i += 2 {
		if r.Values == nil {
			r.Values = map[string]string{}
		}
		r.Values[values[i]] = values[i+1]
		places = append(places, "{"+values[i]+"}", values[i+1])
	}
	r.Text = strings.NewReplacer(places...).Replace(texts[at].text)
	return r
}

// Problem is a remark at a place of the file. Line counts from 1, Column counts
// characters from 1.
type Problem struct {
	Line, Column int
	Remark
}

func (p Problem) String() string {
	return fmt.Sprintf("line %d, column %d: %s", p.Line, p.Column, p.Text)
}
