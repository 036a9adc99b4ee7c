package xmltok

import (
	"errors"
	"strings"
	"testing"
)

const e2eNS = "http://www.iec.ch/62351/2018/E2E_4"

func TestCanonicalFormOfEverySpelling(t *testing.T) {
	tests := []struct {
		want  string // in default namespace e
		other []string
	}{
		{"", []string{" ", "\r\n\t", "<![CDATA[]]>", "&#32;"}},
		{"<a/>", []string{"<a></a>", "<a />", "<a\n></a >", "<a xmlns='e'/>", "<p:a xmlns:p='e'/>", " <a/>\r\n", "<a><![CDATA[]]></a>", "<a xmlns:q='unused'/>", "<a xmlns=\"&#101;\"/>"}},
		{"<a b='c'/>", []string{`<a b="c"/>`, "<a  b = 'c' ></a>", "<a b='&#99;'/>", "<p:a xmlns:p='e' b='c'/>", "<a xmlns='e' b='c'/>"}},
		{"<a b=' '/>", []string{"<a b='\t'/>", "<a b='\n'/>", "<a b='\r\n'/>", "<a b='&#32;'/>"}},
		{"<a b='&apos;&quot;&lt;&gt;&amp;'/>", []string{`<a b="'&quot;&lt;>&amp;"/>`, `<a b='&#39;"&#60;>&#38;'/>`}},
		{"<a>&lt;&gt;&amp;&apos;&quot;</a>", []string{`<a>&lt;>&amp;'"</a>`, `<a><![CDATA[<>&'"]]></a>`, `<a>&#60;<![CDATA[>]]>&#x26;'&#34;</a>`}},
		{"<a>1\n2\t3 </a>", []string{"<a>1\r\n2\t3 </a>", "<a>1\r2&#9;3&#32;</a>", "<a>1<![CDATA[\r\n]]>2\t3 </a>"}},
		{"<a> </a>", []string{"<a>&#32;</a>", "<a><![CDATA[ ]]></a>"}},
		{"<a>ä€𐀀</a>", []string{"<a>&#xE4;&#8364;&#x10000;</a>"}},
		{"<a><b>1</b><c/></a>", []string{"<a>\n  <b>1</b>\n  <c/>\n</a>", "<a>&#32;<b>1</b><![CDATA[ ]]><c></c></a>", "<x:a xmlns:x='e'><b>1</b><y:c xmlns:y='e'/></x:a>"}},
		{"<a/><b><c> </c></b><d/>", []string{"<a/> <b> <c> </c> </b>\n<d/>"}},
		{"<a><b xmlns='f'><c/><d xmlns='e'/></b></a>", []string{
			"<p:a xmlns:p='e' xmlns:q='f'><q:b><q:c/><p:d/></q:b></p:a>", "<a xmlns:f='f'><f:b><f:c/><d/></f:b></a>",
			"<a><b xmlns='f'><c xmlns='f'/><d xmlns='e'/></b></a>"}},
		{"<b xmlns='&apos;&lt;ä'/>", []string{`<b xmlns="'&lt;ä"/>`, `<p:b xmlns:p="'&lt;&#228;"/>`}},
	}
	for _, tc := range tests {
		for _, in := range append([]string{tc.want}, tc.other...) {
			got, err := Canonicalize([]byte("before"), []byte(in), "e", Limits{})
			if err != nil || string(got) != "before"+tc.want {
				t.Errorf("got %q, %v, want %q\ninput %q", got, err, tc.want, in)
			}
		}
	}
}

