package jid

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/text/secure/precis"
)

func TestParse(t *testing.T) {
	long := strings.Repeat("a", 1023)
	tests := []struct {
		name, in                string
		local, domain, resource string
	}{
		{"domain only", "dso.example", "", "dso.example", ""},
		{"bare", "pv1@dso.example", "pv1", "dso.example", ""},
		{"full", "pv1@dso.example/IEC", "pv1", "dso.example", "IEC"},
		{"domain and resource", "dso.example/IEC", "", "dso.example", "IEC"},
		{"resource with slash and at", "pv1@dso.example/a/b@c", "pv1", "dso.example", "a/b@c"},
		{"at in the resource only", "dso.example/a@b", "", "dso.example", "a@b"},
		{"resource with spaces", "pv1@dso.example/ my shell ", "pv1", "dso.example", " my shell "},
		{"resource keeps its case", "pv1@dso.example/Iec", "pv1", "dso.example", "Iec"},
		{"case of local and domain", "PV1@DSO.Example/IEC", "pv1", "dso.example", "IEC"},
		{"non-ASCII case", "ÉCLAIR@dso.example", "éclair", "dso.example", ""},
		{"sharp s stays", "fußball@example.com", "fußball", "example.com", ""},
		{"greek final sigma stays", "ς@example.com", "ς", "example.com", ""},
		{"greek capital sigma", "Σ@example.com", "σ", "example.com", ""},
		{"decomposed to composed", "e\u0301@dso.example/e\u0301", "é", "dso.example", "é"},
		{"fullwidth local", "\uff50\uff56@dso.example", "pv", "dso.example", ""},
		{"opaque space", "pv1@dso.example/a\u00a0b", "pv1", "dso.example", "a b"},
		{"chess king in the resource", "king@example.com/\u265a", "king", "example.com", "\u265a"},
		{"devanagari", "अ@example.com", "अ", "example.com", ""},
		{"U-label", "a@bücher.example", "a", "bücher.example", ""},
		{"A-label becomes U-label", "a@xn--bcher-kva.example", "a", "bücher.example", ""},
		{"upper-case A-label", "a@XN--Bcher-KVA.example", "a", "bücher.example", ""},
		{"trailing dot", "a@dso.example./r", "a", "dso.example", "r"},
		{"trailing ideographic full stop", "a@dso.example\u3002", "a", "dso.example", ""},
		{"ideographic full stop inside", "a@dso\u3002example", "a", "dso.example", ""},
		{"IPv4", "a@192.0.2.1/r", "a", "192.0.2.1", "r"},
		{"IPv6", "a@[2001:DB8:0::1]/r", "a", "[2001:db8::1]", "r"},
		{"hyphens inside", "a@a-b--c.example", "a", "a-b--c.example", ""},
		{"single label", "a@localhost", "a", "localhost", ""},
		{"localpart of 1023", long + "@d", long, "d", ""},
		{"resourcepart of 1023", "d/" + long, "", "d", long},
		{"punctuation in the local part", "a.b+c=d{e}|f~@d", "a.b+c=d{e}|f~", "d", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(tt.in)
			if err != nil {
				t.Fatalf("Parse(%q): %v", tt.in, err)
			}
			if got.Local() != tt.local || got.Domain() != tt.domain || got.Resource() != tt.resource {
				t.Errorf("Parse(%q) = %q %q %q, want %q %q %q", tt.in,
					got.Local(), got.Domain(), got.Resource(), tt.local, tt.domain, tt.resource)
			}
			if made, err := New(tt.local, tt.domain, tt.resource); err != nil || made != got {
				t.Errorf("New(%q, %q, %q) = %q, %v, want %q", tt.local, tt.domain, tt.resource, made, err, got)
			}
			if again, err := Parse(got.String()); err != nil || again != got {
				t.Errorf("Parse(%q) = %q, %v, want it unchanged", got, again, err)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		name, in string
		part     Part
		offset   int
	}{
		{"nothing", "", DomainPart, 0},
		{"only a slash", "/", DomainPart, 0},
		{"only an at", "@", LocalPart, 0},
		{"empty localpart", "@dso.example", LocalPart, 0},
		{"empty resourcepart", "pv1@dso.example/", ResourcePart, 16},
		{"empty domain before a resource", "pv1@/IEC", DomainPart, 4},
		{"two at signs", "a@b@c", DomainPart, 2},
		{"fullwidth at in the localpart", "a\uff20b@c", LocalPart, 0},
		{"quotation mark", "a\"b@c", LocalPart, 0},
		{"ampersand", "a&b@c", LocalPart, 0},
		{"apostrophe", "a'b@c", LocalPart, 0},
		{"colon", "a:b@c", LocalPart, 0},
		{"less than", "a<b@c", LocalPart, 0},
		{"fullwidth less than", "a\uff1cb@c", LocalPart, 0},
		{"space in the localpart", "a b@c", LocalPart, 0},
		{"non-breaking space in the localpart", "a\u00a0b@c", LocalPart, 0},
		{"control in the localpart", "a\x00b@c", LocalPart, 0},
		{"control in the resourcepart", "a@c/\x07", ResourcePart, 4},
		{"delete in the resourcepart", "a@c/\x7f", ResourcePart, 4},
		{"chess king in the localpart", "\u265a@example.com", LocalPart, 0},
		{"roman numeral four", "henry\u2163@example.com", LocalPart, 0},
		{"mixed direction", "aא@example.com", LocalPart, 0},
		{"private use", "a@c/\ue000", ResourcePart, 4},
		{"noncharacter", "a@c/\ufffe", ResourcePart, 4},
		{"invalid UTF-8 in the localpart", "a\xff@c", LocalPart, 0},
		{"invalid UTF-8 in the domain", "a@c\xff.example", DomainPart, 2},
		{"invalid UTF-8 in the resourcepart", "a@c/\xc0\x80", ResourcePart, 4},
		{"surrogate in the resourcepart", "a@c/\xed\xa0\x80", ResourcePart, 4},
		{"empty label", "a@b..c", DomainPart, 2},
		{"two trailing dots", "a@b..", DomainPart, 2},
		{"leading dot", "a@.b", DomainPart, 2},
		{"dot only", "a@.", DomainPart, 2},
		{"underscore", "a@b_c.example", DomainPart, 2},
		{"space in the domain", "a@b c", DomainPart, 2},
		{"leading hyphen", "a@-b.example", DomainPart, 2},
		{"trailing hyphen", "a@b-.example", DomainPart, 2},
		{"hyphens that look like an A-label", "a@ab--c.example", DomainPart, 2},
		{"fake A-label", "a@xn--a.example", DomainPart, 2},
		{"A-label of ASCII", "a@xn--abc-.example", DomainPart, 2},
		{"symbol in the domain", "a@☃.example", DomainPart, 2},
		{"label of 64", "a@" + strings.Repeat("b", 64) + ".c", DomainPart, 2},
		{"domain of 254", "a@" + strings.Repeat("abc.", 63) + "ab", DomainPart, 2},
		{"open bracket", "a@[::1", DomainPart, 2},
		{"IPv6 with a zone", "a@[fe80::1%eth0]", DomainPart, 2},
		{"IPv4 in brackets", "a@[192.0.2.1]", DomainPart, 2},
		{"port", "a@dso.example:5222", DomainPart, 2},
		{"localpart of 1024", strings.Repeat("a", 1024) + "@d", LocalPart, 0},
		{"resourcepart of 1024", "d/" + strings.Repeat("a", 1024), ResourcePart, 2},
		{"endless", strings.Repeat("a", 1<<20), DomainPart, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(tt.in)
			var syntax *SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("Parse(%.80q) = %q, %v, want a SyntaxError", tt.in, got, err)
			}
			if syntax.Part != tt.part || syntax.Offset != tt.offset {
				t.Errorf("Parse(%.80q): %v, want it in the %v at octet %d", tt.in, err, tt.part, tt.offset)
			}
			if !got.IsZero() {
				t.Errorf("Parse(%.80q) = %q beside an error", tt.in, got)
			}
		})
	}
}

