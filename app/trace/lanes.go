package trace

import (
	"fmt"
	"io"
	"strings"
)

// lanes draw the lines of a chart: the time, three lanes, and text that is broken to fit beside them.
type lanes struct {
	glyphs
	width, gap int // columns of the whole, and between two lanes
	color      bool
	ascii      bool
	direct     bool // two lanes, the middle one is left out
	names      [3]string
}

// glyphs are what lines are drawn with.
type glyphs struct {
	lane, right, left, dash, cross string // of an arrow
	both, bothCross                string // of one that is double
	headRight, headLeft, stop      string
	rule                           string
	bad, into                      string
}

var (
	unicodeGlyphs = glyphs{lane: "│", right: "├", left: "┤", dash: "─", cross: "┼", both: "═", bothCross: "╪",
		headRight: "►", headLeft: "◄", stop: "✗", rule: "─", bad: "✗ ", into: " → "}
	asciiGlyphs = glyphs{lane: "|", right: "|", left: "|", dash: "-", cross: "-", both: "=", bothCross: "=",
		headRight: ">", headLeft: "<", stop: "X", rule: "-", bad: "!! ", into: " -> "}
)

// Columns of the chart.
const (
	defaultWidth = 100
	minWidth     = 80
	timeWidth    = 8 // with a space behind it
	textGap      = 2 // between the last lane and the text
)

func newLanes(o Options) lanes {
	l := lanes{glyphs: asciiGlyphs, width: o.Width, color: o.Color, ascii: !o.Unicode, names: [3]string{account(o.Client), "broker", account(o.Peer)}}
	if l.direct = o.Direct; l.direct {
		l.names = [3]string{account(o.Client), "", "IED"}
	}
	if o.Unicode {
		l.glyphs = unicodeGlyphs
	}
	if l.width == 0 {
		l.width = defaultWidth
	}
	l.width = max(l.width, minWidth)
	l.gap = min(max(l.width/9, 9), 14)
	return l
}

// account is the part of a JID that people call it by.
func account(j string) string {
	name, _, _ := strings.Cut(j, "@")
	return name
}

// textWidth is the room for text.
func (l *lanes) textWidth() int { return l.width - timeWidth - 2*l.gap - 1 - textGap }

// Styles, as a terminal knows them.
const (
	dim, strong, alarm, good = "2", "1", "31;1", "32"
)

// styled is s in a style, on a terminal that has colours.
func (l *lanes) styled(style, s string) string {
	if !l.color || s == "" || style == "" {
		return s
	}
	return "\x1b[" + style + "m" + s + "\x1b[0m"
}

// print prints a row, with one write, so that what others print does not get into it.
func (c *chart) print(r row) {
	var b strings.Builder
	style, mark := "", ""
	if r.bad {
		style, mark = alarm, c.bad
	}
	text := wrap(mark+clean(r.text, c.ascii), c.textWidth(), "  ")
	if len(text) > maxTextLines {
		text = append(text[:maxTextLines-1], "  …")
		if c.ascii {
			text[maxTextLines-1] = "  ..."
		}
	}
	details := c.flow(r.details)
	if len(details) == 1 && len(text) == 1 && columns(text[0])+columns(details[0]) <= c.textWidth() {
		text[0] = c.styled(style, text[0]) + c.styled(dim, details[0])
		details, style = nil, ""
	}
	for i, line := range text {
		stamp, lanes := "", c.arrow(0, 0, false, false)
		if i == 0 {
			stamp, lanes = stampOf(r.at), c.arrow(r.from, r.to, r.both, r.bad)
		}
		c.line(&b, stamp, lanes, c.styled(style, line))
	}
	for _, l := range r.lines {
		details = append(details, indented("  "+clean(l, c.ascii), c.textWidth())...)
	}
	for _, line := range details {
		c.line(&b, "", c.arrow(0, 0, false, false), c.styled(dim, line))
	}
	for _, x := range r.xml {
		c.block(&b, x)
	}
	io.WriteString(c.out, b.String())
}

