package testbed

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Script is a conversation over TCP, octet by octet, as the end that is not under test sees it.
//
// A file of scripts has a line per action: "> OCTETS" is sent, "< OCTETS" must come, "close", "reset" and "eof" are what happens to
// the connection, "drain" takes what comes; "= TEXT" is what the other end says of it afterwards. A line that begins with blanks continues the one before,
// # begins a comment, "NAME := OCTETS" defines what $NAME stands for. OCTETS are hexadecimal; ".." is any octet, "text" is itself, and
// what stands in brackets has its length before it:
//
//	[ ]   length octets of BER
//	[: ]  the indefinite length of BER, with its end
//	[+ ]  a length of BER in five octets
//	{ }   a length indicator of session and transport: one octet, or three
//	( )   a packet of RFC 1006
type Script struct {
	Name    string
	Actions []Action
	Outcome string // of the other end; empty: in order
}

// Action is one line of a Script.
type Action struct {
	Verb  string
	bytes []byte
	any   []bool // octets that may have any value
	line  string
}

// Octets is what is sent, or must come.
func (a Action) Octets() []byte { return a.bytes }

// Scripts reads the scripts that match a pattern. definitions.txt beside them holds what they share.
func Scripts(t TB, pattern string) []Script {
	t.Helper()
	files, err := filepath.Glob(pattern)
	must(t, err)
	if len(files) == 0 {
		t.Fatal("no scripts are at", pattern)
	}
	var scripts []Script
	for _, f := range files {
		text, err := os.ReadFile(f)
		must(t, err)
		scripts = append(scripts, NewScript(t, filepath.Dir(f), strings.TrimSuffix(filepath.Base(f), ".txt"), string(text)))
	}
	return scripts
}

// NewScript makes a script of its text, with the definitions of a folder.
func NewScript(t TB, folder, name, text string) Script {
	t.Helper()
	shared, err := os.ReadFile(filepath.Join(folder, "definitions.txt"))
	must(t, err)
	s, err := parseScript(string(shared) + text)
	must(t, err)
	s.Name = name
	return s
}

// With is the first n actions of s, of the last one only the first half where half is true, and then those of end.
func (s Script) With(n int, half bool, end Script) Script {
	actions := append(append([]Action(nil), s.Actions[:n]...), end.Actions...)
	if half {
		last := &actions[n-1]
		last.bytes = last.bytes[:len(last.bytes)/2]
	}
	return Script{Name: s.Name + " and " + end.Name, Actions: actions}
}