func TestJIDForms(t *testing.T) {
	full := MustParse("pv1@dso.example/IEC")
	bare := MustParse("pv1@dso.example")
	if full.Bare() != bare || bare.Bare() != bare {
		t.Errorf("Bare() = %q, %q, want %q", full.Bare(), bare.Bare(), bare)
	}
	if !full.IsFull() || full.IsBare() || !bare.IsBare() || bare.IsFull() {
		t.Errorf("full or bare is told wrongly of %q or %q", full, bare)
	}
	if got, err := bare.WithResource("IEC"); err != nil || got != full {
		t.Errorf("WithResource = %q, %v, want %q", got, err, full)
	}
	if got, err := full.WithResource(""); err != nil || got != bare {
		t.Errorf("WithResource(\"\") = %q, %v, want %q", got, err, bare)
	}
	if got, err := full.WithResource("\x00"); err == nil {
		t.Errorf("WithResource of a control character = %q, want an error", got)
	}
	var zero JID
	if zero.IsBare() || zero.IsFull() || !zero.IsZero() || zero.String() != "" || zero.Bare() != zero || zero.Resource() != "" {
		t.Errorf("the zero JID is not no address: %q", zero)
	}
	if _, err := zero.WithResource("IEC"); err == nil {
		t.Error("a resource was added to no address")
	}
	seen := map[JID]bool{full: true}
	if !seen[MustParse("PV1@dso.EXAMPLE./IEC")] {
		t.Error("another spelling of the same address is another map key")
	}
}

