package scl

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
)

// file puts an IED and templates into a file.
func file(server, templates string) string {
	return `<SCL xmlns="` + namespace + `"><IED name="I"><AccessPoint name="A"><Server>` + server +
		`</Server></AccessPoint></IED><DataTypeTemplates>` + templates + `</DataTypeTemplates></SCL>`
}

const (
	oneLN = `<LDevice inst="L"><LN0 lnClass="LLN0" inst="" lnType="T"/></LDevice>`
	beh   = `<LNodeType id="T" lnClass="LLN0"><DO name="Beh" type="D"/></LNodeType>` +
		`<DOType id="D" cdc="ENS"><DA name="stVal" fc="ST" bType="INT32"/></DOType>`
)

func TestBrokenFilesAreRefusedWithTheLineAndWhatToDo(t *testing.T) {
	deep := strings.Repeat("<a>", largest.depth+1)
	for name, tc := range map[string]struct{ in, want string }{
		"empty":                  {"", "it ends before </SCL>: the file may be cut off, or empty"},
		"gzip":                   {"\x1f\x8b\x08\x00", "it is compressed (gzip): unpack it first"},
		"ZIP":                    {"PK\x03\x04\x14\x00", "it is compressed (ZIP): unpack it first"},
		"no XML":                 {"hello", "it ends before </SCL>"},
		"another XML file":       {"<html/>", "this is no SCL file: it starts with <html"},
		"SCL of another kind":    {`<SCL xmlns="urn:x"/>`, "this is no SCL file"},
		"cut off":                {"<SCL><IED name=\"x\">", "it ends before </SCL>"},
		"not well-formed":        {"<SCL>\n<IED>\n</SCL>", "3: not well-formed XML"},
		"document type":          {"<!DOCTYPE SCL [<!ENTITY a \"b\">]>\n<SCL/>", "a document type declaration is refused: remove the DOCTYPE"},
		"document type inside":   {"<SCL><!DOCTYPE SCL></SCL>", "a document type declaration is refused"},
		"entity":                 {"<SCL><Private>&a;</Private></SCL>", "not well-formed XML: invalid character entity &a;"},
		"too deep":               {"<SCL>" + deep, "is nested deeper than"},
		"another file behind it": {"<SCL/><SCL/>", "something follows </SCL>"},
		"rubbish behind it":      {"<SCL/></x>", "not well-formed XML"},
	} {
		_, err := Parse(strings.NewReader(tc.in))
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %s", name, err, tc.want)
		}
	}
}

