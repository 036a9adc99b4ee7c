package scl

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error says why a file cannot be read, or why an IED in it cannot be made a model of.
type Error struct {
	File    string // empty where the reader has no name
	Line    int    // 0 where no line is to blame
	Rule    string // the ID of a Rule; empty where the reader failed
	Element string // for example <DOType id="MV_1">; may be empty
	Msg     string
	Hint    string // what to do about it; may be empty
}

// Error is one line: file, line, element, what is wrong and what to do.
func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File)
		b.WriteByte(':')
	}
	if e.Line > 0 {
		fmt.Fprintf(&b, "%d:", e.Line)
	}
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	if e.Element != "" {
		b.WriteString(e.Element + ": ")
	}
	b.WriteString(e.Msg)
	if e.Hint != "" {
		b.WriteString(": " + e.Hint)
	}
	return b.String()
}

// Finding is the error as what a check finds.
func (e *Error) Finding() Finding {
	return Finding{Line: e.Line, Severity: SeverityError, Rule: cmp.Or(e.Rule, rules[ruleUnreadable].ID), Element: e.Element, Msg: e.Msg, Hint: e.Hint}
}

// Finding is something in a file that was left out of the model, contradicts the standard, or is likely to surprise.
// It does not keep the rest from being used.
type Finding struct {
	Line     int // where its element starts; 0 where no line is to blame
	Severity Severity
	Rule     string // the ID of the Rule
	IED      string // whose it is; empty for what is of the whole file, or of a type that several may share
	Element  string // for example <DO name="Mod">; may be empty
	Msg      string
	Hint     string // what to do about it
}

// String is one line, for example:
// 12: error scl.type.missing <DO name="Mod">: it is left out: there is no DOType "ENC_1" — give the type, or correct its id
func (f Finding) String() string {
	var b strings.Builder
	if f.Line > 0 {
		fmt.Fprintf(&b, "%d: ", f.Line)
	}
	fmt.Fprintf(&b, "%s %s", f.Severity, f.Rule)
	if f.Element != "" {
		b.WriteString(" " + f.Element)
	}
	b.WriteString(": " + f.Msg)
	if f.Hint != "" {
		b.WriteString(" — " + f.Hint)
	}
	return b.String()
}

// findings collects each finding once, up to a number of each severity, so that no lesser one hides an error: a file with
// more is wrong in some general way.
type findings struct {
	list []Finding
	seen map[Finding]bool
	most int
	have [SeverityError + 1]int
	more int // that are not in list
}

// The most findings of one severity that a model, and a whole file, is reported with.
const (
	maxFindings     = 200
	maxFileFindings = 10_000
)

func newFindings(most int) findings { return findings{seen: map[Finding]bool{}, most: most} }

func (fs *findings) add(f Finding) {
	switch {
	case fs.seen[f]:
	case fs.have[f.Severity] >= fs.most:
		fs.more++
	default:
		fs.have[f.Severity]++
		fs.seen[f] = true
		fs.list = append(fs.list, f)
	}
}

// note adds what was found by a rule.
func (fs *findings) note(by rule, line int, ied, element, format string, args ...any) {
	r := &rules[by]
	fs.add(Finding{Line: line, Severity: r.Severity, Rule: r.ID, IED: ied, Element: element, Msg: fmt.Sprintf(format, args...), Hint: r.Hint})
}

// sorted are the findings in the order of their lines.
func (fs *findings) sorted() []Finding {
	return slices.SortedStableFunc(slices.Values(fs.list), func(a, b Finding) int { return cmp.Compare(a.Line, b.Line) })
}

// clip shortens text out of a file for a message.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

func quote(s string) string { return fmt.Sprintf("%q", clip(s)) }

func element(name, attribute, text string) string {
	return fmt.Sprintf("<%s %s=%s>", name, attribute, quote(text))
}