func TestCanonicalFormIsRefused(t *testing.T) {
	tests := []struct {
		name, in string
		kind     ErrorKind
		offset   int64
	}{
		{"text at the top", "a", NotCanonical, 0},
		{"text before an element", "<a>b<c/></a>", NotCanonical, 4},
		{"text behind an element", "<a><c/>b</a>", NotCanonical, 7},
		{"text behind blanks and an element", "<a> <c/> b</a>", NotCanonical, 8},
		{"CDATA beside an element", "<a><c/><![CDATA[b]]></a>", NotCanonical, 7},
		{"two attributes", "<a b='' c=''/>", NotCanonical, 0},
		{"attribute with a namespace", "<a p:b='' xmlns:p='e'/>", NotCanonical, 0},
		{"xml:lang", "<a xml:lang='en'/>", NotCanonical, 0},
		{"attribute beside a declaration", "<a xmlns='f' b=''/>", NotCanonical, 0},
		{"attribute beside a declaration by prefix", "<p:a xmlns:p='f' b=''/>", NotCanonical, 0},
		{"no namespace", "<a><b xmlns=''/></a>", NotCanonical, 3},
		{"CR in text", "<a>&#13;</a>", NotCanonical, 3},
		{"CR among text", "<a>b&#xD;</a>", NotCanonical, 3},
		{"CR between elements", "<a><b/>&#13;</a>", NotCanonical, 7},
		{"CR before an element", "<a>&#13;<b/></a>", NotCanonical, 3},
		{"CR in a value", "<a b='&#13;'/>", NotCanonical, 0},
		{"LF in a value", "<a b='&#10;'/>", NotCanonical, 0},
		{"tab in a value", "<a b='&#9;'/>", NotCanonical, 0},
		{"LF in a namespace", "<a xmlns='&#10;'/>", NotCanonical, 0},
		{"element in the namespace of xml", "<a><xml:b/></a>", NotCanonical, 3},
		{"comment", "<a><!-- --></a>", Restricted, 3},
		{"processing instruction", "<a/><?b?>", Restricted, 4},
		{"XML declaration", "<?xml version='1.0'?><a/>", Restricted, 0},
		{"document type", "<!DOCTYPE a><a/>", Restricted, 0},
		{"undeclared prefix", "<p:a/>", NotWellFormed, 1},
		{"cut off", "<a>", NotWellFormed, 3},
		{"closing too much", "<a/></b>", NotWellFormed, 4},
		{"not UTF-8", "<a>\xff</a>", Encoding, 3},
		{"too deep", strings.Repeat("<a>", 65), Limit, 192},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Canonicalize(nil, []byte(tc.in), "e", Limits{})
			var refused *SyntaxError
			if !errors.As(err, &refused) || refused.Kind != tc.kind || refused.Offset != tc.offset {
				t.Errorf("got %q, %v, want %v at %d\ninput %q", got, err, tc.kind, tc.offset, tc.in)
			}
		})
	}
}

func TestCanonicalFormIsBounded(t *testing.T) {
	in := "<a xmlns:p='" + strings.Repeat("u", 1000) + "'>" + strings.Repeat("<p:b/>", 1000) + "</a>"
	_, err := Canonicalize(nil, []byte(in), "", Limits{MaxDocument: 64 << 10})
	var limit *SyntaxError
	if !errors.As(err, &limit) || limit.Kind != Limit {
		t.Errorf("got %v, want a limit", err)
	}
}

func TestCanonicalFormWithoutOuterNamespace(t *testing.T) {
	const in = "<a><b xmlns='u'/><c/></a>"
	if got, err := Canonicalize(nil, []byte(in), "", Limits{}); err != nil || string(got) != in {
		t.Errorf("got %s, %v, want %s", got, err, in)
	}
}

// E12: what XMPP servers do to a stanza's content on the way changes neither its meaning nor its canonical form.
func TestE12ReserialisedOnTheWay(t *testing.T) {
	const sent = `<token2><assoID>17:934</assoID><time>20260101120000,000Z</time><text>a &lt; &apos;b&apos;</text><empty/></token2><applData><PDU xmlns='` + pduNS + `'><x f='t'/></PDU></applData>`
	for _, arrived := range []string{
		sent,
		`<token2><assoID>17:934</assoID><time>20260101120000,000Z</time><text>a &lt; 'b'</text><empty></empty></token2><applData><PDU xmlns="` + pduNS + `"><x f="t"></x></PDU></applData>`,
		`<e:token2 xmlns:e='` + e2eNS + `'><e:assoID>17:934</e:assoID><e:time>20260101120000,000Z</e:time><e:text><![CDATA[a < 'b']]></e:text><e:empty/></e:token2>` +
			`<applData><p:PDU xmlns:p='` + pduNS + `'><p:x f='t'/></p:PDU></applData>`,
		"<token2>\n\t<assoID>17:934</assoID>\n\t<time>20260101120000,000Z</time><text>a &#60; &#x27;b&quot;</text><empty/></token2>",
	} {
		got, err := Canonicalize(nil, []byte(arrived), e2eNS, Limits{})
		if err != nil {
			t.Errorf("got %v\ninput %s", err, arrived)
		}
		if altered := strings.Contains(arrived, "b&quot;"); (string(got) == sent) == altered {
			t.Errorf("got %s, altered %v\ninput %s", got, altered, arrived)
		}
	}
}

const pduNS = "http://www.iec.ch/61850/2018/SCSM_8_2"

func TestCanonicalReportIsItsOwnCanonicalForm(t *testing.T) {
	doc := report(t)
	got, err := Canonicalize(nil, doc, e2eNS, Limits{})
	if err != nil || string(got) != string(doc) {
		t.Errorf("got %d octets, %v, want the report's %d", len(got), err, len(doc))
	}
}
