package mms

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"busbar.example/internal/asn1"
)

// asn1c compiles what our plan says, and what it makes of that judges our octets.
func TestASN1CJudgesOurBER(t *testing.T) {
	judge := newASN1C(t)
	written := someBER(t)
	t.Run("what we write", func(t *testing.T) { judge.writes(t, written) })
	t.Run("what is damaged", func(t *testing.T) { judge.readsAlike(t, damaged(written)) })
	t.Run("lengths of any form", func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 1))
		for i := range written {
			written[i].ber = loosened(random, written[i].ber)
		}
		judge.reads(t, written, Lenient{AnyLength: true}.DecodeBER)
	})
}

// someBER encodes the PDUs of the vectors and random ones.
func someBER(t *testing.T) (cases []judged) {
	for _, v := range valid(t) {
		cases = append(cases, judged{v["what"], v.octets(t, "ber")})
	}
	for i := range 1000 {
		b, err := AppendBER(nil, randomPDU().Example(i))
		if err != nil {
			t.Fatal(err)
		}
		cases = append(cases, judged{fmt.Sprint("random ", i), b})
	}
	return cases
}

// damaged changes an octet here and there.
func damaged(cases []judged) (changed []judged) {
	random := rand.New(rand.NewPCG(1, 1))
	for _, c := range cases {
		for range 20 {
			b := bytes.Clone(c.ber)
			b[random.IntN(len(b))] = byte(random.Uint32())
			changed = append(changed, judged{c.what + ", damaged", b})
		}
	}
	return changed
}

// stricter is what we refuse and asn1c 0.9.28 reads, by what we say of it, and why.
var stricter = map[string]string{
	"an INTEGER that is malformed or out of range": "it reads what is negative as large, where a negative number is not allowed, and superfluous octets",
	"a malformed BIT STRING":                       "it reads bits that are not used and are not zero, or more than 7 of them",
	"malformed content of Data":                    "the same of the alternatives of Data; and it does not know what a floating-point number is",
	"a NULL with content":                          "it passes the content over",
	"a BOOLEAN that is not one octet":              "it takes any number of them",
	"a malformed OBJECT IDENTIFIER":                "it reads arcs with superfluous octets",
	"a length in too many octets":                  "we are strict by default; see what is read of lengths of any form",
	"an indefinite length":                         "the same",
	"a tag in too many octets":                     "it reads superfluous octets",
	constructedOrNot:                               "it passes over whether a tag is constructed; strings in parts, which are constructed, we do not read",
	"has characters that are not allowed":          "it reads control characters, which XML cannot hold, and any text as a time",
}

const constructedOrNot = "is expected, but for the bit that says constructed"

// refusal is what we say of an encoding that we refuse.
func refusal(t *testing.T, b []byte) string {
	_, err := DecodeBER(b, wide)
	var syntax *SyntaxError
	if !errors.As(err, &syntax) {
		t.Fatalf("%v\nof %x", err, b)
	}
	if strings.HasPrefix(syntax.Msg, "tag ") {
		other := bytes.Clone(b)
		other[syntax.Offset] ^= 0x20
		var again *SyntaxError
		if _, err := DecodeBER(other, wide); err == nil || errors.As(err, &again) && again.Msg[:6] != syntax.Msg[:4]+fmt.Sprintf("%02X", other[syntax.Offset]) {
			return constructedOrNot
		}
	}
	return syntax.Msg
}

// readsAlike wants asn1c to read what we read, as the same PDU, and to refuse what we refuse, but for what is explained.
func (a asn1c) readsAlike(t *testing.T, cases []judged) {
	met := map[string]bool{}
	read := 0
	answers := a.ask(t, cases)
	for i, c := range cases {
		p, err := DecodeBER(c.ber, wide)
		der, xer := answers[i].der, answers[i].xer
		switch {
		case err == nil && strings.Contains(dump(p), `"1.39`): // see randomOID
		case err == nil && len(der) == 0:
			t.Errorf("%s: asn1c refuses it: %s\nof %x, %s", c.what, xer, c.ber, dump(p))
		case err == nil:
			read++
			a.same(t, c, p, der)
		case len(der) > 0:
			explained, why := false, refusal(t, c.ber)
			for said := range stricter {
				if strings.Contains(why, said) {
					met[said], explained = true, true
				}
			}
			if !explained {
				t.Errorf("%s: asn1c reads it, and we say %v\nof %x\n%s", c.what, err, c.ber, xer)
			}
		}
	}
	if read < 1000 || read > len(cases)/2 {
		t.Errorf("%d of %d were read", read, len(cases))
	}
	for said := range stricter {
		if !met[said] {
			t.Errorf("asn1c reads nothing of which we say %s", said)
		}
	}
}

