package scl

import (
	"fmt"
	"strings"
)

// Error says why a file cannot be read, or why an IED in it cannot be made a model of.
type Error struct {
	File    string // empty where the reader has no name
	Line    int    // 0 where no line is to blame
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

// Finding is something in a file that was left out of the model, or is likely to surprise. It does not keep the
// model from being used.
type Finding struct {
	Line    int
	Element string
	Msg     string
}

// String is one line, for example: line 12: <LN lnClass="MMXU" inst="1">: there is no LNodeType "MMXU_1".
func (f Finding) String() string { return fmt.Sprintf("line %d: %s: %s", f.Line, f.Element, f.Msg) }

// maxFindings bounds what one model reports; a file with more is wrong in some general way.
const maxFindings = 200

// clip shortens text out of a file for a message.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

func quote(s string) string { return fmt.Sprintf("%q", clip(s)) }