func TestWrongModelsAreRefused(t *testing.T) {
	doType := func(id, members string) string { return `<DOType id="` + id + `" cdc="X">` + members + `</DOType>` }
	ln := `<LNodeType id="T" lnClass="LLN0"><DO name="A" type="D"/></LNodeType>`
	var wide strings.Builder // each type holds ten of the next: 10¹⁰ leaves
	for i := range 10 {
		members := ""
		for j := range 10 {
			members += fmt.Sprintf(`<SDO name="s%d" type="D%d"/>`, j, i+1)
		}
		wide.WriteString(doType(fmt.Sprintf("D%d", i), members))
	}
	leaf := `<DA name="a" fc="ST" bType="BOOLEAN"/>`
	for name, tc := range map[string]struct{ in, want string }{
		"no server":             {`<SCL><IED name="I"><AccessPoint name="A"/></IED></SCL>`, "no IED in it has a server"},
		"no device with a name": {file(`<LDevice inst="L x"/>`, beh), "its server has no logical device"},
		"no device":             {file("", beh), "its server has no logical device"},
		"count of 2³¹":          {file(oneLN, ln+doType("D", `<DA name="a" fc="ST" bType="BOOLEAN" count="2147483648"/>`)), "more than 1000000 nodes"},
		"count beyond numbers":  {file(oneLN, ln+doType("D", `<DA name="a" fc="ST" bType="BOOLEAN" count="99999999999999999999999"/>`)), "more than 1000000 nodes"},
		"count of arrays":       {file(oneLN, ln+doType("D", `<SDO name="x" type="E" count="65536"/>`)+doType("E", `<SDO name="x" type="F" count="65536"/>`)+doType("F", leaf)), "more than 1000000 nodes"},
		"count in an attribute": {file(`<LDevice inst="L"><LN0 lnClass="LLN0" inst="" lnType="T"><DOI name="A"><DAI name="n"><Val>2000000000</Val></DAI></DOI></LN0></LDevice>`,
			ln+doType("D", `<DA name="a" fc="ST" bType="BOOLEAN" count="n"/><DA name="n" fc="CF" bType="INT32"/>`)), "more than 1000000 nodes"},
		"types that fan out": {file(oneLN, `<LNodeType id="T" lnClass="LLN0"><DO name="A" type="D0"/></LNodeType>`+wide.String()+doType("D10", leaf)), "more than 1000000 nodes"},
		"types that fan out and vary": {file(oneLN, `<LNodeType id="T" lnClass="LLN0"><DO name="A" type="D0"/></LNodeType>`+wide.String()+
			doType("D10", `<DA name="a" fc="ST" bType="BOOLEAN" count="n"/><DA name="n" fc="CF" bType="INT32"><Val>1</Val></DA>`)), "more than 1000000 nodes"},
		"many instances": {file(`<LDevice inst="L">`+func() string {
			var b strings.Builder
			for i := range 30 {
				fmt.Fprintf(&b, `<LN lnClass="GGIO" inst="%d" lnType="T"/>`, i)
			}
			return b.String()
		}()+`</LDevice>`, ln+doType("D", `<DA name="a" fc="ST" bType="BOOLEAN" count="40000"/>`)), "more than 1000000 nodes"},
	} {
		d, err := Parse(strings.NewReader(tc.in))
		if err != nil {
			t.Errorf("%s: Parse: %v", name, err)
			continue
		}
		_, _, err = d.Model("", "")
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %s", name, err, tc.want)
		}
	}
}