// writes wants asn1c to write the same octets in DER, and the same XER, which also in its own spelling is to us the PDU that
// it was.
func (a asn1c) writes(t *testing.T, cases []judged) {
	a.convert(t, cases, DecodeBER, func(c judged, p PDU, der, xer []byte) {
		if !bytes.Equal(der, c.ber) {
			t.Errorf("%s: asn1c writes %x\nwhere we write %x\nof %s", c.what, der, c.ber, dump(p))
		}
		ours, err := AppendXER(nil, p)
		if err != nil {
			t.Fatal(err)
		}
		if theirs := ourXER(t, xer, true); !slices.Equal(tokensOf(t, theirs), tokensOf(t, ours)) {
			t.Errorf("%s: asn1c writes\n%s, for us\n%s, where we write\n%s", c.what, xer, theirs, ours)
		}
		q, err := DecodeXER(ourXER(t, xer, false), wide)
		if err != nil || !same(p, q) {
			t.Errorf("%s: of the XER that asn1c writes we read %s, %v\nwant %s\nof %s", c.what, dump(q), err, dump(p), xer)
		}
	})
}

// reads wants asn1c to read the same PDU.
func (a asn1c) reads(t *testing.T, cases []judged, decode func([]byte, Limits) (PDU, error)) {
	a.convert(t, cases, decode, func(c judged, p PDU, der, _ []byte) { a.same(t, c, p, der) })
}

// same wants der, which asn1c writes of what it has read, to be p.
func (a asn1c) same(t *testing.T, c judged, p PDU, der []byte) {
	t.Helper()
	if q, err := DecodeBER(der, wide); err != nil || !same(p, q) {
		t.Errorf("%s: asn1c reads %s, %v\nwhere we read %s\nof %x", c.what, dump(q), err, dump(p), c.ber)
	}
}

// judged is octets that asn1c is asked about.
type judged struct {
	what string
	ber  []byte
}

// A node is an element, or text where it has no name.
type node struct {
	name, text string
	parts      []*node
	attribute  string // as it is written
}

// ourXER makes XER of asn1c XER of the mapping. The differences are these: the outermost element is the alternative, in a
// namespace (R1); items of a list that are CHOICEs have elements of their own (R4); all numbers are decimal. Where it is to
// be exact, also these, either of which we read: components are named by their type (R2); values of BOOLEAN are text; those with
// a default are attributes, always written (R6); bits that have names are elements (R8); floating-point numbers tell the width by their length.
func ourXER(t *testing.T, theirs []byte, exact bool) []byte {
	pdu := parseNode(t, xml.NewDecoder(bytes.NewReader(theirs))).parts[0]
	pdu.rewrite(pduType, exact)
	alternative := pdu.parts[0]
	var b bytes.Buffer
	alternative.write(&b, " xmlns='"+Namespace+"'")
	return b.Bytes()
}

// tokensOf returns what another reader of XML finds: two spellings of one document are alike.
func tokensOf(t *testing.T, b []byte) (tokens []string) {
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		token, err := d.Token()
		if err == io.EOF {
			return tokens
		} else if err != nil {
			t.Fatalf("%v\nof %s", err, b)
		}
		tokens = append(tokens, fmt.Sprintf("%T %s", token, token))
	}
}

// parseNode reads the rest of the current element, whose name it leaves to the caller.
func parseNode(t *testing.T, d *xml.Decoder) *node {
	n := &node{}
	for {
		switch token, err := d.Token(); token := token.(type) {
		case xml.StartElement:
			part := parseNode(t, d)
			part.name = token.Name.Local
			n.parts = append(n.parts, part)
		case xml.CharData:
			n.parts = append(n.parts, &node{text: string(token)})
		default: // an end tag, or the end
			if err != nil && err != io.EOF {
				t.Fatalf("the XER of asn1c: %v", err)
			}
			return n
		}
	}
}

// rewrite changes the content of n, which is a value of type t.
func (n *node) rewrite(t *asn1.Type, exact bool) {
	switch t.Kind {
	case asn1.Sequence, asn1.ChoiceOf:
		for _, part := range n.parts {
			for i := range t.Fields {
				u := &t.Fields[i]
				if !u.Is(part.name) {
					continue
				}
				if u.Explicit && u.Type.Tag != 0 {
					part.parts = part.parts[0].parts
				}
				part.rewrite(u.Type, exact)
				if exact {
					part.name = u.Name
				}
				break
			}
		}
		if exact && t.Attribute != nil {
			n.rewriteDefault(t.Attribute)
		}
	case asn1.SequenceOf:
		n.rewriteItems(t.Item.Type, t.Item.Name, exact)
	case asn1.DataValue:
		switch part := n.parts[0]; part.name {
		case "array", "structure":
			part.rewriteItems(t, "Data", exact)
		case "unsigned", "bcd":
			part.rewriteNumber()
		case "boolean":
			if exact {
				part.rewriteBoolean()
			}
		case "floating-point":
			if exact { // without the width of the exponent
				part.parts[0].text = part.parts[0].text[2:]
			}
		}
	case asn1.Boolean:
		if exact {
			n.rewriteBoolean()
		}
	case asn1.Integer:
		n.rewriteNumber()
		if number, err := strconv.ParseInt(n.parts[0].text, 10, 64); exact && err == nil && t.Names.Of(number) != "" {
			n.parts = []*node{{name: t.Names.Of(number)}}
		}
	case asn1.BitString:
		if exact {
			n.rewriteBits(t.Names)
		}
	}
}

