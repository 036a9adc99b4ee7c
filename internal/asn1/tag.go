package asn1

import (
	"fmt"
	"strconv"
	"strings"
)

// line is a parsed tag.
type line struct {
	identifier  string
	tagged      bool
	number      Tag // with its class
	explicit    bool
	typeName    string // what Go cannot tell: the kind of a string
	itemName    string // of a SEQUENCE OF
	base64      bool
	xer         bool
	optional    bool
	defaultText string
	aliases     []string
	transparent bool
	extensible  bool
	set         bool // SET OF, not SEQUENCE OF
}

// parseLine reads a tag; its grammar is in the package comment.
func parseLine(s string) (line, error) {
	var l line
	w := strings.Fields(s)
	if len(w) == 1 && w[0] == "TRANSPARENT" {
		l.transparent = true
		return l, nil
	}
	if len(w) == 1 && w[0] == "..." {
		l.extensible = true
		return l, nil
	}
	if len(w) > 0 && isIdentifier(w[0]) {
		l.identifier, w = w[0], w[1:]
	}
	if len(w) > 0 && w[0][0] == '[' {
		var err error
		if w, err = l.parseNumber(w); err != nil {
			return l, err
		}
		if len(w) > 0 && (w[0] == "EXPLICIT" || w[0] == "IMPLICIT") {
			l.explicit, w = w[0] == "EXPLICIT", w[1:]
		}
	}
	w = l.parseType(w)
	if len(w) > 0 && w[0] == "BASE64" {
		l.base64, w = true, w[1:]
	}
	if len(w) > 0 && w[0] == "XER" {
		l.xer, w = true, w[1:]
	}
	switch {
	case len(w) > 0 && w[0] == "OPTIONAL":
		l.optional, w = true, w[1:]
	case len(w) > 1 && w[0] == "DEFAULT":
		l.defaultText, w = w[1], w[2:]
	}
	for len(w) > 1 && w[0] == "ALIAS" && isIdentifier(w[1]) {
		l.aliases, w = append(l.aliases, w[1]), w[2:]
	}
	if len(w) > 0 {
		return l, fmt.Errorf("%q is not understood here", w[0])
	}
	return l, nil
}

// parseNumber reads what stands in brackets.
func (l *line) parseNumber(w []string) ([]string, error) {
	class, number := Context, w[0][1:]
	if c, ok := classes[number]; ok && len(w) > 1 {
		w = w[1:]
		class, number = c, w[0]
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 16)
	if err != nil || !strings.HasSuffix(number, "]") {
		return nil, fmt.Errorf("tag number %s", w[0])
	}
	l.tagged, l.number = true, class|Tag(n)
	return w[1:], nil
}

var classes = map[string]Tag{"UNIVERSAL": 0, "APPLICATION": Application}

func (l *line) parseType(w []string) []string {
	if len(w) > 2 && (w[0] == "SEQUENCE" || w[0] == "SET") && w[1] == "OF" {
		l.set = w[0] == "SET"
		w = w[2:]
		if len(w) > 1 && w[0] == "OCTET" && w[1] == "STRING" {
			l.itemName = "OCTET_STRING"
			return w[2:]
		}
		l.itemName = w[0]
		if name, n := stringType(w); n > 0 {
			l.typeName = name
			l.itemName = strings.ReplaceAll(name, " ", "_")
			return w[n:]
		}
		return w[1:]
	}
	name, n := stringType(w)
	l.typeName = name
	return w[n:]
}

// stringType finds the name of a type that is a Go string at the head of w, and its number of words.
func stringType(w []string) (string, int) {
	for n := 1; n <= min(2, len(w)); n++ {
		name := strings.Join(w[:n], " ")
		if _, ok := stringTypes[name]; ok {
			return name, n
		}
	}
	return "", 0
}

// stringTypes are the types that are a Go string, without Name and Go.
var stringTypes = map[string]Type{
	"OBJECT IDENTIFIER": {Kind: ObjectID, Tag: 6},
	"UTF8String":        {Kind: String, Tag: 12, Charset: Text},
	"GeneralizedTime":   {Kind: String, Tag: 24, Charset: Time},
	"GraphicString":     {Kind: String, Tag: 25, Charset: Printable},
	"VisibleString":     {Kind: String, Tag: 26, Charset: Printable},
	"Identifier":        {Kind: String, Tag: 26, Charset: Name},
}

func isIdentifier(s string) bool { return s[0] >= 'a' && s[0] <= 'z' }