func TestASCIIDomain(t *testing.T) {
	for in, want := range map[string]string{
		"a@dso.example/r":         "dso.example",
		"a@bücher.example":        "xn--bcher-kva.example",
		"BÜCHER.example":          "xn--bcher-kva.example",
		"a@xn--bcher-kva.example": "xn--bcher-kva.example",
		"a@[2001:db8::1]/r":       "[2001:db8::1]",
		"a@192.0.2.1":             "192.0.2.1",
	} {
		if got := MustParse(in).ASCIIDomain(); got != want {
			t.Errorf("ASCIIDomain of %q = %q, want %q", in, got, want)
		}
	}
	if got := (JID{}).ASCIIDomain(); got != "" {
		t.Errorf("ASCIIDomain of no address = %q, want nothing", got)
	}
}

// RFC 7622, Section 3.1: preparation of prepared ASCII is the identity, so the fast path may skip it.
func TestFastPathAgreesWithPRECIS(t *testing.T) {
	for c := byte(1); c < 128; c++ {
		s := "a" + string(c) + "b"
		slow, err := enforce(precis.UsernameCaseMapped, s)
		plain := err == nil && slow == s && !strings.ContainsAny(s, excluded)
		if got := localIsPrepared(s); got != plain {
			t.Errorf("localIsPrepared(%q) = %v, want %v", s, got, plain)
		}
		slow, err = enforce(precis.OpaqueString, s)
		if got, want := resourceIsPrepared(s), err == nil && slow == s; got != want {
			t.Errorf("resourceIsPrepared(%q) = %v, want %v", s, got, want)
		}
		slow, err = hostNames.ToUnicode(s)
		if got, want := domainIsPrepared(s), err == nil && slow == s && c != '.'; got != want && c != '.' {
			t.Errorf("domainIsPrepared(%q) = %v, want %v", s, got, want)
		}
	}
}

func TestParsePreparedASCIIDoesNotAllocate(t *testing.T) {
	n := testing.AllocsPerRun(100, func() {
		if j, err := Parse("pv1@dso.example/IEC-1a2b3c4d"); err != nil || j.Bare().Local() != "pv1" {
			t.Fatal(j, err)
		}
	})
	if n != 0 {
		t.Errorf("Parse of prepared ASCII allocates %v times, want 0", n)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"pv1@dso.example/IEC", "PV1@DSO.Example./a/b@c", "ÉCLAIR@bücher.example/\u00a0", "a@[2001:DB8::1]/r",
		"a@xn--bcher-kva.example", "e\u0301@d\u3002e/\u265a", "\uff20@x", "a@b..c", "@/", "ﬀ@x", "ǅ@x", "a@ﬀ.example",
		"d/ x", "d/\u1680", "d/\u212b", "a@192.0.2.1", "a@b/" + strings.Repeat("é", 600),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		j, err := Parse(s)
		if err != nil {
			if !j.IsZero() {
				t.Fatalf("Parse(%q) = %q beside an error", s, j)
			}
			return
		}
		if again, err := Parse(j.String()); err != nil || again != j {
			t.Fatalf("Parse(%q) = %q, and that again = %q, %v", s, j, again, err)
		}
		if made, err := New(j.Local(), j.Domain(), j.Resource()); err != nil || made != j {
			t.Fatalf("New of the parts of %q = %q, %v", j, made, err)
		}
		if strings.ContainsAny(j.Local(), excluded) || strings.ContainsAny(j.Domain(), "/@") || strings.HasSuffix(j.Domain(), ".") {
			t.Fatalf("Parse(%q) let through %q %q", s, j.Local(), j.Domain())
		}
		if len(j.Local()) > 1023 || len(j.Domain()) > 1023 || len(j.Resource()) > 1023 || j.Domain() == "" {
			t.Fatalf("Parse(%q): lengths of %q", s, j)
		}
		ascii := j.ASCIIDomain()
		if there, err := Parse(ascii); err != nil || there.Domain() != j.Domain() || strings.ContainsFunc(ascii, func(r rune) bool { return r > '~' }) {
			t.Fatalf("ASCIIDomain of %q = %q, which is %q, %v", j, ascii, there, err)
		}
		if j.Bare().IsFull() || j.Bare().Domain() != j.Domain() || j.Bare().Local() != j.Local() {
			t.Fatalf("Bare of %q = %q", j, j.Bare())
		}
		if again, err := j.Bare().WithResource(j.Resource()); err != nil || again != j {
			t.Fatalf("%q with the resource of %q = %q, %v", j.Bare(), j, again, err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for _, s := range []string{"pv1@dso.example/IEC", "PV1@dso.example/IEC", "pv1@bücher.example/IEC"} {
		b.Run(s, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