func TestWhatCannotBeUsedIsLeftOutWithAFinding(t *testing.T) {
	ln := func(dos string) string {
		return `<LNodeType id="T" lnClass="LLN0">` + dos + `<DO name="Beh" type="D"/></LNodeType>`
	}
	beh := `<DOType id="D" cdc="ENS">%s<DA name="stVal" fc="ST" bType="INT32"/></DOType>`
	withDA := func(da string) string { return ln("") + fmt.Sprintf(beh, da) }
	withDO := func(do string) string { return ln(do) + fmt.Sprintf(beh, "") }
	values := func(doi string) string {
		return `<LDevice inst="L"><LN0 lnClass="LLN0" inst="" lnType="T">` + doi + `</LN0></LDevice>`
	}
	plain := withDA("")
	long := strings.Repeat("x", 60)
	for name, tc := range map[string]struct{ in, want string }{
		"node without type":     {file(`<LDevice inst="L"><LN lnClass="GGIO" inst="1" lnType="NIX"/><LN0 lnClass="LLN0" inst="" lnType="T"/></LDevice>`, plain), `<LN "GGIO1" of LDevice "L">: it is left out: there is no LNodeType "NIX"`},
		"two nodes of one name": {file(`<LDevice inst="L"><LN0 lnClass="LLN0" inst="" lnType="T"/><LN0 lnClass="LLN0" inst="" lnType="T"/></LDevice>`, plain), "there is another of that name"},
		"node without name":     {file(`<LDevice inst="L"><LN lnClass="" inst="" lnType="T"/><LN0 lnClass="LLN0" inst="" lnType="T"/></LDevice>`, plain), "it is left out"},
		"object without type":   {file(oneLN, withDO(`<DO name="A" type="NIX"/>`)), `<DO name="A">: it is left out: there is no DOType "NIX"`},
		"object of nothing":     {file(oneLN, withDO(`<DO name="A" type="E"/>`)+`<DOType id="E"/>`), "holds no attribute"},
		"two of one name":       {file(oneLN, withDO(`<DO name="Beh" type="D"/>`)), "has another of that name"},
		"a name that is none":   {file(oneLN, withDO(`<DO name="a.b" type="D"/>`)), "a name has letters and digits"},
		"structure without":     {file(oneLN, withDA(`<DA name="a" fc="ST" bType="Struct" type="NIX"/>`)), `there is no DAType "NIX"`},
		"structure of nothing":  {file(oneLN, withDA(`<DA name="a" fc="ST" bType="Struct" type="S"/>`)+`<DAType id="S"/>`), "is empty"},
		"basic type":            {file(oneLN, withDA(`<DA name="a" fc="ST" bType="INT7"/>`)), `the basic type "INT7" is not known`},
		"constraint":            {file(oneLN, withDA(`<DA name="a" fc="ZZ" bType="INT8"/>`)), `fc="ZZ" is no functional constraint`},
		"enumeration":           {file(oneLN, withDA(`<DA name="a" fc="ST" bType="Enum" type="NIX"/>`)), "any number is taken"},
		"count":                 {file(oneLN, withDA(`<DA name="a" fc="ST" bType="INT8" count="nix"/>`)), `count="nix" is neither a number nor an attribute`},
		"value in an array":     {file(oneLN, withDA(`<DA name="a" fc="ST" bType="INT8" count="2"><Val>1</Val></DA>`)), "does not say which element"},
		"id twice":              {file(oneLN, plain+`<DOType id="D" cdc="X"/>`), "the id is taken already in line"},
		"enumeration twice":     {file(oneLN, plain+`<EnumType id="E"/><EnumType id="E"/>`), "the id is taken already"},
		"number of a name":      {file(oneLN, plain+`<EnumType id="E"><EnumVal ord="x">a</EnumVal></EnumType>`), `ord="x" is no number`},
		"value of no object":    {file(values(`<DOI name="Nix"><DAI name="x"><Val>1</Val></DAI></DOI>`), plain), `"IL/LLN0.Nix" are left out`},
		"value of no attribute": {file(values(`<DOI name="Beh"><DAI name="x"><Val>1</Val></DAI></DOI>`), plain), `"IL/LLN0.Beh.x" are left out`},
		"value of another type": {file(values(`<DOI name="Beh"><DAI name="stVal"><Val>x</Val></DAI></DOI>`), plain), `"x" is no whole number`},
		"value of an object":    {file(values(`<DOI name="Beh"><Val>1</Val></DOI>`), plain), "is no leaf"},
		"index of no array":     {file(values(`<DOI name="Beh"><DAI name="stVal" ix="0"><Val>1</Val></DAI></DOI>`), plain), "it is no array"},
		"index beyond":          {file(values(`<DOI name="Beh"><DAI name="a" ix="2"><Val>1</Val></DAI></DOI>`), withDA(`<DA name="a" fc="ST" bType="INT8" count="2"/>`)), `ix="2" is no element of 2`},
		"index missing":         {file(values(`<DOI name="Beh"><DAI name="a"><Val>1</Val></DAI></DOI>`), withDA(`<DA name="a" fc="ST" bType="INT8" count="2"/>`)), `ix="" is no element of 2`},
		"long MMS name":         {file(oneLN, withDO(`<DO name="`+long+`" type="D"/>`)), "longer than 64 octets in MMS"},
		"long reference": {file(oneLN, withDO(`<DO name="`+long+`" type="F"/>`)+`<DOType id="F" cdc="X"><DA name="`+long+`xx" fc="ST" bType="INT8"/></DOType>`) +
			"", "a reference into it would be longer than 129 octets"},
	} {
		d, err := Parse(strings.NewReader(tc.in))
		if err != nil {
			t.Errorf("%s: Parse: %v", name, err)
			continue
		}
		m, findings, err := d.Model("", "")
		if err != nil {
			t.Errorf("%s: Model: %v", name, err)
			continue
		}
		if len(findings) != 1 || !strings.Contains(findings[0].String(), tc.want) || findings[0].Line != 1 {
			t.Errorf("%s: got %v, want one in line 1: %s", name, findings, tc.want)
		}
		if ln := m.LD("IL").LN("LLN0"); ln == nil && name != "long reference" || ln != nil && ln.Node.Child("Beh") == nil {
			t.Errorf("%s: the rest is gone too", name)
		}
	}
}