func (n *node) rewriteItems(item *asn1.Type, name string, exact bool) {
	for i, part := range n.parts {
		if item.Kind == asn1.ChoiceOf || item.Kind == asn1.DataValue {
			part = &node{name: name, parts: []*node{part}}
			n.parts[i] = part
		}
		part.name = name
		part.rewrite(item, exact)
	}
}

// rewriteBoolean makes text of an empty element.
func (n *node) rewriteBoolean() { n.parts = []*node{{text: n.parts[0].name}} }

// rewriteBits makes elements of bits, if all that are set have names.
func (n *node) rewriteBits(names asn1.Names) {
	var parts []*node
	if len(n.parts) > 0 {
		for i, bit := range n.parts[0].text {
			if bit == '1' && names.Of(int64(i)) == "" {
				return
			} else if bit == '1' {
				parts = append(parts, &node{name: names[i]})
			}
		}
	}
	n.parts = parts
}

// rewriteDefault makes an attribute of the component u, which may be absent.
func (n *node) rewriteDefault(u *asn1.Use) {
	value := u.Type.Names.Text(u.Default)
	if u.Type.Kind == asn1.Boolean {
		value = fmt.Sprint(u.Default != 0)
	}
	for i, part := range n.parts {
		if u.Is(part.name) {
			if value = part.parts[0].text; value == "" {
				value = part.parts[0].name
			}
			n.parts = slices.Delete(n.parts, i, i+1)
			break
		}
	}
	n.attribute = fmt.Sprintf(" %s='%s'", u.Name, value)
}

// rewriteNumber finds decimal digits for octets with colons between them, which asn1c writes where long is too short.
func (n *node) rewriteNumber() {
	if digits := strings.ReplaceAll(n.parts[0].text, ":", ""); digits != n.parts[0].text {
		number, _ := new(big.Int).SetString(digits, 16)
		n.parts[0].text = number.String()
	}
}

func (n *node) write(b *bytes.Buffer, attributes string) {
	if n.name == "" {
		xml.EscapeText(b, []byte(n.text))
		return
	}
	fmt.Fprintf(b, "<%s%s%s>", n.name, attributes, n.attribute)
	for _, part := range n.parts {
		part.write(b, "")
	}
	fmt.Fprintf(b, "</%s>", n.name)
}

// asn1c is the path of a program that knows our module, compiled by asn1c.
type asn1c string

func newASN1C(t *testing.T) asn1c {
	t.Helper()
	compiler, cc := judge(t, "asn1c", "asn1c"), judge(t, "gcc", "gcc")
	dir := t.TempDir()
	run := func(program string, args ...string) {
		t.Helper()
		cmd := exec.Command(program, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", program, err, out)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "module.asn1"), []byte(printModule(pduType)), 0o600); err != nil {
		t.Fatal(err)
	}
	run(compiler, "-fcompound-names", "-fwide-types", "module.asn1")
	if err := os.Remove(filepath.Join(dir, "converter-sample.c")); err != nil {
		t.Fatal(err)
	}
	sources, err := filepath.Glob(filepath.Join(dir, "*.c"))
	if err != nil {
		t.Fatal(err)
	}
	main, err := filepath.Abs("testdata/asn1c.c")
	if err != nil {
		t.Fatal(err)
	}
	run(cc, append([]string{"-O0", "-w", "-pipe", "-I.", "-o", "judge", main}, sources...)...)
	return asn1c(filepath.Join(dir, "judge"))
}

// convert asks about all cases at once, and hands each to check with what it is to us, and to asn1c in DER and XER.
func (a asn1c) convert(t *testing.T, cases []judged, decode func([]byte, Limits) (PDU, error), check func(c judged, p PDU, der, xer []byte)) {
	t.Helper()
	answers := a.ask(t, cases)
	for i, c := range cases {
		der, xer := answers[i].der, answers[i].xer
		switch p, err := decode(c.ber, wide); {
		case err != nil:
			t.Fatalf("%s: %v\nof %x", c.what, err, c.ber)
		case len(der) == 0:
			t.Errorf("%s: asn1c refuses it: %s\nof %x, %s", c.what, xer, c.ber, dump(p))
		default:
			check(c, p, der, xer)
		}
	}
}

// An answer is what asn1c makes of a case; where it refuses it, der is empty and xer the reason.
type answer struct{ der, xer []byte }

// ask asks about all cases at once.
func (a asn1c) ask(t *testing.T, cases []judged) (answers []answer) {
	t.Helper()
	var in []byte
	for _, c := range cases {
		in = append(binary.BigEndian.AppendUint32(in, uint32(len(c.ber))), c.ber...)
	}
	cmd := exec.Command(string(a))
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("what asn1c made: %v", err)
	}
	next := func() []byte {
		if len(out) < 4 || len(out)-4 < int(binary.BigEndian.Uint32(out)) {
			t.Fatal("the answers end too early")
		}
		n := 4 + binary.BigEndian.Uint32(out)
		message := out[4:n]
		out = out[n:]
		return message
	}
	for range cases {
		der := next()
		answers = append(answers, answer{der, next()})
	}
	return answers
}
