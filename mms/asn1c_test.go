package mms

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"busbar.example/internal/asn1"
)

// asn1c compiles what our plan says, and what it makes of that judges our octets.
func TestASN1CJudgesOurBER(t *testing.T) {
	judge := newASN1C(t)
	written := someBER(t)
	t.Run("what we write", func(t *testing.T) { judge.writes(t, written) })
	t.Run("what we read", func(t *testing.T) { judge.reads(t, damaged(written), DecodeBER) })
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

// damaged changes an octet here and there, and keeps what we still read.
func damaged(cases []judged) (read []judged) {
	random := rand.New(rand.NewPCG(1, 1))
	for _, c := range cases {
		for range 20 {
			b := bytes.Clone(c.ber)
			b[random.IntN(len(b))] = byte(random.Uint32())
			if p, err := DecodeBER(b, wide); err == nil && !strings.Contains(dump(p), `"1.39`) { // see randomOID
				read = append(read, judged{c.what + ", damaged", b})
			}
		}
	}
	return read
}

// writes wants asn1c to write the same octets in DER, and XER that is to us the PDU that it was.
func (a asn1c) writes(t *testing.T, cases []judged) {
	a.convert(t, cases, DecodeBER, func(c judged, p PDU, der, xer []byte) {
		if !bytes.Equal(der, c.ber) {
			t.Errorf("%s: asn1c writes %x\nwhere we write %x\nof %s", c.what, der, c.ber, dump(p))
		}
		q, err := DecodeXER(ourXER(t, xer), wide)
		if err != nil || !same(p, q) {
			t.Errorf("%s: of the XER that asn1c writes we read %s, %v\nwant %s\nof %s", c.what, dump(q), err, dump(p), xer)
		}
	})
}

// reads wants asn1c to read the same PDU.
func (a asn1c) reads(t *testing.T, cases []judged, decode func([]byte, Limits) (PDU, error)) {
	a.convert(t, cases, decode, func(c judged, p PDU, der, _ []byte) {
		if q, err := DecodeBER(der, wide); err != nil || !same(p, q) {
			t.Errorf("%s: asn1c reads %s, %v\nwhere we read %s\nof %x", c.what, dump(q), err, dump(p), c.ber)
		}
	})
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
}

// ourXER makes XER of asn1c XER of the mapping. The differences are these: the outermost element is the alternative, in a
// namespace (R1); items of a list that are CHOICEs have elements of their own (R4); all numbers are decimal.
func ourXER(t *testing.T, theirs []byte) []byte {
	pdu := parseNode(t, xml.NewDecoder(bytes.NewReader(theirs))).parts[0]
	pdu.rewrite(pduType)
	alternative := pdu.parts[0]
	var b bytes.Buffer
	alternative.write(&b, " xmlns='"+Namespace+"'")
	return b.Bytes()
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
func (n *node) rewrite(t *asn1.Type) {
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
				part.rewrite(u.Type)
			}
		}
	case asn1.SequenceOf:
		n.rewriteItems(t.Item.Type, t.Item.Name)
	case asn1.DataValue:
		switch part := n.parts[0]; part.name {
		case "array", "structure":
			part.rewriteItems(t, "Data")
		case "unsigned", "bcd":
			part.rewriteNumber()
		}
	case asn1.Integer:
		n.rewriteNumber()
	}
}

func (n *node) rewriteItems(item *asn1.Type, name string) {
	for i, part := range n.parts {
		if item.Kind == asn1.ChoiceOf || item.Kind == asn1.DataValue {
			part = &node{name: name, parts: []*node{part}}
			n.parts[i] = part
		}
		part.name = name
		part.rewrite(item)
	}
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
	fmt.Fprintf(b, "<%s%s>", n.name, attributes)
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
	for _, c := range cases {
		der, xer := next(), next()
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
