package mms

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the vectors in testdata/mms: what is derived of the first encoding in each")

// vectorDir holds the vectors: files of records, separated by empty lines, of lines "field: text". A line that begins
// with # is a comment. Fields:
//
//	what    a sentence
//	expect  valid: every arrow between ber, xer and dump holds
//	        xer: every arrow between xer and dump holds, and there is no BER
//	        accepted: ber or xer is read, means dump, and is written as in emit
//	        refused: ber or xer is an error that holds the text in error
//	clause  what makes it so
const vectorDir = "../testdata/mms"

// vectorFields are the fields in the order in which they are written.
var vectorFields = []string{"what", "expect", "clause", "ber", "xer", "emit", "dump", "error"}

// A vector is one record.
type vector map[string]string

func TestVectors(t *testing.T) {
	for _, file := range vectorFiles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			comments, vectors := readVectors(t, file)
			for _, v := range vectors {
				t.Run(strings.ReplaceAll(v["what"], " ", "_"), func(t *testing.T) {
					if *update {
						v.derive(t)
					}
					v.check(t)
				})
			}
			if *update {
				writeVectors(t, file, comments, vectors)
			}
		})
	}
}

func (v vector) octets(t testing.TB, field string) []byte {
	if field == "xer" {
		return []byte(v[field])
	}
	b, err := hex.DecodeString(strings.ReplaceAll(v[field], " ", ""))
	if err != nil {
		t.Fatalf("%s: %v", field, err)
	}
	return b
}

// encoding is the field that an accepted or refused vector is about, and its functions.
func (v vector) encoding() (field string, decode func([]byte, Limits) (PDU, error), encode func([]byte, PDU) ([]byte, error)) {
	if _, ok := v["xer"]; ok {
		return "xer", DecodeXER, AppendXER
	}
	return "ber", DecodeBER, AppendBER
}

func (v vector) check(t *testing.T) {
	field, decode, encode := v.encoding()
	switch v["expect"] {
	case "valid":
		v.checkValid(t)
	case "xer":
		v.checkXER(t)
	case "accepted":
		p, err := decode(v.octets(t, field), Limits{})
		if err != nil {
			t.Fatalf("%s: got %v, want it accepted\n%s", field, err, v[field])
		}
		if got := dump(p); got != v["dump"] {
			t.Errorf("got  %s\nwant %s\nof %s", got, v["dump"], v[field])
		}
		b, err := encode(nil, p)
		if got := text(field, b); err != nil || got != v["emit"] {
			t.Errorf("emitted %s, %v\nwant    %s", got, err, v["emit"])
		}
		if v["emit"] == v[field] {
			t.Errorf("this is what we emit: the vector shows nothing\n%s", v[field])
		}
	case "refused":
		p, err := decode(v.octets(t, field), Limits{})
		var syntax *SyntaxError
		if err == nil || !errors.As(err, &syntax) || v["error"] == "" || !strings.Contains(err.Error(), v["error"]) {
			t.Errorf("got %v, want a *SyntaxError that says %q\nof %s", err, v["error"], v[field])
		}
		if p != nil {
			t.Errorf("got a PDU beside the error: %s", dump(p))
		}
	default:
		t.Errorf("expect: %q", v["expect"])
	}
}

func (v vector) checkValid(t *testing.T) {
	fromBER, err := DecodeBER(v.octets(t, "ber"), Limits{})
	if err != nil {
		t.Fatalf("from BER: %v\n%s", err, v["ber"])
	}
	fromXER, err := DecodeXER(v.octets(t, "xer"), Limits{})
	if err != nil {
		t.Fatalf("from XER: %v\n%s", err, v["xer"])
	}
	for name, p := range map[string]PDU{"BER": fromBER, "XER": fromXER} {
		if got := dump(p); got != v["dump"] {
			t.Errorf("from %s: got  %s\nwant %s", name, got, v["dump"])
		}
		b, err := AppendBER(nil, p)
		if got := text("ber", b); err != nil || got != v["ber"] {
			t.Errorf("%s to BER: got  %s, %v\nwant %s", name, got, err, v["ber"])
		}
		x, err := AppendXER(nil, p)
		if got := text("xer", x); err != nil || got != v["xer"] {
			t.Errorf("%s to XER: got  %s, %v\nwant %s", name, got, err, v["xer"])
		}
	}
}

// checkXER is checkValid for what has no form in BER.
func (v vector) checkXER(t *testing.T) {
	p, err := DecodeXER(v.octets(t, "xer"), Limits{})
	if err != nil {
		t.Fatalf("%v\n%s", err, v["xer"])
	}
	if got := dump(p); got != v["dump"] {
		t.Errorf("got  %s\nwant %s", got, v["dump"])
	}
	if x, err := AppendXER(nil, p); err != nil || string(x) != v["xer"] {
		t.Errorf("got  %s, %v\nwant %s", x, err, v["xer"])
	}
	var refused *ValueError
	if b, err := AppendBER(nil, p); !errors.As(err, &refused) || len(b) != 0 {
		t.Errorf("BER: got %x, %v, want a *ValueError", b, err)
	}
}

// derive fills in what follows from the first encoding.
func (v vector) derive(t *testing.T) {
	field, decode, encode := v.encoding()
	if v["expect"] == "valid" && v["ber"] != "" {
		field, decode = "ber", DecodeBER
	}
	p, err := decode(v.octets(t, field), Limits{})
	switch {
	case v["expect"] == "refused":
		return
	case err != nil:
		t.Fatalf("%s: %v\n%s", field, err, v[field])
	}
	v["dump"] = dump(p)
	if v["expect"] == "accepted" {
		b, err := encode(nil, p)
		if err != nil {
			t.Fatal(err)
		}
		v["emit"] = text(field, b)
		return
	}
	if v["expect"] == "xer" {
		return
	}
	b, err1 := AppendBER(nil, p)
	x, err2 := AppendXER(nil, p)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	v["ber"], v["xer"] = text("ber", b), text("xer", x)
}

// text is how an encoding stands in a vector.
func text(field string, b []byte) string {
	if field == "ber" {
		return hex.EncodeToString(b)
	}
	return string(b)
}

func vectorFiles(t testing.TB) []string {
	files, err := filepath.Glob(filepath.Join(vectorDir, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors in %s: %v", vectorDir, err)
	}
	return files
}

func allVectors(t testing.TB) (all []vector) {
	for _, file := range vectorFiles(t) {
		_, vectors := readVectors(t, file)
		all = append(all, vectors...)
	}
	return all
}

// readVectors reads a file: the comments at its head, and the records.
func readVectors(t testing.TB, file string) (comments []string, vectors []vector) {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	v := vector{}
	for n, line := range strings.Split(string(b)+"\n", "\n") {
		field, text, ok := strings.Cut(line, ":")
		switch {
		case strings.HasPrefix(line, "#"):
			comments = append(comments, line)
		case line == "" && len(v) > 0:
			vectors = append(vectors, v)
			v = vector{}
		case line == "":
		case !ok || !slices.Contains(vectorFields, field):
			t.Fatalf("%s:%d: no field: %s", file, n+1, line)
		default:
			v[field] = strings.TrimSpace(text)
		}
	}
	return comments, vectors
}

func writeVectors(t *testing.T, file string, comments []string, vectors []vector) {
	var b bytes.Buffer
	for _, c := range comments {
		fmt.Fprintln(&b, c)
	}
	for _, v := range vectors {
		b.WriteByte('\n')
		for _, f := range vectorFields {
			if text, ok := v[f]; ok {
				fmt.Fprintf(&b, "%-7s %s\n", f+":", text)
			}
		}
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