// stampOf is a time in milliseconds, or where that is too long for its column in seconds.
func stampOf(at millis) string {
	switch ms := at.ms(); {
	case ms < 1e5:
		return fmt.Sprintf("%.1f", ms)
	case ms < 1e7:
		return fmt.Sprintf("%.1fs", ms/1e3)
	default:
		return fmt.Sprintf("%.0fs", ms/1e3)
	}
}

// maxTextLines bounds what is told of one step; all of it is in the XML.
const maxTextLines = 6

// flow puts details side by side as far as they fit.
func (c *chart) flow(details []string) []string {
	var lines []string
	line := ""
	for _, d := range details {
		d = clean(d, c.ascii)
		if line != "" && columns(line+", "+d+",") > c.textWidth() {
			lines = append(lines, indented(line+",", c.textWidth())...)
			line = ""
		}
		if line == "" {
			line = "  " + d
		} else {
			line += ", " + d
		}
	}
	if line != "" {
		lines = append(lines, indented(line, c.textWidth())...)
	}
	return lines
}

// indented is line broken to fit, all of it with the indent that it begins with.
func indented(line string, width int) []string {
	text := strings.TrimLeft(line, " ")
	indent := line[:len(line)-len(text)]
	lines := wrap(text, width-len(indent), "  ")
	for i := range lines {
		lines[i] = indent + lines[i]
	}
	return lines
}

// line appends one line of the chart.
func (l *lanes) line(b *strings.Builder, stamp, lanes, text string) {
	fmt.Fprintf(b, "%s %s", l.styled(dim, fmt.Sprintf("%*s", timeWidth-1, stamp)), lanes)
	if text != "" {
		b.WriteString(strings.Repeat(" ", textGap) + text)
	}
	b.WriteByte('\n')
}

// arrow draws the lanes, with an arrow between two of them if they are not the same.
func (l *lanes) arrow(from, to int, both, bad bool) string {
	low, high := min(from, to)*l.gap, max(from, to)*l.gap
	var b strings.Builder
	for at := 0; at <= 2*l.gap; at++ {
		lane := at%l.gap == 0 && !(l.direct && at == l.gap)
		switch {
		case low == high || at < low || at > high:
			b.WriteString(pick(lane, l.lane, " "))
		case at == from*l.gap && !both:
			b.WriteString(pick(from < to, l.right, l.left))
		case at == low || at == high:
			b.WriteString(l.lane)
		case both && at == low+1:
			b.WriteString(l.headLeft)
		case both && at == high-1:
			b.WriteString(l.headRight)
		case both:
			b.WriteString(pick(lane, l.bothCross, l.both))
		case at == to*l.gap+1 && from > to, at == to*l.gap-1 && from < to:
			b.WriteString(pick(bad, l.stop, pick(from < to, l.headRight, l.headLeft)))
		default:
			b.WriteString(pick(lane, l.cross, l.dash))
		}
	}
	style := ""
	switch {
	case bad:
		style = alarm
	case both:
		style = good
	}
	return l.styled(style, b.String())
}

