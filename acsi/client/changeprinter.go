package client

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"busbar.example/acsi"
)

// ChangePrinter writes changes for a person, one a line: when it was noticed, reference, value with its unit, quality, and
// "initial" for the first, or why it was reported. Columns are as wide as was needed so far.
type ChangePrinter struct {
	Style Style

	ref, text, quality int // widths
}

// maxTextWidth bounds the column of values: a longer one moves what follows it in its own line.
const maxTextWidth = 24

// Print writes changes.
func (p *ChangePrinter) Print(w io.Writer, changes []Change) error {
	rows := make([]row, len(changes))
	for i, c := range changes {
		rows[i] = p.row(&c)
		p.ref = max(p.ref, utf8.RuneCountInString(rows[i].ref))
		if c.Err != nil {
			continue
		}
		p.quality = max(p.quality, utf8.RuneCountInString(rows[i].note))
		if width := utf8.RuneCountInString(rows[i].text); width <= maxTextWidth {
			p.text = max(p.text, width)
		}
	}
	for i, r := range rows {
		first := ""
		if changes[i].Initial && changes[i].Err == nil {
			first = "initial"
		}
		if changes[i].Reason != 0 {
			first = changes[i].Reason.String()
		}
		line := fmt.Sprintf("%s  %-*s  %-*s  %-*s  %s", r.time, p.ref, r.ref, p.text, r.text, p.quality, r.note, first)
		if _, err := fmt.Fprintln(w, p.coloured(&changes[i], strings.TrimRight(line, " "))); err != nil {
			return err
		}
	}
	return nil
}

func (p *ChangePrinter) row(c *Change) row {
	r := row{ref: c.Ref.String(), time: p.Style.clock(c.At)}
	if c.Err != nil {
		r.text = "error: " + printable(c.Err.Error())
		return r
	}
	r.text = p.Style.measured(&c.Reading, leaf{Object: c.Object, value: c.Value})
	if c.Quality != nil {
		r.note = c.Quality.String()
	}
	return r
}

// What ANSI terminals understand.
const (
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	cyan   = "\x1b[36m"
	plain  = "\x1b[0m"
)

// coloured gives line the colour of the quality: green for good, cyan for what is good and yet not from the process
// in service, yellow for questionable, red for the rest and for what fails. What has no quality stays as it is.
func (p *ChangePrinter) coloured(c *Change, line string) string {
	colour := ""
	switch {
	case !p.Style.Colour, c.Err == nil && c.Quality == nil:
		return line
	case c.Err != nil:
		colour = red
	case *c.Quality == acsi.QualityGood:
		colour = green
	case c.Quality.Validity() == acsi.QualityGood.Validity():
		colour = cyan
	case c.Quality.Validity() == acsi.QualityQuestionable.Validity():
		colour = yellow
	default:
		colour = red
	}
	return colour + line + plain
}