func TestFindingsAreBounded(t *testing.T) {
	var b strings.Builder
	for i := range 3 * maxFindings {
		fmt.Fprintf(&b, `<LN lnClass="GGIO" inst="%d" lnType="NIX"/>`, i)
	}
	d, err := Parse(strings.NewReader(file(`<LDevice inst="L">`+b.String()+`</LDevice>`, beh)))
	if err != nil {
		t.Fatal(err)
	}
	if _, findings, err := d.Model("", ""); err != nil || len(findings) != maxFindings {
		t.Errorf("%d findings, want %d; %v", len(findings), maxFindings, err)
	}
}

// endless gives head, then body for ever.
type endless struct {
	head, body string
	at         int
}

func (e *endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if e.head != "" {
			c := copy(p[n:], e.head)
			e.head, n = e.head[c:], n+c
			continue
		}
		c := copy(p[n:], e.body[e.at:])
		e.at = (e.at + c) % len(e.body)
		n += c
	}
	return n, nil
}

func TestEndlessFilesEndWithinBounds(t *testing.T) {
	small := limits{octets: 1 << 16, token: 1 << 12, tag: 1 << 10, elements: 1000, depth: 100}
	for name, tc := range map[string]struct {
		in   io.Reader
		want string
	}{
		"elements":   {strings.NewReader("<SCL><IED>" + strings.Repeat("<a/>", 1001)), "the file has more than 1000 elements"},
		"anything":   {&endless{head: "<SCL><IED>", body: "<a/>"}, "the file is larger than 65536 octets"},
		"comments":   {&endless{head: "<SCL>", body: "<!-- -->"}, "the file is larger than 65536 octets"},
		"text":       {strings.NewReader("<SCL><IED>" + strings.Repeat("no end ", 1000)), "longer than 4096 octets"},
		"comment":    {strings.NewReader("<SCL><!--" + strings.Repeat("<!- ", 2000)), "longer than 4096 octets"},
		"directive":  {strings.NewReader("<!DOCTYPE " + strings.Repeat("[]", 4000)), "longer than 4096 octets"},
		"attributes": {strings.NewReader("<SCL " + strings.Repeat("a='' ", 500)), "longer than 1024 octets"},
		"attribute":  {strings.NewReader("<SCL a='" + strings.Repeat("x", 2000)), "longer than 1024 octets"},
		"name":       {strings.NewReader("<SCL><" + strings.Repeat("x", 2000)), "longer than 1024 octets"},
		"nesting":    {strings.NewReader("<SCL>" + strings.Repeat("<a>", 200)), "nested deeper than 100"},
	} {
		_, err := parse(tc.in, small)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %s", name, err, tc.want)
		}
	}
}

// What would take much room is refused before it does: all that is held is the file.
func TestHundredMegabytesAreRefused(t *testing.T) {
	const octets = 100 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Parse(io.LimitReader(&endless{head: "<SCL><IED>", body: strings.Repeat("no end ", 1<<16)}, octets))
	runtime.ReadMemStats(&after)
	var refused *Error
	if !errors.As(err, &refused) || refused.Rule != "scl.xml.limit" || refused.Line != 1 {
		t.Errorf("got %v", err)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 8*octets { // most of it while a reader of unknown length is read
		t.Errorf("%d MiB allocated", got>>20)
	}
}

// failing is a reader of a disk that does.
type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("input/output error") }

func TestReaderThatFails(t *testing.T) {
	_, err := Parse(failing{})
	var e *Error
	if !errors.As(err, &e) || e.Finding().Rule != "scl.file.unreadable" || !strings.Contains(e.Msg, "input/output error") {
		t.Errorf("got %v", err)
	}
}

