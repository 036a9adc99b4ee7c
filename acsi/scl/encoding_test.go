package scl

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"

	"busbar.example/acsi"
)

func toUTF16(text string, order binary.AppendByteOrder) string {
	var out []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		out = order.AppendUint16(out, unit)
	}
	return string(out)
}

// Each file says grün € 𝄞, or as much of it as its encoding has.
func TestEditionsAndEncodings(t *testing.T) {
	inner := strings.TrimPrefix(file(`<LDevice inst="L"><LN0 desc="%s" lnClass="LLN0" inst="" lnType="T"/></LDevice>`, beh), `<SCL xmlns="`+namespace+`">`)
	body := func(desc string) string { return strings.Replace(inner, "%s", desc, 1) }
	plain := `<SCL xmlns="` + namespace + `">`
	label := func(encoding string) string { return `<?xml version="1.0" encoding="` + encoding + `"?>` }
	const all = "grün € 𝄞"
	for name, tc := range map[string]struct{ in, desc, rule, edition string }{
		"Edition 1":                     {plain + body(all), all, "", "Edition 1"},
		"Edition 1 without a namespace": {"<SCL>" + body(all), all, "scl.xml.namespace", "Edition 1"},
		"Edition 2":                     {`<SCL xmlns="` + namespace + `" version="2007" revision="B">` + body(all), all, "", "Edition 2 (2007B)"},
		"Edition 2.1 by a prefix": {strings.ReplaceAll(strings.ReplaceAll(`<SCL xmlns:s="`+namespace+`" version="2007" revision="B" release="4">`+body(all), "<", "<s:"), "<s:/", "</s:"),
			all, "", "Edition 2.1 (2007B4)"},
		"Edition 2.2":                       {`<SCL xmlns="` + namespace + `" version="2007" revision="C" release="5">` + body(all), all, "", "Edition 2.2 (2007C5)"},
		"byte order mark":                   {"\xef\xbb\xbf" + label("utf-8") + plain + body(all), all, "", "Edition 1"},
		"ISO 8859-1":                        {label("ISO-8859-1") + plain + body("gr\xfcn"), "grün", "scl.xml.encoding", "Edition 1"},
		"windows-1252":                      {label("Windows-1252") + plain + body("gr\xfcn \x80"), "grün €", "scl.xml.encoding", "Edition 1"},
		"windows-1252 that claims UTF-8":    {label("UTF-8") + plain + body("gr\xfcn \x80"), "grün €", "scl.xml.encoding", "Edition 1"},
		"UTF-8 that claims ISO 8859-1":      {label("iso-8859-1") + plain + body(all), all, "scl.xml.encoding", "Edition 1"},
		"UTF-8 that claims something":       {label("KOI8-R") + plain + body(all), all, "scl.xml.encoding", "Edition 1"},
		"UTF-16 LE":                         {"\xff\xfe" + toUTF16(label("UTF-16")+plain+body(all), binary.LittleEndian), all, "scl.xml.encoding", "Edition 1"},
		"UTF-16 BE":                         {"\xfe\xff" + toUTF16(label("UTF-16")+plain+body(all), binary.BigEndian), all, "scl.xml.encoding", "Edition 1"},
		"UTF-16 LE without byte order mark": {toUTF16(label("UTF-16")+plain+body(all), binary.LittleEndian), all, "scl.xml.encoding", "Edition 1"},
		"UTF-16 BE without byte order mark": {toUTF16(plain+body(all), binary.BigEndian), all, "scl.xml.encoding", "Edition 1"},
	} {
		d, err := Parse(strings.NewReader(tc.in))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		m, findings, err := d.Model("", "")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		rules := ""
		for _, f := range findings {
			rules += f.Rule
		}
		ln := m.LD("IL").LN("LLN0").Node
		if rules != tc.rule || ln.Desc != tc.desc || d.Edition() != tc.edition || ln.Child("Beh").Child("stVal").FC != acsi.ST {
			t.Errorf("%s: got %q, %q, %v; want %q, %q, %s", name, ln.Desc, d.Edition(), findings, tc.desc, tc.edition, tc.rule)
		}
	}
	for name, in := range map[string]string{
		"another encoding": label("KOI8-R") + plain + body("\xc1\xc2"),
		"half a pair":      "\xff\xfe" + toUTF16("<SCL", binary.LittleEndian) + "\x00\xd8",
	} {
		if _, err := Parse(strings.NewReader(in)); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}
