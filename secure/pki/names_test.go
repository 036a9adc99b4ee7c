package pki

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// RFC 5280, Section 4.2.1.6; RFC 6120, Section 13.7.1.4; RFC 4985
func TestNamesAreWrittenAndReadAlike(t *testing.T) {
	want := names{
		dns:  []string{"site.example", "*.site.example"},
		srv:  []string{"_xmpp-client.site.example"},
		xmpp: []string{"ied1@site.example", "zähler@site.example"},
	}
	der := must(want.marshal())(t)
	if d := cmp.Diff(want, must(parseNames(der))(t), cmp.AllowUnexported(names{})); d != "" {
		t.Errorf("names (-want +got):\n%s", d)
	}
	got := must(names{xmpp: []string{"a@b"}}.marshal())(t)
	if d := cmp.Diff(unhex(t, `30 13 A0 11 06 08 2B 06 01 05 05 07 08 05 A0 05 0C 03 "a@b"`), got); d != "" {
		t.Errorf("xmppAddr (-want +got):\n%s", d)
	}
	got = must(names{srv: []string{"_s.b"}}.marshal())(t)
	if d := cmp.Diff(unhex(t, `30 14 A0 12 06 08 2B 06 01 05 05 07 08 07 A0 06 16 04 "_s.b"`), got); d != "" {
		t.Errorf("SRVName (-want +got):\n%s", d)
	}
}

func TestOtherAlternativesArePassedOver(t *testing.T) {
	der := unhex(t, `30 33 81 03 "a@b" 86 05 "urn:x" 87 04 7F000001 88 02 2A03 A4 02 3000`+
		`A0 0A 06 03 2A0304 A0 03 0C 01 FF A0 0A 06 03 2A0304 A0 03 02 01 00`)
	der[1] = byte(len(der) - 2)
	if d := cmp.Diff(names{}, must(parseNames(der))(t), cmp.AllowUnexported(names{})); d != "" {
		t.Errorf("names (-want +got):\n%s", d)
	}
}

func TestMalformedNamesAreRefused(t *testing.T) {
	const xmpp = `06 08 2B 06 01 05 05 07 08 05`
	const srv = `06 08 2B 06 01 05 05 07 08 07`
	for name, der := range map[string]string{
		"nothing":                       ``,
		"no name":                       `30 00`,
		"not a sequence":                `31 05 82 03 "a.b"`,
		"octets behind":                 `30 05 82 03 "a.b" 00`,
		"cut short":                     `30 05 82 03 "a."`,
		"length not minimal":            `30 81 05 82 03 "a.b"`,
		"empty dNSName":                 `30 02 82 00`,
		"dNSName with a space":          `30 05 82 03 "a b"`,
		"dNSName not in ASCII":          `30 04 82 02 C3A9`,
		"dNSName with a control":        `30 05 82 03 "a" 07 "b"`,
		"otherName without a value":     `30 0C A0 0A ` + xmpp,
		"otherName with two values":     `30 1A A0 18` + xmpp + `A0 05 0C 03 "a@b" A0 05 0C 03 "c@d"`,
		"value not tagged":              `30 11 A0 0F` + xmpp + `0C 03 "a@b"`,
		"value tagged [1]":              `30 13 A0 11` + xmpp + `A1 05 0C 03 "a@b"`,
		"two strings in one value":      `30 18 A0 16` + xmpp + `A0 0A 0C 03 "a@b" 0C 03 "c@d"`,
		"xmppAddr an IA5String":         `30 13 A0 11` + xmpp + `A0 05 16 03 "a@b"`,
		"xmppAddr a PrintableString":    `30 13 A0 11` + xmpp + `A0 05 13 03 "a@b"`,
		"xmppAddr not UTF-8":            `30 13 A0 11` + xmpp + `A0 05 0C 03 "a@" FF`,
		"xmppAddr with a NUL":           `30 13 A0 11` + xmpp + `A0 05 0C 03 "a@" 00`,
		"xmppAddr empty":                `30 10 A0 0E` + xmpp + `A0 02 0C 00`,
		"xmppAddr with a line feed":     `30 13 A0 11` + xmpp + `A0 05 0C 03 "a@" 0A`,
		"xmppAddr with a bidi override": `30 15 A0 13` + xmpp + `A0 07 0C 05 "a@" E280AE`,
		"SRVName a UTF8String":          `30 13 A0 11` + srv + `A0 05 0C 03 "_.b"`,
		"SRVName not in ASCII":          `30 13 A0 11` + srv + `A0 05 16 03 "_" C3A9`,
	} {
		if got, err := parseNames(unhex(t, der)); err == nil {
			t.Errorf("%s: accepted as %+v", name, got)
		}
	}
}

func TestDomainAndJIDForms(t *testing.T) {
	long := "a23456789-123456789-123456789-123456789-123456789-123456789-123"
	domains := map[string]bool{
		"site.example": true, "localhost": true, "a-b.c": true, "xn--mnchen-3ya.example": true, "4.example": true, long: true,
		"": false, ".": false, "a..b": false, "a.": false, ".a": false, "-a.b": false, "a-.b": false, "a_b": false, "a b": false,
		"*.a": false, "é.example": false, "192.0.2.1": false, "::1": false, long + "4": false, "\u212A.example": false,
		long + "." + long + "." + long + "." + long: false,
	}
	for s, want := range domains {
		if got := isDomain(s); got != want {
			t.Errorf("isDomain(%q) = %t, want %t", s, got, want)
		}
	}
	jids := map[string]bool{
		"a@b": true, "zähler@site.example": true,
		"": false, "b": false, "@b": false, "a@": false, "a@b/c": false, "a/b@c": false, "a@b@c": false, "a b@c": false, "a@b\n": false,
	}
	for s, want := range jids {
		if got := isBareJID(s); got != want {
			t.Errorf("isBareJID(%q) = %t, want %t", s, got, want)
		}
	}
}
