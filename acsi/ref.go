package acsi

import (
	"fmt"
	"strconv"
	"strings"
)

// MaxRefLen is the longest object reference, in octets. IEC 61850-7-2, ObjectReference.
const MaxRefLen = 129

// MaxItemLen is the longest name below a logical device once it is joined for MMS. IEC 61850-8-1, 7.3.
const MaxItemLen = 64

// Ref names a logical device, a logical node, a data object or an attribute, and optionally the
// functional constraint under which it is meant: LD, LD/LN, LD/LN.DO.SDO(3).DA[FC].
// @Name is a data set that belongs to an association.
// A Ref that exists is well formed; it need not name anything that exists. It is comparable, so it
// can key a map. The zero Ref names nothing.
type Ref struct {
	path string // as String prints it, without the functional constraint
	fc   FC
}

// ParseRef reads the ACSI spelling LD/LN.DO.SDO(3).DA[FC] and the MMS spelling LD/LN$FC$DO$DA; the
// functional constraint is optional in both. An index follows its name in parentheses.
func ParseRef(s string) (Ref, error) {
	if name, local := strings.CutPrefix(s, "@"); local {
		return NewDataSetRef(Ref{}, name)
	}
	body, fc := s, FC(0)
	if i := strings.IndexByte(s, '['); i >= 0 {
		if !strings.HasSuffix(s, "]") {
			return Ref{}, refError(s, "the functional constraint is not closed: write for example [MX] at the end")
		}
		var err error
		if fc, err = ParseFC(s[i+1 : len(s)-1]); err != nil {
			return Ref{}, refError(s, err.Error())
		}
		body = s[:i]
	}
	ld, item, below := strings.Cut(body, "/")
	if !below {
		if fc != 0 {
			return Ref{}, refError(s, "a logical device has no functional constraint")
		}
		return NewRef(ld, "", 0)
	}
	if item == "" {
		return Ref{}, refError(s, "nothing follows the /: leave it out, or name a logical node")
	}
	if strings.IndexByte(item, '$') < 0 {
		return NewRef(ld, item, fc)
	}
	if fc != 0 {
		return Ref{}, refError(s, "use either $FC$ or [FC], not both")
	}
	return ParseItem(ld, item)
}

// ParseItem makes a Ref of an MMS domain name and item: LN, LN$FC, LN$FC$DO$DA.
//
// IEC 61850-8-1, 7.3.
func ParseItem(ld, item string) (Ref, error) {
	if item == "" || strings.IndexByte(item, '.') >= 0 {
		return Ref{}, refError(ld+"/"+item, "the MMS spelling is LN$FC$DO$DA, without points")
	}
	ln, rest, more := strings.Cut(item, "$")
	if !more {
		return NewRef(ld, ln, 0)
	}
	name, rest, more := strings.Cut(rest, "$")
	fc, err := ParseFC(name)
	if err != nil {
		return Ref{}, refError(ld+"/"+item, err.Error())
	}
	if more {
		ln += "." + strings.ReplaceAll(rest, "$", ".")
	}
	return NewRef(ld, ln, fc)
}

// NewRef makes a Ref of a logical device name and what stands behind the slash: "" for the device
// itself, LN, or LN.DO.DA with indexes.
func NewRef(ld, item string, fc FC) (Ref, error) {
	path := ld
	if item != "" {
		path = ld + "/" + item
	}
	if len(path) > MaxRefLen {
		return Ref{}, tooLong(path)
	}
	if !isName(ld) {
		return Ref{}, refError(path, fmt.Sprintf("%q is not a logical device name (letters, digits and _)", clip(ld)))
	}
	for i, part := range strings.Split(item, ".") {
		name, ok := cutIndex(part)
		if item != "" && (!ok || !isName(name) || i == 0 && len(name) != len(part)) {
			return Ref{}, badPart(path, part)
		}
	}
	if fc != 0 && item == "" {
		return Ref{}, refError(path, "a logical device has no functional constraint")
	}
	return Ref{path: path, fc: fc}, nil
}

// MustRef is ParseRef for references known to be right; it panics otherwise.
func MustRef(s string) Ref {
	r, err := ParseRef(s)
	if err != nil {
		panic(err)
	}
	return r
}

func tooLong(path string) error {
	return refError(path, fmt.Sprintf("it is longer than %d octets", MaxRefLen))
}

func badPart(path, part string) error {
	return refError(path, fmt.Sprintf("%q is not a name (letters, digits and _, then an index such as (3) where it is an array)", clip(part)))
}

func refError(ref, why string) error { return fmt.Errorf("reference %q: %s", clip(ref), why) }