func FuzzSCL(f *testing.F) {
	f.Add([]byte(file(oneLN, beh)))
	f.Add([]byte("<!DOCTYPE a><SCL/>"))
	for _, name := range []string{"corners.scd", "sound.cid", "blocks.scd"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	sound := file(oneLN, beh)
	f.Add([]byte("\xff\xfe" + toUTF16(sound, binary.LittleEndian)))
	f.Add([]byte(toUTF16(sound, binary.BigEndian)))
	f.Add([]byte("<?xml version='1.0' encoding='windows-1252'?>" + strings.Replace(sound, "<SCL", "<!-- \x80\xfc --><SCL", 1)))
	for _, wrong := range []string{`<DO name="Beh" type="D"/>`, `<DO name="A" type="NIX"/>`, `<DO name="a.b" type="D"/>`} {
		for _, da := range []string{`<DA name="a" fc="ST" bType="Struct" type="NIX"/>`, `<DA name="a" fc="ZZ" bType="INT7"/>`,
			`<DA name="a" fc="ST" bType="INT8" count="n"/><DA name="n" fc="CF" bType="INT32"><Val>2</Val></DA>`} {
			f.Add([]byte(file(oneLN, `<LNodeType id="T" lnClass="LLN0">`+wrong+`<DO name="Beh" type="D"/></LNodeType><DOType id="D" cdc="ENS">`+da+
				`<DA name="stVal" fc="ST" bType="INT32"/></DOType>`)))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		d, err := Parse(strings.NewReader(string(in)))
		if err != nil {
			return
		}
		d.Check("")
		for _, ied := range d.IEDs() {
			checkExtract(t, d, ied.Name)
			for _, ap := range ied.AccessPoints {
				m, _, err := d.Model(ied.Name, ap.Name)
				if err != nil {
					continue
				}
				for _, ld := range m.LDs {
					for _, ln := range ld.LNs {
						checkLN(t, ld, ln)
					}
				}
				if _, err := server.New(server.Config{Model: m}); err != nil {
					t.Fatal(err) // data sets and control blocks included
				}
			}
		}
	})
}

// checkExtract makes sure that an extract is a file of that one IED, which is what it was.
func checkExtract(t *testing.T, d *Document, name string) {
	var b bytes.Buffer
	if err := d.Extract(&b, name); err != nil {
		t.Fatalf("there is no extract of %q: %v", name, err)
	}
	if name == "" {
		return // which stands for any
	}
	again, err := Parse(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatalf("the extract of %q cannot be read: %v\n%s", name, err, &b)
	}
	if ieds := again.IEDs(); len(ieds) != 1 || ieds[0].Name != name {
		t.Fatalf("the extract of %q has %v\n%s", name, ieds, &b)
	}
	was, _, err := d.Model(name, "")
	is, _, errAgain := again.Model(name, "")
	if (err == nil) != (errAgain == nil) {
		t.Fatalf("the extract of %q is served with %v, where it was %v\n%s", name, errAgain, err, &b)
	}
	if err == nil {
		if diff := cmp.Diff(was.Counts(), is.Counts()); diff != "" {
			t.Fatalf("the extract of %q (-was +is):\n%s\n%s", name, diff, &b)
		}
	}
}

// checkLN makes sure that what a file gives is a model: names that make references, values of leaves that exist.
func checkLN(t *testing.T, ld *acsi.LogicalDevice, ln *acsi.LogicalNode) {
	ref, err := acsi.NewRef(ld.Name, ln.Node.Name, 0)
	if err != nil {
		t.Fatal(err)
	}
	var check func(at acsi.Ref, n *acsi.Node)
	check = func(at acsi.Ref, n *acsi.Node) {
		for _, c := range n.Children {
			below, err := at.Child(c.Name)
			if err != nil {
				t.Fatal(err)
			}
			if c.Count > 0 {
				if below, err = below.Element(c.Count - 1); err != nil {
					t.Fatal(err)
				}
			}
			if !c.IsLeaf() && len(c.Children) == 0 {
				t.Fatalf("%s is neither leaf nor structure", below)
			}
			check(below, c)
		}
	}
	check(ref, ln.Node)
	for _, v := range ln.Values {
		if v.Ref.LD() != ld.Name || v.Ref.LN() != ln.Node.Name || v.Ref.FC() == 0 || !v.Value.IsValid() {
			t.Fatalf("%s has the value %s = %v", ref, v.Ref, v.Value)
		}
	}
}