func parseScript(text string) (s Script, err error) {
	names := make(map[string]string)
	var lines []string
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		switch {
		case strings.TrimSpace(line) == "":
		case line[0] == ' ' || line[0] == '\t':
			lines[len(lines)-1] += " " + strings.TrimSpace(line)
		default:
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	for _, line := range lines {
		name, definition, defines := strings.Cut(line, " := ")
		verb, rest, _ := strings.Cut(line, " ")
		switch {
		case defines:
			names[name] = definition
		case verb == "=":
			s.Outcome = rest
		default:
			a := Action{Verb: verb, line: line}
			p := octetParser{words: names}
			if a.bytes, a.any, err = p.parse(rest); err != nil {
				return s, fmt.Errorf("%q: %w", line, err)
			}
			s.Actions = append(s.Actions, a)
		}
	}
	return s, nil
}

// octetParser makes octets of their notation.
type octetParser struct {
	words map[string]string
	text  string
}

func (p *octetParser) parse(text string) ([]byte, []bool, error) {
	p.text = text
	b, any, err := p.until(0)
	return b, any, err
}

// until reads to the bracket that closes, or to the end where closing is zero.
func (p *octetParser) until(closing byte) (b []byte, any []bool, err error) {
	add := func(octets []byte, wild []bool) {
		b = append(b, octets...)
		if wild == nil {
			wild = make([]bool, len(octets))
		}
		any = append(any, wild...)
	}
	for {
		p.text = strings.TrimLeft(p.text, " \t")
		if p.text == "" {
			if closing != 0 {
				return nil, nil, fmt.Errorf("%c is missing", closing)
			}
			return b, any, nil
		}
		c := p.text[0]
		switch {
		case c == closing:
			p.text = p.text[1:]
			return b, any, nil
		case strings.HasPrefix(p.text, ".."):
			p.text = p.text[2:]
			add([]byte{0}, []bool{true})
		case c == '"':
			quoted, rest, _ := strings.Cut(p.text[1:], `"`)
			p.text = rest
			add([]byte(quoted), nil)
		case c == '$':
			n := 1 + strings.IndexFunc(p.text[1:]+" ", func(r rune) bool { return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz-0123456789", r) })
			definition, ok := p.words[p.text[1:n]]
			if !ok {
				return nil, nil, fmt.Errorf("%s is not defined", p.text[:n])
			}
			p.text = definition + p.text[n:]
		case strings.IndexByte("[{(", c) >= 0:
			inner, wild, err := p.bracket(c)
			if err != nil {
				return nil, nil, err
			}
			add(inner, wild)
		default:
			var octet byte
			if _, err := fmt.Sscanf(p.text, "%02x", &octet); err != nil {
				return nil, nil, fmt.Errorf("no octet: %q", p.text)
			}
			p.text = p.text[2:]
			add([]byte{octet}, nil)
		}
	}
}

// bracket reads what is in brackets, with its length before it.
func (p *octetParser) bracket(open byte) ([]byte, []bool, error) {
	p.text = p.text[1:]
	form := byte(0)
	if open == '[' && p.text != "" && (p.text[0] == ':' || p.text[0] == '+') {
		form, p.text = p.text[0], p.text[1:]
	}
	b, any, err := p.until(map[byte]byte{'[': ']', '{': '}', '(': ')'}[open])
	if err != nil {
		return nil, nil, err
	}
	n := len(b)
	var head, tail []byte
	switch {
	case open == '(':
		n += 4
		head = []byte{3, 0, byte(n >> 8), byte(n)}
	case open == '{' && n >= 255:
		head = []byte{255, byte(n >> 8), byte(n)}
	case form == ':':
		head, tail = []byte{0x80}, []byte{0, 0}
	case form == '+':
		head = []byte{0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
	case open == '{' || n < 0x80:
		head = []byte{byte(n)}
	case n < 0x100:
		head = []byte{0x81, byte(n)}
	default:
		head = []byte{0x82, byte(n >> 8), byte(n)}
	}
	wild := append(append(make([]bool, len(head)), any...), make([]bool, len(tail))...)
	return append(append(head, b...), tail...), wild, nil
}

// Play does what s says on conn, which it closes, in writes of at most octets each, 0: as they are. Each answer has ten seconds.
func (s Script) Play(t TB, conn net.Conn, octets int) {
	t.Helper()
	defer conn.Close()
	for _, a := range s.Actions {
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		switch a.Verb {
		case ">":
			for b := a.bytes; len(b) > 0; {
				n := len(b)
				if octets > 0 {
					n = min(n, octets)
				}
				if _, err := conn.Write(b[:n]); err != nil {
					t.Errorf("%s: sending %q: %v", s.Name, a.line, err)
					return
				}
				b = b[n:]
			}
		case "<":
			got := make([]byte, len(a.bytes))
			n, err := io.ReadFull(conn, got)
			if !a.matches(got[:n]) || err != nil {
				conn.SetDeadline(time.Now().Add(100 * time.Millisecond))
				more, _ := io.ReadAll(conn)
				t.Errorf("%s: waiting for %s\n got %x %v\n then %x\nwant %x", s.Name, a.line, got[:n], err, more, a.bytes)
				return
			}
		case "drain":
			conn.SetDeadline(time.Now().Add(20 * time.Millisecond))
			io.Copy(io.Discard, conn)
		case "eof":
			if more, err := io.ReadAll(conn); len(more) > 0 || err != nil {
				t.Errorf("%s: got %x %v, want the end of the connection", s.Name, more, err)
				return
			}
		case "reset":
			conn.(interface{ SetLinger(int) error }).SetLinger(0)
			conn.Close()
		case "close":
			conn.Close()
		default:
			t.Errorf("%s: what does %q mean?", s.Name, a.line)
		}
	}
}

func (a Action) matches(got []byte) bool {
	want := bytes.Clone(a.bytes)
	for i := range want {
		if a.any[i] && i < len(got) {
			want[i] = got[i]
		}
	}
	return bytes.Equal(got, want)
}
