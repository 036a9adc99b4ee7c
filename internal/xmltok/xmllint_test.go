package xmltok

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// xmllint's Exclusive XML Canonicalization judges our canonical form, which differs from it as toExclusive says and no more.
//
// W3C Exclusive XML Canonicalization 1.0; W3C Canonical XML 1.0, Section 2.3

var (
	aTag   = regexp.MustCompile(`<([^ />]+)( [^>]*?)?(/?)>`)
	aValue = regexp.MustCompile(`='([^']*)'`)
)

// toExclusive makes the exclusive canonical form of ours: double quotes, an end tag for each element, and references only
// where they are needed.
func toExclusive(form string) string {
	form = strings.NewReplacer("&apos;", "'", "&quot;", `"`).Replace(aTag.ReplaceAllStringFunc(form, func(s string) string {
		s = aValue.ReplaceAllStringFunc(s, func(v string) string {
			return `="` + strings.NewReplacer("&apos;", "\x01", "&quot;", "\x02", "&gt;", "\x03").Replace(v[2:len(v)-1]) + `"`
		})
		if empty, ok := strings.CutSuffix(s, "/>"); ok {
			name, _, _ := strings.Cut(empty[1:], " ")
			return empty + "></" + name + ">"
		}
		return s
	}))
	return strings.NewReplacer("\x01", "'", "\x02", "&quot;", "\x03", ">").Replace(form)
}

// becomeAbsolute makes absolute URIs of all namespaces, for xmllint takes no others; and an ampersand in one it writes as it is.
func (n *node) becomeAbsolute() {
	if !strings.HasPrefix(n.space, "urn:") {
		n.space = "urn:" + n.space
	}
	n.space = strings.ReplaceAll(n.space, "&", "")
	for _, c := range n.children {
		c.becomeAbsolute()
	}
}

func TestCanonicalFormIsXmllints(t *testing.T) {
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("xmllint is missing: install the package libxml2-utils")
		}
		t.Skip("xmllint is missing: install the package libxml2-utils")
	}
	var in, want strings.Builder // in one document, for one xmllint
	add := func(spelling, form string) {
		in.WriteString("<w>" + spelling + "</w>")
		want.WriteString("<w>" + toExclusive(form) + "</w>")
	}
	for i := range 500 {
		var w writer
		w.reset(nil, "urn:e")
		n := rapid.Custom(func(t *rapid.T) *node { return genNode(t, "e", 4) }).Example(i)
		n.becomeAbsolute()
		n.write(&w)
		form, err := w.bytes()
		if err != nil {
			continue // an element that has an attribute beside a declaration, for one
		}
		add(string(form), string(form))
	}
	if in.Len() < 10_000 {
		t.Errorf("%d octets were made", in.Len())
	}
	for _, spelling := range []string{ // without prefixes, and without white space between elements, which its form keeps
		"<a></a>", "<a />", "<a\n></a >", "<a xmlns='urn:e'/>", "<a xmlns:q='urn:unused'/>", "<a xmlns=\"urn:&#101;\"/>", "<a><![CDATA[]]></a>",
		`<a b="c"/>`, "<a  b = 'c' ></a>", "<a b='&#99;'/>", "<a xmlns='urn:e' b='c'/>", "<a b='\t'/>", "<a b='\n'/>", "<a b='\r\n'/>",
		`<a b="'&quot;&lt;>&amp;"/>`, `<a b='&#39;"&#60;>&#38;'/>`, `<a>&lt;>&amp;'"</a>`, `<a><![CDATA[<>&'"]]></a>`,
		"<a>1\r\n2\t3 </a>", "<a>1\r2&#9;3&#32;</a>", "<a>1<![CDATA[\r\n]]>2\t3 </a>", "<a>&#xE4;&#8364;&#x10000;</a>",
		"<a><b xmlns='urn:f'><c xmlns='urn:f'/><d xmlns='urn:e'/></b></a>",
	} {
		form, err := Canonicalize(nil, []byte(spelling), "urn:e", Limits{})
		if err != nil {
			t.Fatalf("%s: %v", spelling, err)
		}
		add(spelling, string(form))
	}
	file := filepath.Join(t.TempDir(), "all.xml")
	if err := os.WriteFile(file, []byte("<all xmlns='urn:e'>"+in.String()+"</all>"), 0o600); err != nil {
		t.Fatal(err)
	}
	var complaint bytes.Buffer
	cmd := exec.Command(xmllint, "--exc-c14n", "--nonet", file)
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &complaint)
	}
	got, ours := strings.Split(string(out), "<w>"), strings.Split(`<all xmlns="urn:e">`+want.String()+"</all>", "<w>")
	if len(got) != len(ours) {
		t.Fatalf("%d forms, want %d", len(got), len(ours))
	}
	for i := range got {
		if got[i] != ours[i] {
			t.Errorf("xmllint says %q, want %q", got[i], ours[i])
		}
	}
}