func isName(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_':
		default:
			return false
		}
	}
	return s != "" && len(s) <= MaxItemLen
}

// cutIndex takes a well-formed index off the end of a part. An index has no leading zeros, so that
// one element has one spelling.
func cutIndex(part string) (name string, ok bool) {
	open := strings.IndexByte(part, '(')
	if open < 0 {
		return part, true
	}
	digits := part[open+1:]
	if !strings.HasSuffix(digits, ")") {
		return "", false
	}
	digits = digits[:len(digits)-1]
	if len(digits) == 0 || len(digits) > 6 || len(digits) > 1 && digits[0] == '0' {
		return "", false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return "", false
		}
	}
	return part[:open], true
}

// IsZero reports whether r names nothing.
func (r Ref) IsZero() bool { return r.path == "" }

// FC is the functional constraint, or 0 where none is given.
func (r Ref) FC() FC { return r.fc }

// WithFC is r under another functional constraint; 0 takes it away. A logical device stays without.
func (r Ref) WithFC(fc FC) Ref {
	if r.Item() == "" {
		fc = 0
	}
	return Ref{path: r.path, fc: fc}
}

// LD is the logical device's name; "" for @Name.
func (r Ref) LD() string {
	if r.IsLocal() {
		return ""
	}
	ld, _, _ := strings.Cut(r.path, "/")
	return ld
}

// Item is what stands behind the slash, LN.DO.DA, or "" for a logical device.
func (r Ref) Item() string {
	_, item, _ := strings.Cut(r.path, "/")
	return item
}

// LN is the logical node's name, or "" for a logical device.
func (r Ref) LN() string {
	ln, _, _ := strings.Cut(r.Item(), ".")
	return ln
}

// Path is r without its functional constraint.
func (r Ref) Path() string { return r.path }

// Name is the last name in r, with its index.
func (r Ref) Name() string { return r.path[strings.LastIndexAny(r.path, "/.")+1:] }

// Depth counts the names: 1 for a logical device, 2 for a logical node, 3 for a data object; 0 for @Name.
func (r Ref) Depth() int {
	if r.path == "" || r.IsLocal() {
		return 0
	}
	n := 1 + strings.Count(r.path, ".")
	if strings.IndexByte(r.path, '/') >= 0 {
		n++
	}
	return n
}

// Child is the reference of name, which may have an index, below r, under the same functional constraint.
func (r Ref) Child(name string) (Ref, error) {
	item := r.Item()
	sep := "."
	switch {
	case r.IsZero():
		return NewRef(name, "", 0)
	case r.IsLocal():
		return Ref{}, badPart(r.path+sep+name, name)
	case item == "":
		sep = "/"
	}
	bare, ok := cutIndex(name)
	path := r.path + sep + name
	if !ok || !isName(bare) || sep == "/" && len(bare) != len(name) {
		return Ref{}, badPart(path, name)
	}
	if len(path) > MaxRefLen {
		return Ref{}, tooLong(path)
	}
	return Ref{path: path, fc: r.fc}, nil
}

// Element is the reference of element i of the array r, which has no index yet.
func (r Ref) Element(i int) (Ref, error) {
	path := r.path + "(" + strconv.Itoa(i) + ")"
	if name, ok := cutIndex(path[strings.LastIndexAny(path, "/.")+1:]); !ok || r.Depth() < 3 || !isName(name) {
		return Ref{}, badPart(path, path)
	}
	if len(path) > MaxRefLen {
		return Ref{}, tooLong(path)
	}
	return Ref{path: path, fc: r.fc}, nil
}

// Parent is what r stands in, under the same functional constraint: the zero Ref for a logical device. An element
// stands in what its array stands in.
func (r Ref) Parent() Ref {
	up := Ref{path: r.path[:max(0, strings.LastIndexAny(r.path, "/."))], fc: r.fc}
	if up.Depth() < 2 {
		up.fc = 0
	}
	return up
}

// String is the ACSI spelling, with the functional constraint in brackets where there is one.
func (r Ref) String() string {
	if r.fc == 0 {
		return r.path
	}
	return r.path + "[" + r.fc.String() + "]"
}

// MMS is the spelling that travels in control blocks and reports: LD/LN$FC$DO$DA, without a functional constraint
// LD/LN$Name, as data sets and logs are called. ParseRef reads the former, ParseDataSetRef the latter.
//
// IEC 61850-8-1, 7.3.
func (r Ref) MMS() string {
	ln, below, more := strings.Cut(r.path, ".")
	if r.fc != 0 {
		ln += "$" + r.fc.String()
	}
	if !more {
		return ln
	}
	return ln + "$" + strings.ReplaceAll(below, ".", "$")
}