func pick(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

// begin prints who speaks with whom, and the heads of the lanes.
func (c *chart) begin(e *event) {
	var b strings.Builder
	for _, line := range wrap(clean(e.Client, c.ascii)+c.into+clean(e.Peer, c.ascii), c.width, "  ") {
		b.WriteString(c.styled(strong, line) + "\n")
	}
	layers := "SecPDU" + c.into + "stanza"
	if c.direct {
		layers = "TSDU (session, presentation)"
	}
	b.WriteString(c.styled(dim, "octets: MMS"+c.into+layers) + "\n\n")
	head := []rune(strings.Repeat(" ", timeWidth+2*c.gap+1+c.gap/2))
	copy(head[timeWidth-3:], []rune("ms"))
	for i, name := range c.names {
		label := []rune(cut(clean(name, c.ascii), c.gap-1))
		at := timeWidth + i*c.gap - len(label)/2
		copy(head[max(at, timeWidth-i):], label)
	}
	b.WriteString(c.styled(strong, strings.TrimRight(string(head), " ")) + "\n")
	io.WriteString(c.out, b.String())
}

// heading begins a phase.
func (c *chart) heading(title string) {
	lead := strings.Repeat(" ", timeWidth)
	rule := strings.Repeat(c.rule, 2)
	rest := strings.Repeat(c.rule, max(0, c.width-len(lead)-len(title)-4))
	io.WriteString(c.out, lead+c.styled(strong, rule+" "+title+" "+rest)+"\n")
}

// block appends XML below a heading, over the whole width.
func (c *chart) block(b *strings.Builder, x block) {
	lead := strings.Repeat(" ", timeWidth)
	b.WriteString(lead + c.styled(strong, x.title+":") + "\n")
	for _, line := range pretty(x.xml) {
		text := strings.TrimLeft(line, " ")
		indent := lead + "  " + line[:len(line)-len(text)]
		for _, part := range wrapRaw(clean(text, c.ascii), max(c.width-len(indent), minWidth/2)) {
			b.WriteString(indent + c.styled(dim, part) + "\n")
		}
	}
}

// summary prints what it was all together.
func (c *chart) summary(s *summary) {
	var b strings.Builder
	lead := strings.Repeat(" ", timeWidth)
	say := func(style, format string, args ...any) {
		for _, line := range indented(lead+fmt.Sprintf(format, args...), c.width) {
			b.WriteString(c.styled(style, line) + "\n")
		}
	}
	c.heading("Summary")
	if c.direct {
		c.directSummary(&b, lead, s)
	} else {
		c.sums(&b, lead, s, say)
	}
	var took []string
	for _, t := range []struct {
		name string
		took millis
	}{{"TCP", s.TCP}, {"TLS", s.TLS}, {"SASL", s.SASL}, {"bind", s.Bind}, {"associate", s.Associate}, {"first answer", s.First}, {"total", s.Total}} {
		if t.took > 0 {
			took = append(took, fmt.Sprintf("%s %.1f", t.name, t.took.ms()))
		}
	}
	say("", "ms: %s", strings.Join(took, ", "))
	if s.Refused > 0 {
		say(alarm, "%srefused: %d of %d PDUs", c.bad, s.Refused, s.PDUs)
	}
	io.WriteString(c.out, b.String())
}

// sums prints the octets of each layer.
func (c *chart) sums(b *strings.Builder, lead string, s *summary, say func(style, format string, args ...any)) {
	fmt.Fprintf(b, "%s%-9s%6s%10s%10s%10s%10s\n", lead, "octets", "PDUs", "MMS", "SecPDU", "stanza", "TCP")
	for _, d := range []struct {
		name string
		sums
	}{{"sent", s.Sent}, {"received", s.Recv}} {
		fmt.Fprintf(b, "%s%-9s%6s%10s%10s%10s%10s\n", lead, d.name, grouped(d.PDUs), grouped(d.MMS), grouped(d.SecPDU), grouped(d.Stanza), grouped(d.TCP))
	}
	if mms := s.Sent.MMS + s.Recv.MMS; mms > 0 && s.First > 0 {
		times := func(a, b int) string { return fmt.Sprintf("%.2f", float64(a+b)/float64(mms)) }
		sec := ""
		if s.Sent.SecPDU > 0 {
			sec = times(s.Sent.SecPDU, s.Recv.SecPDU) + " of SecPDU, "
		}
		say("", "an octet of MMS became %s%s of stanza and, with TLS and the set-up, %s on TCP", sec,
			times(s.Sent.Stanza, s.Recv.Stanza), times(s.Sent.TCP, s.Recv.TCP))
	}
}
